// @ts-check
// The API as the console uses it: one function for requests, one for uploads, and errors that carry the server's sentence.

import { T, lang } from './texts.js';

const KEPT_UNDER = 'replyx-console-token';

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

  /** @param {string} token */
  begin(token) {
    sessionStorage.setItem(KEPT_UNDER, token);
  },

  end() {
    sessionStorage.removeItem(KEPT_UNDER);
  },
};

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
export function upload(assistantId, file, onProgress) {
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
