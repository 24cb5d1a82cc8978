// @ts-check
// Making elements, forms and notices. Text goes in as text: nothing here or elsewhere in the console parses markup.

import { ApiError } from './api.js';
import { T } from './texts.js';

/** @type {MakeElement} */
export const h = (tag, set = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
};

/** Say what went wrong in `place`, with a way to try again where there is one. @param {HTMLElement} place @param {unknown} error @param {() => void} [again] */
export function showError(place, error, again) {
  const text = error instanceof ApiError ? error.message : String(error);
  const note = h('div', { class: 'notice bad', role: 'alert' }, h('p', {}, text));
  if (again) note.append(h('button', { type: 'button', class: 'small', onclick: again }, T.retry));
  place.replaceChildren(note);
}

/**
 * Show `draw`'s elements when what they need has come; until then that it is being loaded, and errors in words.
 * @template V
 * @param {HTMLElement} place @param {() => Promise<V>} load @param {(value: V) => (Node | string)[]} draw
 */
export async function fill(place, load, draw) {
  const slow = setTimeout(() => {
    if (!place.hasChildNodes()) place.append(h('p', { class: 'dim', role: 'status' }, T.loading));
  }, 300);
  try {
    const value = await load();
    clearTimeout(slow);
    place.replaceChildren(...draw(value));
  } catch (error) {
    clearTimeout(slow);
    showError(place, error, () => fill(place, load, draw));
  }
}

let fields = 0;

/**
 * A labelled field with a hint, and room for what is wrong with it.
 * @param {string} label
 * @param {HTMLInputElement | HTMLTextAreaElement} input its `name` is the API's
 * @param {string} [hint]
 */
export function field(label, input, hint) {
  const id = `field-${fields += 1}`;
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-hint ${id}-issue`);
  const about = h('span', { id: `${id}-hint`, class: 'hint' }, hint || '');
  const issue = h('span', { id: `${id}-issue`, class: 'issue' });
  if (input.type === 'checkbox') {
    return h('div', { class: 'field switch' }, input, h('label', { for: id }, label), about, issue);
  }
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, about, issue);
}

/**
 * A form that is busy while `send` runs, and shows what the server refused beside its field.
 * @param {(Node | string)[]} rows @param {string} label of its button
 * @param {(form: HTMLFormElement) => Promise<void>} send
 */
export function makeForm(rows, label, send) {
  const place = h('div', { class: 'outcome' });
  const button = h('button', { type: 'submit', class: 'primary' }, label);
  const form = h('form', { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    clearIssues(form);
    place.replaceChildren();
    try {
      await send(form);
    } catch (error) {
      showIssues(form, error);
      showError(place, error);
    } finally {
      button.disabled = false;
    }
  } }, ...rows, place, h('div', { class: 'buttons' }, button));
  return form;
}

/** @param {HTMLFormElement} form */
function clearIssues(form) {
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
  for (const issue of form.querySelectorAll('.issue')) issue.textContent = '';
}

/** @param {HTMLFormElement} form @param {unknown} error */
function showIssues(form, error) {
  if (!(error instanceof ApiError)) return;
  let isFirst = true;
  for (const [name, issue] of error.fields) {
    const input = form.elements.namedItem(name);
    if (!(input instanceof HTMLElement)) continue;
    input.setAttribute('aria-invalid', 'true');
    const place = document.getElementById(`${input.id}-issue`);
    if (place) place.textContent = issue;
    if (isFirst) input.focus();
    isFirst = false;
  }
}

/** A button that asks once more before it does what cannot be undone. @param {string} label @param {() => Promise<void>} act @param {string} [of] what it deletes, for screen readers */
export function deleteButton(label, act, of) {
  let isArmed = false;
  const button = h('button', { type: 'button', class: 'small danger', 'aria-label': of && `${label}: ${of}`, onclick: async () => {
    if (!isArmed) {
      isArmed = true;
      button.textContent = T.sure;
      button.removeAttribute('aria-label');
      return;
    }
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      button.disabled = false;
      disarm();
      button.after(h('span', { class: 'issue', role: 'alert' }, error instanceof Error ? error.message : String(error)));
    }
  }, onblur: () => disarm() }, label);
  const disarm = () => {
    isArmed = false;
    button.textContent = label;
    if (of) button.setAttribute('aria-label', `${label}: ${of}`);
  };
  return button;
}

/** A line of code with its button. @param {string} line @param {string} label */
export function copyBox(line, label) {
  const code = h('code', {}, line);
  const button = h('button', { type: 'button', onclick: async () => {
    try {
      await navigator.clipboard.writeText(line);
    } catch {
      // Without TLS there is no clipboard; the old way copies what is selected.
      getSelection()?.selectAllChildren(code);
      document.execCommand('copy');
    }
    button.textContent = T.copied;
    setTimeout(() => (button.textContent = T.copy), 2000);
  } }, T.copy);
  return h('div', { class: 'code' }, h('pre', { tabindex: 0, 'aria-label': label }, code), button);
}
