// @ts-check
// Trying a question: what the assistant would find, and how close it is.

import { request } from './api.js';
import { h, makeForm } from './dom.js';
import { T } from './texts.js';

/** @type {ConsolePage} */
export function showSearch(place, assistant) {
  const input = h('input', { name: 'q', type: 'search', placeholder: T.searchSample, 'aria-label': T.question, autocomplete: 'off' });
  const found = h('div', { class: 'found', 'aria-live': 'polite' });
  const form = makeForm([input], T.find, async () => {
    found.replaceChildren();
    const query = new URLSearchParams({ assistant_id: String(assistant.id), q: input.value, limit: '6' });
    found.replaceChildren(...drawAnswer(await request('GET', `/api/knowledge/search?${query}`)));
  });
  form.classList.add('inline');
  place.append(h('section', { class: 'card' }, h('h2', {}, T.searchTitle), h('p', { class: 'dim' }, T.searchText), form, found));
  input.focus();
}

/** @param {SearchAnswer} answer */
function drawAnswer({ results, answerable }) {
  if (!results.length) return [h('p', { class: 'notice' }, T.nothing)];
  return [
    h('p', { class: answerable ? 'notice good' : 'notice' }, answerable ? T.answerable : T.unanswerable),
    h('ol', { class: 'passages' }, ...results.map(drawPassage)),
  ];
}

/** @param {Passage} one */
function drawPassage(one) {
  const where = [one.filename || (one.qa_id ? T.qaFound : ''), one.page && `${T.page} ${one.page}`, one.heading];
  return h('li', {},
    h('div', { class: 'where' }, h('strong', {}, where.filter(Boolean).join(' · ')),
      h('span', { class: 'score' }, h('meter', { min: 0, max: 1, value: one.score, 'aria-label': T.score }), one.score.toFixed(2))),
    h('p', { class: 'text' }, one.text));
}
