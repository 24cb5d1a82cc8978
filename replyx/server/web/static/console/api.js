// @ts-check
// The API as the console uses it: one function for requests, one for uploads, and errors that carry the server's sentence.

import { T, lang } from './texts.js';

const KEPT_UNDER = 'replyx-console-token', AGES_AT = 'replyx-console-token-ages-at';

/** What the server refused, or that it did not answer (`status` 0). */
export class ApiError extends Error {
  /** @param {number} status @param {Partial<ErrorBody>} [body] */
  constructor(status, body = {}) {
    super(body.message || (status ? `${status}` : T.offline));
    this.status = status;
    this.code = body.code || '';
    /** @type {Map<string, string>} What is wrong with each field, by its name. */
    this.fields = new Map();
    const { field, issue, errors, totp_required } = body.details || {};
    /** Whether the password was right, and a code of the authenticator app is asked for. */
    this.needsCode = Boolean(totp_required);
    for (const row of errors || (field && issue ? [{ field, issue }] : [])) this.fields.set(row.field.split('.')[0], row.issue);
  }
}

/** Lives as long as the tab, so that a shared computer does not stay logged in. */
export const session = {
  /** Called when the server no longer takes the token. */
  onEnd: () => {},

  get token() {
    return sessionStorage.getItem(KEPT_UNDER);
  },

  /** Whether half of the token's life is over, by this machine's own clock: the server's may show another time. */
  get isAgeing() {
    return Boolean(this.token) && Date.now() > Number(sessionStorage.getItem(AGES_AT));
  },

  /** @param {string} token */
  begin(token) {
    const { iat, exp } = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    sessionStorage.setItem(KEPT_UNDER, token);
    sessionStorage.setItem(AGES_AT, String(Date.now() + (exp - iat) * 500));
  },

  end() {
    sessionStorage.removeItem(KEPT_UNDER);
    sessionStorage.removeItem(AGES_AT);
  },
};

/** @type {Promise<void> | null} The refresh that all requests of the moment wait for. */
let refreshing = null;

/** Keep whoever works here logged in; a tab that asks for nothing is logged out when its token ends. */
async function stayLoggedIn() {
  if (!refreshing && session.isAgeing) refreshing = refresh().finally(() => { refreshing = null; });
  await refreshing;
}

/** Put a fresh token in place of the old one. Where that fails, the request that follows is told why. */
async function refresh() {
  const old = session.token;
  const answer = await fetch('/api/auth/refresh', { method: 'POST', headers: headers() }).catch(() => null);
  const fresh = answer?.ok && (await answer.json().catch(() => null));
  // Somebody may have logged out meanwhile.
  if (fresh && session.token === old) session.begin(fresh.access_token);
}

/** @returns {Record<string, string>} */
function headers() {
  return { 'Accept-Language': lang, ...(session.token && { Authorization: `Bearer ${session.token}` }) };
}

/** @param {number} status @param {any} body @returns {ApiError} */
function refused(status, body) {
  if (status === 401 && session.token) {
    session.end();
    session.onEnd();
  }
  return new ApiError(status, body?.error);
}

/**
 * The JSON that the server answers; null where it answers nothing.
 * @param {string} method @param {string} path @param {object} [body]
 * @returns {Promise<any>}
 */
export async function request(method, path, body) {
  await stayLoggedIn();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...headers(), ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0);
  }
  const json = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw refused(answer.status, json);
  return json;
}

/** Save a file of the server under its name: a plain link could not carry the token. @param {string} path @param {string} name */
export async function save(path, name) {
  await stayLoggedIn();
  let answer;
  try {
    answer = await fetch(path, { headers: headers() });
  } catch {
    throw new ApiError(0);
  }
  if (!answer.ok) throw refused(answer.status, await answer.json().catch(() => null));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/**
 * Send a file, telling how much of it has gone (0 to 1).
 * @param {number} assistantId @param {File} file @param {(part: number) => void} onProgress
 * @returns {Promise<KnowledgeDocument>}
 */
export async function upload(assistantId, file, onProgress) {
  await stayLoggedIn();
  // fetch() cannot tell how far an upload is.
  const sending = new XMLHttpRequest();
  const form = new FormData();
  form.append('assistant_id', String(assistantId));
  form.append('file', file);
  return new Promise((resolve, reject) => {
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onerror = () => reject(new ApiError(0));
    sending.onload = () => {
      const body = sending.response;
      if (sending.status >= 200 && sending.status < 300) resolve(body);
      else reject(refused(sending.status, body));
    };
    sending.open('POST', '/api/documents/upload');
    sending.responseType = 'json';
    for (const [name, value] of Object.entries(headers())) sending.setRequestHeader(name, value);
    sending.send(form);
  });
}
