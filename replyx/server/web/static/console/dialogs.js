// @ts-check
// The last dialogs of an assistant, or of all that there are (null), read only: who said what, which engine answered and from which pages.

import { request, save } from './api.js';
import { fill, h, showError } from './dom.js';
import { T, size, when } from './texts.js';

/** @param {HTMLElement} place @param {Assistant | null} assistant */
export function showDialogs(place, assistant) {
  const list = h('div', { class: 'list' });
  const reader = h('div', { class: 'reader', tabindex: -1 }, h('p', { class: 'dim' }, T.pick));
  const desk = h('div', { class: 'desk' }, list, reader);

  const load = () => request('GET', `/api/dialogs?limit=50${assistant ? `&assistant_id=${assistant.id}` : ''}`);
  /** @param {{dialogs: DialogRow[]}} page */
  const draw = ({ dialogs }) => {
    const mine = dialogs.filter((row) => !assistant || row.assistant_id === assistant.id);
    const again = h('button', { type: 'button', class: 'small', onclick: () => fill(list, load, draw) }, T.refresh);
    if (!mine.length) return [h('p', { class: 'dim' }, T.noDialogs), again];
    return [h('ul', { class: 'rows links' }, ...mine.map((row) => h('li', {}, drawRow(row, open)))), again];
  };
  /** @param {DialogRow} row @param {HTMLElement} button */
  const open = async (row, button) => {
    list.querySelector('[aria-current]')?.removeAttribute('aria-current');
    button.setAttribute('aria-current', 'true');
    desk.classList.add('open');
    await fill(reader, () => request('GET', `/api/dialogs/${row.id}/messages?limit=200`),
      (/** @type {{messages: Message[]}} */ { messages }) => [
        h('button', { type: 'button', class: 'small back', onclick: () => {
          desk.classList.remove('open');
          button.focus();
        } }, T.back),
        ...(messages.length ? messages.map(drawMessage) : [h('p', { class: 'dim' }, T.noMessages)]),
      ]);
    reader.focus({ preventScroll: true });
  };

  place.append(h('section', { class: 'card' }, h('h2', {}, T.dialogs), desk));
  fill(list, load, draw);
}

/** @param {DialogRow} row @param {(row: DialogRow, button: HTMLElement) => void} open */
function drawRow(row, open) {
  const name = [row.first_name, row.last_name].filter(Boolean).join(' ') || row.telegram_username || `${T.visitor} ${row.id}`;
  const badge = T.handoff[row.handoff_status];
  /** @type {HTMLButtonElement} */
  const button = h('button', { type: 'button', onclick: () => open(row, button) },
    h('span', { class: 'top' }, h('strong', {}, name), h('time', { class: 'dim' }, when(row.last_message_time || row.created_at))),
    h('span', { class: 'last' }, row.last_message || T.noMessages),
    ...(badge ? [h('span', { class: 'state busy' }, badge)] : []));
  return button;
}

/** @param {Message} message */
function drawMessage(message) {
  const who = { user: T.user, assistant: T.assistant, operator: message.operator_name || T.operator }[message.sender];
  const how = message.outcome && message.outcome !== 'answered' ? T.outcomes[message.outcome] : T.engines[message.engine || ''];
  const meta = [who, when(message.created_at), message.sender === 'assistant' && how].filter(Boolean).join(' · ');
  const box = h('article', { class: `message ${message.sender}` }, h('p', { class: 'dim' }, meta), h('p', { class: 'text' }, message.text));
  for (const file of message.attachments || []) box.append(drawFile(file));
  const sources = message.sources || [];
  if (sources.length) {
    box.append(h('details', {}, h('summary', {}, `${T.sources}: ${sources.length}`), h('ol', {}, ...sources.map(drawSource))));
  }
  return box;
}

/** A file that the customer sent. @param {Attached} file */
function drawFile(file) {
  const outcome = h('span', {});
  const button = h('button', { type: 'button', class: 'small', onclick: async () => {
    outcome.replaceChildren();
    try {
      await save(`/api/attachments/${file.id}/file`, file.filename);
    } catch (error) {
      showError(outcome, error);
    }
  } }, `${T.download}: ${file.filename} (${size(file.size)})`);
  return h('p', {}, button, outcome);
}

/** @param {Source} source */
function drawSource(source) {
  const where = [source.filename || (source.qa_id ? T.qaFound : ''), source.page && `${T.page} ${source.page}`, source.heading, source.score.toFixed(2)];
  return h('li', {}, h('strong', {}, where.filter(Boolean).join(' · ')), h('p', { class: 'text' }, source.quote));
}
