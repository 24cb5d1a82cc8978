// @ts-check
// The console: who is logged in, which assistant and which of its pages is shown. The address's hash says where one is.

import { request, session } from './console/api.js';
import { showDialogs } from './console/dialogs.js';
import { showDocuments } from './console/documents.js';
import { h, showError } from './console/dom.js';
import { showLogin } from './console/login.js';
import { showQa } from './console/qa.js';
import { showSearch } from './console/search.js';
import { showNew, showSettings } from './console/settings.js';
import { showSite } from './console/site.js';
import { T, lang, money } from './console/texts.js';

const PAGES = /** @type {const} */ (['knowledge', 'check', 'site', 'dialogs', 'settings']);

const root = /** @type {HTMLElement} */ (document.getElementById('console'));
const side = h('nav', { class: 'side', 'aria-label': T.assistants });
const main = h('main', { id: 'main', tabindex: -1 });
const balance = h('p', { class: 'balance', 'aria-live': 'polite' });
const mail = h('span', { class: 'mail' });

/** @type {Assistant[]} */
let assistants = [];
let isOperator = false;
/** @type {void | (() => void)} Stops the page that is shown. */
let leave;

/** @returns {{id: number | 'new', page: string}} */
function place() {
  const [, id, page] = location.hash.match(/^#\/(\d+|new)(?:\/(\w+))?/) || [];
  const known = PAGES.find((name) => name === page) || 'knowledge';
  if (id === 'new') return { id, page: known };
  return { id: assistants.find((one) => one.id === Number(id))?.id ?? assistants[0]?.id ?? 'new', page: known };
}

async function enter() {
  root.replaceChildren(
    h('header', { class: 'top' },
      h('a', { class: 'brand', href: '#/' }, h('img', { src: '/static/icon.svg', alt: '', width: 28, height: 28 }), 'ReplyX'),
      balance, mail,
      h('button', { type: 'button', class: 'small', onclick: leaveConsole }, T.logout)),
    h('div', { class: 'frame' }, side, main));
  main.replaceChildren(h('p', { class: 'dim', role: 'status' }, T.loading));
  try {
    const me = await request('GET', '/api/users/me');
    mail.textContent = me.email;
    isOperator = me.role === 'operator';
    // Operators have neither assistants nor money: asking for them would be refused.
    assistants = isOperator ? [] : await request('GET', '/api/assistants?limit=200');
    show();
  } catch (error) {
    if (session.token) showError(main, error, enter);
  }
}

async function leaveConsole() {
  leave?.();
  await request('POST', '/api/auth/logout').catch(() => null);
  session.end();
  showLogin(root, enter);
}

async function showBalance() {
  try {
    /** @type {Balance} */
    const own = await request('GET', '/api/balance');
    balance.replaceChildren(`${T.balance}: `, h('strong', {}, money(own.balance, own.currency)));
    balance.title = `${T.spent}: ${money(own.total_spent, own.currency)}`;
  } catch {
    // The page itself says what is wrong with the server.
    balance.replaceChildren();
  }
}

/** Draw what the address names. */
function show() {
  leave?.();
  leave = undefined;
  if (isOperator) return showOwners();
  const { id, page } = place();
  const assistant = assistants.find((one) => one.id === id);
  drawSide(id);
  showBalance();
  main.replaceChildren();
  if (!assistant) return showNew(main, !assistants.length, onMade);
  document.title = `${assistant.name} — ReplyX`;
  const body = h('div', {});
  const tabs = drawTabs(assistant, page);
  main.append(h('h1', {}, assistant.name), tabs, body);
  tabs.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  leave = showPage(body, assistant, page);
}

/** What an operator sees: the dialogs of all assistants of the owner. */
function showOwners() {
  side.replaceChildren();
  balance.replaceChildren();
  main.replaceChildren(h('h1', {}, T.dialogs));
  document.title = `${T.dialogs} — ReplyX`;
  leave = showDialogs(main, null);
}

/** @param {HTMLElement} body @param {Assistant} assistant @param {string} page @returns {void | (() => void)} */
function showPage(body, assistant, page) {
  if (page === 'check') return showSearch(body, assistant);
  if (page === 'site') return showSite(body, assistant, (changed) => onChange(assistant, changed, true));
  if (page === 'dialogs') return showDialogs(body, assistant);
  if (page === 'settings') return showSettings(body, assistant, (changed) => onChange(assistant, changed, false));
  const stop = showDocuments(body, assistant);
  showQa(body, assistant);
  return stop;
}

/** @param {number | 'new'} current */
function drawSide(current) {
  const links = assistants.map((one) => h('li', {},
    h('a', { href: `#/${one.id}`, 'aria-current': one.id === current && 'page' }, one.name,
      ...(one.is_active ? [] : [h('span', { class: 'dim' }, ` (${T.off})`)]))));
  side.replaceChildren(h('h2', {}, T.assistants), h('ul', {}, ...links),
    h('a', { class: 'button', href: '#/new', 'aria-current': current === 'new' && 'page' }, T.add));
  side.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
}

/** @param {Assistant} assistant @param {string} current */
function drawTabs(assistant, current) {
  return h('nav', { class: 'tabs', 'aria-label': T.sections }, ...PAGES.map((page) =>
    h('a', { href: `#/${assistant.id}/${page}`, 'aria-current': page === current && 'page' }, T[page])));
}

/** @param {Assistant} made */
function onMade(made) {
  assistants = [...assistants, made];
  location.hash = `#/${made.id}/knowledge`;
}

/** @param {Assistant} old @param {Assistant | null} changed null: deleted @param {boolean} redraw */
function onChange(old, changed, redraw) {
  assistants = assistants.flatMap((one) => (one.id !== old.id ? [one] : changed ? [changed] : []));
  if (!changed) {
    location.hash = '#/';
    return;
  }
  if (redraw) return show();
  drawSide(changed.id);
  const heading = main.querySelector('h1');
  if (heading) heading.textContent = changed.name;
}

document.documentElement.lang = lang;
document.title = T.title;
session.onEnd = () => {
  leave?.();
  showLogin(root, enter, T.expired);
};
addEventListener('hashchange', () => {
  if (!session.token) return;
  show();
  main.focus({ preventScroll: true });
});
if (session.token) enter();
else showLogin(root, enter);
