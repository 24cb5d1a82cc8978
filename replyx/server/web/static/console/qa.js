// @ts-check
// Prepared answers: given word for word when the question matches.

import { request } from './api.js';
import { deleteButton, field, fill, h, makeForm } from './dom.js';
import { T } from './texts.js';

/** @type {ConsolePage} */
export function showQa(place, assistant) {
  const list = h('div', {});
  const load = () => request('GET', `/api/qa-knowledge?assistant_id=${assistant.id}&limit=200`);
  /** @param {QaPair[]} pairs */
  const draw = (pairs) => [
    pairs.length ? h('ul', { class: 'rows' }, ...pairs.map(drawPair)) : h('p', { class: 'dim' }, T.noQa),
  ];
  const look = () => fill(list, load, draw);

  /** @param {QaPair} pair */
  const drawPair = (pair) => h('li', {},
    h('div', { class: 'what' }, h('strong', {}, pair.question), h('span', { class: 'text' }, pair.answer)),
    deleteButton(T.delete, async () => {
      await request('DELETE', `/api/qa-knowledge/${pair.id}`);
      await look();
    }, pair.question));

  const question = h('input', { name: 'question', autocomplete: 'off' });
  const answer = h('textarea', { name: 'answer', rows: 3 });
  const form = makeForm([field(T.question, question), field(T.answer, answer)], T.addQa, async () => {
    await request('POST', '/api/qa-knowledge', { assistant_id: assistant.id, question: question.value, answer: answer.value });
    form.reset();
    question.focus();
    await look();
  });
  place.append(h('section', { class: 'card' }, h('h2', {}, T.qa), h('p', { class: 'dim' }, T.qaText), list, form));
  look();
}
