// @ts-check
// Making an assistant and changing what it is.

import { request } from './api.js';
import { deleteButton, field, h, makeForm } from './dom.js';
import { T } from './texts.js';

/** The fields that every assistant has. @param {Partial<Assistant>} [from] */
function makeFields(from = {}) {
  const name = h('input', { name: 'name', value: from.name ?? '', placeholder: T.nameSample, maxlength: 100, autocomplete: 'off' });
  const prompt = h('textarea', { name: 'system_prompt', rows: 4 }, from.system_prompt ?? T.promptSample);
  const model = h('input', { name: 'ai_model', value: from.ai_model ?? '', autocomplete: 'off', spellcheck: 'false' });
  const website = h('input', { name: 'website_integration', type: 'checkbox', checked: from.website_integration ?? true });
  return {
    rows: [
      field(T.name, name, T.nameHint),
      field(T.prompt, prompt, T.promptHint),
      field(T.model, model, T.modelHint),
      field(T.website, website, T.websiteHint),
    ],
    read: () => ({
      name: name.value,
      system_prompt: prompt.value,
      website_integration: website.checked,
      ...(model.value.trim() && { ai_model: model.value.trim() }),
    }),
  };
}

/** @param {HTMLElement} place @param {boolean} isFirst @param {(made: Assistant) => void} onMade */
export function showNew(place, isFirst, onMade) {
  const { rows, read } = makeFields();
  const form = makeForm(rows, T.create, async () => onMade(await request('POST', '/api/assistants', read())));
  place.replaceChildren(
    h('h1', {}, isFirst ? T.firstTitle : T.add),
    h('p', { class: 'lead' }, T.firstText),
    h('section', { class: 'card' }, form));
}

/** @param {HTMLElement} place @param {Assistant} assistant @param {(changed: Assistant | null) => void} onChange null: deleted */
export function showSettings(place, assistant, onChange) {
  const { rows, read } = makeFields(assistant);
  const greeting = h('textarea', { name: 'welcome_text', rows: 2 }, assistant.welcome_text ?? '');
  const domains = h('textarea', { name: 'allowed_domains', rows: 3, spellcheck: 'false', placeholder: 'example.com' },
    assistant.allowed_domains.join('\n'));
  const active = h('input', { name: 'is_active', type: 'checkbox', checked: assistant.is_active });
  const done = h('p', { class: 'done', role: 'status' });
  rows.push(field(T.domains, domains, T.domainsHint), field(T.greeting, greeting, T.greetingHint), field(T.active, active, T.activeHint));
  const form = makeForm(rows, T.save, async () => {
    done.textContent = '';
    onChange(await request('PUT', `/api/assistants/${assistant.id}`, {
      ...read(),
      is_active: active.checked,
      welcome_text: greeting.value.trim() || null,
      allowed_domains: domains.value.split(/[\s,]+/).filter(Boolean),
    }));
    done.textContent = T.saved;
  });
  const remove = deleteButton(T.remove, async () => {
    await request('DELETE', `/api/assistants/${assistant.id}`);
    onChange(null);
  });
  const bot = h('div', {});
  showBot(bot, assistant);
  place.replaceChildren(
    bot,
    h('section', { class: 'card' }, form, done),
    h('section', { class: 'card row' }, h('p', { class: 'dim' }, T.removeText), remove));
}

/** What is wrong with the Telegram bot, where there is one. @param {HTMLElement} place @param {Assistant} assistant */
async function showBot(place, assistant) {
  if (!assistant.telegram_bot_token || !assistant.is_active) return;
  const state = await request('GET', `/api/assistants/${assistant.id}/bot`).catch(() => null);
  if (state?.message) place.replaceChildren(h('div', { class: 'notice bad', role: 'alert' }, h('p', {}, `Telegram: ${state.message}`)));
}
