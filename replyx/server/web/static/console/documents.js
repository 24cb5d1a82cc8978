// @ts-check
// An assistant's documents: dropped in, watched until they are read, deleted.

import { request, upload } from './api.js';
import { deleteButton, fill, h } from './dom.js';
import { T, size } from './texts.js';

const POLL_MS = 2000;

/** @type {ConsolePage} */
export function showDocuments(place, assistant) {
  const rows = h('ul', { class: 'rows' });
  const sending = h('ul', { class: 'rows' });
  const list = h('div', {});
  /** @type {number | undefined} */
  let timer;
  let isLeft = false;
  let shown = '';

  const load = () => request('GET', `/api/documents?assistant_id=${assistant.id}&limit=200`);
  /** @param {KnowledgeDocument[]} documents */
  const draw = (documents) => {
    clearTimeout(timer);
    if (!isLeft && documents.some((one) => one.status === 'processing')) timer = setTimeout(look, POLL_MS);
    // What has not changed is left alone: somebody may be about to press a button in it.
    const news = JSON.stringify(documents);
    if (news !== shown) rows.replaceChildren(...documents.map((one) => drawDocument(one, look)));
    shown = news;
    if (!documents.length) return [h('p', { class: 'dim' }, T.noDocuments)];
    return documents.some((one) => one.status === 'completed') ? [rows, drawNext(assistant)] : [rows];
  };
  const look = () => fill(list, load, draw);

  /** @param {File} file */
  const send = async (file) => {
    const bar = h('progress', { max: 1, value: 0, 'aria-label': `${T.uploading}: ${file.name}` });
    const state = h('span', { class: 'state' }, T.uploading);
    const row = h('li', {}, h('div', { class: 'what' }, h('strong', {}, file.name), h('span', { class: 'dim' }, size(file.size))), state, bar);
    sending.append(row);
    try {
      await upload(assistant.id, file, (part) => (bar.value = part));
      row.remove();
      await look();
    } catch (error) {
      state.textContent = T.notSent;
      state.className = 'state bad';
      bar.replaceWith(h('p', { class: 'issue', role: 'alert' }, error instanceof Error ? error.message : String(error)));
      row.append(h('button', { type: 'button', class: 'small', onclick: () => {
        row.remove();
        send(file);
      } }, T.retry));
    }
  };
  /** One after the other, so that a hundred files are not a hundred connections. @param {Iterable<File>} files */
  const sendAll = async (files) => {
    for (const file of files) await send(file);
  };

  place.append(h('section', { class: 'card' }, h('h2', {}, T.documents), makeDrop(sendAll), sending, list));
  look();
  return () => {
    isLeft = true;
    clearTimeout(timer);
  };
}

/** @param {(files: File[]) => void} take */
function makeDrop(take) {
  const input = h('input', { type: 'file', id: 'files', class: 'hidden-input', multiple: true, accept: '.pdf,.md,.markdown,.html,.htm,.txt', onchange: () => {
    take([...(input.files || [])]);
    input.value = '';
  } });
  const zone = h('div', { class: 'drop',
    ondragover: (event) => {
      event.preventDefault();
      zone.classList.add('over');
    },
    ondragleave: () => zone.classList.remove('over'),
    ondrop: (event) => {
      event.preventDefault();
      zone.classList.remove('over');
      take([...event.dataTransfer.files]);
    } },
  h('p', {}, `${T.drop} `, input, h('label', { for: 'files' }, T.choose)), h('p', { class: 'hint' }, T.dropHint));
  return zone;
}

/** @param {KnowledgeDocument} one @param {() => Promise<void>} onGone */
function drawDocument(one, onGone) {
  const facts = [size(one.size), one.pages && `${one.pages} ${T.pages}`, one.chunks_count && `${one.chunks_count} ${T.chunks}`];
  const states = { processing: T.reading, completed: T.ready, failed: T.failed };
  const looks = { processing: 'state busy', completed: 'state good', failed: 'state bad' };
  const row = h('li', {},
    h('div', { class: 'what' }, h('strong', {}, one.filename), h('span', { class: 'dim' }, facts.filter(Boolean).join(' · '))),
    h('span', { class: looks[one.status] }, states[one.status]),
    deleteButton(T.delete, async () => {
      await request('DELETE', `/api/documents/${one.id}`);
      await onGone();
    }, one.filename));
  if (one.error) row.append(h('p', { class: 'issue' }, one.error.message));
  return row;
}

/** @param {Assistant} assistant */
function drawNext(assistant) {
  const query = assistant.site_token ? `?site_token=${encodeURIComponent(assistant.site_token)}` : '';
  return h('p', { class: 'next' }, `${T.nextCheck} `, h('a', { href: `/demo${query}`, target: '_blank' }, T.demo), '.');
}
