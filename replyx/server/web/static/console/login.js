// @ts-check
// The way in.

import { ApiError, request, session } from './api.js';
import { field, h, makeForm } from './dom.js';
import { T } from './texts.js';

/** Ask who it is, and call `enter` when the server knows. @param {HTMLElement} place @param {() => void} enter @param {string} [notice] */
export function showLogin(place, enter, notice) {
  const email = h('input', { name: 'email', type: 'email', autocomplete: 'username', required: true });
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const code = h('input', { name: 'totp_code', inputmode: 'numeric', autocomplete: 'one-time-code' });
  const passwordField = field(T.password, password), codeField = field(T.code, code);
  const form = makeForm([field(T.email, email), passwordField], T.login, async () => {
    const sent = { email: email.value, password: password.value, ...(code.value && { totp_code: code.value }) };
    try {
      const { access_token } = await request('POST', '/api/auth/login', sent);
      session.begin(access_token);
    } catch (error) {
      if (error instanceof ApiError && error.needsCode) {
        passwordField.after(codeField);
        code.focus();
      }
      throw error;
    }
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
