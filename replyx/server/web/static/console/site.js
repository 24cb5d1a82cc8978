// @ts-check
// Putting the chat on a site: the line to paste, where it works, and the demo page.

import { request } from './api.js';
import { copyBox, h, makeForm } from './dom.js';
import { T } from './texts.js';

/** @param {HTMLElement} place @param {Assistant} assistant @param {(changed: Assistant) => void} onChange */
export function showSite(place, assistant, onChange) {
  if (!assistant.site_token) {
    const form = makeForm([h('p', {}, T.siteOff)], T.turnOn, async () =>
      onChange(await request('PUT', `/api/assistants/${assistant.id}`, { website_integration: true })));
    place.replaceChildren(h('section', { class: 'card' }, h('h2', {}, T.siteTitle), form));
    return;
  }
  const line = `<script src="${location.origin}/widget.js" data-site-token="${assistant.site_token}" async></script>`;
  const domains = assistant.allowed_domains;
  place.replaceChildren(h('section', { class: 'card' },
    h('h2', {}, T.siteTitle),
    h('p', { class: 'dim' }, T.siteText),
    copyBox(line, T.line),
    domains.length
      ? h('p', {}, `${T.allowed} `, h('strong', {}, domains.join(', ')))
      : h('p', { class: 'notice' }, T.allowedNone),
    h('p', {}, h('a', { class: 'button', href: `/demo?site_token=${encodeURIComponent(assistant.site_token)}`, target: '_blank' }, T.tryDemo))));
}
