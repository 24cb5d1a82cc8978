// @ts-check
// The way in.

import { request, session } from './api.js';
import { field, h, makeForm } from './dom.js';
import { T } from './texts.js';

/** Ask who it is, and call `enter` when the server knows. @param {HTMLElement} place @param {() => void} enter @param {string} [notice] */
export function showLogin(place, enter, notice) {
  const email = h('input', { name: 'email', type: 'email', autocomplete: 'username', required: true });
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const form = makeForm([field(T.email, email), field(T.password, password)], T.login, async () => {
    const { access_token } = await request('POST', '/api/auth/login', { email: email.value, password: password.value });
    session.begin(access_token);
    enter();
  });
  place.replaceChildren(
    h('main', { class: 'login' },
      h('img', { src: '/static/icon.svg', alt: '', width: 48, height: 48 }),
      h('h1', {}, T.welcome),
      ...(notice ? [h('p', { class: 'notice', role: 'status' }, notice)] : []),
      form,
      h('p', { class: 'dim' }, T.firstTime)));
  email.focus();
}
