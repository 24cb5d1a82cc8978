// @ts-check
// The ReplyX widget: a support chat in the corner of any page, by one line:
//   <script src="https://HOST/widget.js" data-site-token="st_…" async></script>
// One file, no dependency, no build. Nothing is fetched or stored before a visitor opens it.
// Optional attributes: data-lang (ru, en), data-title, data-welcome, data-theme (light, dark), data-open.
(() => {
  'use strict';

  const RU = {
    title: 'Поддержка', open: 'Открыть чат', close: 'Закрыть чат', ai: 'ИИ-ассистент',
    hello: 'Здравствуйте! Задайте вопрос, и я поищу ответ в документах.',
    place: 'Ваш вопрос…', field: 'Сообщение', send: 'Отправить', log: 'Переписка',
    you: 'Вы', assistant: 'Ассистент', operator: 'Оператор', typing: 'печатает', writing: 'Ассистент пишет ответ',
    sending: 'Отправляем…', retry: 'Повторить', failed: 'Не отправлено', sources: 'Источники', more: 'Ещё источники:', page: 'с.', qa: 'Готовый ответ на вопрос',
    call: 'Позвать оператора', callText: 'Позовите оператора',
    waiting: 'Зовём оператора.', queue: 'Вы в очереди:', joined: 'Вам отвечает', released: 'Вам снова отвечает ассистент',
    connecting: 'Соединяемся…', offline: 'Нет связи. Отправим сообщения, как только она появится.',
    refused: 'Чат сейчас недоступен.', origin: 'Чат не разрешён на этом сайте. Владельцу: добавьте домен в настройках ассистента.',
    engines: /** @type {Record<string, string>} */ ({
      extractive: 'ответ дословно из документов, без модели', qa: 'готовый ответ',
      remote: 'ответ написала модель', local: 'ответ написала модель на нашем сервере',
    }),
  };
  /** @type {typeof RU} */
  const EN = {
    title: 'Support', open: 'Open the chat', close: 'Close the chat', ai: 'AI assistant',
    hello: 'Hello! Ask a question, and I will look for the answer in the documents.',
    place: 'Your question…', field: 'Message', send: 'Send', log: 'Conversation',
    you: 'You', assistant: 'Assistant', operator: 'Operator', typing: 'is typing', writing: 'The assistant is writing',
    sending: 'Sending…', retry: 'Try again', failed: 'Not sent', sources: 'Sources', more: 'More sources:', page: 'p.', qa: 'A prepared answer to',
    call: 'Call a person', callText: 'I want to talk to a human',
    waiting: 'Calling a person.', queue: 'Your place in the queue:', joined: 'You are talking to', released: 'The assistant answers again',
    connecting: 'Connecting…', offline: 'No connection. Your messages will be sent as soon as it is back.',
    refused: 'The chat is not available now.', origin: 'The chat is not allowed on this site. Owner: add the domain to the assistant.',
    engines: {
      extractive: 'word for word from the documents, no model', qa: 'prepared answer',
      remote: 'written by a model', local: 'written by a model on our server',
    },
  };

  const script = /** @type {HTMLScriptElement | null} */ (
    document.currentScript || document.querySelector('script[data-site-token]'));
  const siteToken = script && script.dataset.siteToken;
  if (!script || !siteToken) return console.error('ReplyX: the script tag needs data-site-token');
  if (customElements.get('replyx-widget')) return;
  const options = { ...script.dataset };
  const origin = new URL(script.src, location.href).origin;
  const lang = (options.lang || document.documentElement.lang || navigator.language || 'ru').toLowerCase().startsWith('ru')
    ? 'ru' : 'en';
  const T = lang === 'ru' ? RU : EN;

  // What the visitor's browser keeps once there is a session: its token, and what is still to be sent.

  const keptUnder = `replyx:${origin}:${siteToken}`;
  /** @returns {Kept} */
  const readKept = () => {
    try {
      return JSON.parse(localStorage.getItem(keptUnder) || '{}');
    } catch {
      return {};
    }
  };
  /** @param {Kept} kept */
  const keep = (kept) => {
    try {
      localStorage.setItem(keptUnder, JSON.stringify(kept));
    } catch {
      // Where storage is refused, a reload starts a new conversation.
    }
  };

  /** A 128-bit name; `randomUUID` is missing on pages without TLS. */
  const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join('-');

  /** A request that failed; `status` 0 where no answer came. */
  class Trouble extends Error {
    /** @param {number} status @param {string} message @param {number} [pause] seconds to wait */
    constructor(status, message, pause = 0) {
      super(message);
      this.status = status;
      this.pause = pause;
    }

    get passing() {
      return this.status === 0 || this.status === 429 || this.status >= 500;
    }
  }

  // The line to the server: a session, then a socket, or polling where sockets do not pass.

  class Line {
    /** @type {WidgetSession | null} */ session = null;
    /** @type {LineState} */ state = 'idle';
    /** @type {Map<string, Outgoing>} Not echoed yet. */ outgoing = new Map();
    /** @type {WebSocket | null} */ #socket = null;
    /** @type {number | undefined} */ #timer;
    #lastSeq = 0;
    #resumedAt = 0;
    #heardAt = 0;
    #misses = 0; // sockets in a row that closed without a word
    #tries = 0;
    #polls = 0; // since polling began; 0: not polling
    #isBusy = false; // a request that must not run twice at once
    #saidTyping = 0;
    #askedAt = 0;

    /** @param {LineListener} listener */
    constructor(listener) {
      this.listener = listener;
      for (const [id, text] of readKept().outgoing || []) this.outgoing.set(id, { id, text, at: 0, failed: '' });
      const retry = () => this.state === 'offline' && !document.hidden && this.#again(0);
      addEventListener('online', retry);
      document.addEventListener('visibilitychange', retry);
      setInterval(() => this.#watch(), 3000);
    }

    start() {
      if (this.state === 'idle' || this.state === 'refused') {
        this.#become('connecting');
        this.#open();
      }
    }

    /** @param {string} text */
    send(text) {
      /** @type {Outgoing} */
      const item = { id: newId(), text, at: 0, failed: '' };
      this.outgoing.set(item.id, item);
      this.#keep();
      this.listener.outgoing(item);
      this.start();
      this.#transmit(item);
    }

    /** Under the same id: the server takes it once. @param {Outgoing} item */
    resend(item) {
      item.failed = '';
      this.listener.outgoing(item);
      if (this.state === 'offline') this.#again(0);
      this.#transmit(item);
    }

    sayTyping() {
      if (Date.now() - this.#saidTyping < 3000) return;
      this.#saidTyping = Date.now();
      this.#emit({ type: 'typing' });
    }

    async #open() {
      if (this.#isBusy) return;
      this.#isBusy = true;
      this.#askedAt = Date.now();
      try {
        const page_url = (location.origin + location.pathname).slice(0, 500);
        const session = /** @type {WidgetSession} */ (await this.#call('/api/widget/sessions', { 'X-Site-Token': siteToken || '' },
          { visitor_token: readKept().token, locale: lang, page_url }));
        const isNew = this.session?.dialog_key !== session.dialog_key;
        this.session = session;
        this.#lastSeq = session.last_seq;
        for (const message of session.messages) this.outgoing.delete(message.client_msg_id || '');
        this.#keep();
        this.#isBusy = false;
        this.listener.session(session, isNew);
        this.#connect();
      } catch (error) {
        // Browsers hide a refused origin as a lost connection; whether the server lives they tell.
        const isRefused = error instanceof Trouble && !error.status
          && await fetch(`${origin}/healthz`, { mode: 'no-cors', cache: 'no-store' }).then(() => true, () => false);
        this.#isBusy = false;
        this.#stumble(isRefused ? new Trouble(403, T.origin) : error);
      }
    }

    #connect() {
      const session = this.session;
      if (!session) return void this.#open();
      let heard = false;
      try {
        const url = new URL(session.socket_url, origin);
        url.protocol = url.protocol.replace('http', 'ws');
        const socket = this.#socket = new WebSocket(url.href);
        const settled = () => {
          if (this.#socket !== socket || heard) return;
          heard = true;
          this.#misses = this.#tries = this.#polls = 0;
          this.#become('online');
        };
        socket.onopen = () => {
          this.#heardAt = Date.now();
          this.#emit({ type: 'auth', token: session.visitor_token });
          this.#resume();
          this.outgoing.forEach((item) => this.#transmit(item));
          // A good token may be followed by silence, a bad one is followed by a close.
          setTimeout(settled, 600);
        };
        socket.onmessage = ({ data }) => {
          this.#heardAt = Date.now();
          settled();
          if (data === '__ping__') return socket.send('__pong__');
          this.#receive(JSON.parse(data));
        };
        socket.onclose = ({ code }) => {
          if (this.#socket === socket) this.#lost(code, heard);
        };
      } catch {
        this.#lost(0, false);
      }
    }

    /** @param {number} code @param {boolean} heard whether it ever spoke */
    #lost(code, heard) {
      this.#socket = null;
      if (code === 4403) return this.#become('refused', T.origin);
      if (code === 4404) keep({ ...readKept(), token: undefined });
      if (code === 4401 || code === 4404) this.session = null;
      this.#misses = heard ? 0 : this.#misses + 1;
      if (this.#misses >= 2 && this.session) return void this.#poll();
      this.#become('offline');
      this.#again(code === 4429 ? 10 : 0.4 * 1.6 ** this.#tries++);
    }

    /** @param {unknown} error */
    #stumble(error) {
      const trouble = error instanceof Trouble ? error : new Trouble(0, String(error));
      if (!trouble.passing) return this.#become('refused', trouble.message);
      this.#become('offline', trouble.status ? trouble.message : '');
      this.#again(trouble.pause || 0.4 * 1.6 ** this.#tries++);
    }

    /** Try again, spread so that a restarted server is not met by all at once. @param {number} seconds */
    #again(seconds) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#socket || this.#connect(), Math.min(30, seconds) * (500 + 1000 * Math.random()));
    }

    /** The way for networks that block sockets: post what is unsent, ask for news. */
    async #poll() {
      const session = this.session;
      if (!session || this.#isBusy) return;
      this.#isBusy = true;
      clearTimeout(this.#timer);
      const path = `/api/widget/dialogs/${session.dialog_key}/messages`;
      const headers = { Authorization: `Bearer ${session.visitor_token}` };
      try {
        for (const item of this.outgoing.values()) await this.#post(path, headers, item);
        const page = /** @type {{messages: Message[]}} */ (await this.#call(`${path}?after_seq=${this.#lastSeq}`, headers));
        for (const message of page.messages) {
          this.#lastSeq = Math.max(this.#lastSeq, message.seq);
          this.#echo(message);
        }
        this.#tries = 0;
        this.#polls += 1;
        this.#become('online');
        // Now and then see whether sockets pass again.
        this.#timer = setTimeout(() => this.#socket || (this.#polls % 12 ? this.#poll() : this.#connect()), 2500);
        this.#isBusy = false;
      } catch (error) {
        this.#isBusy = false;
        this.#polls = 0;
        const isGone = error instanceof Trouble && (error.status === 401 || error.status === 404);
        if (isGone) this.session = null;
        this.#stumble(isGone ? new Trouble(0, '') : error);
      }
    }

    /** @param {string} path @param {Record<string, string>} headers @param {Outgoing} item */
    async #post(path, headers, item) {
      if (item.failed) return;
      try {
        this.#echo(/** @type {Message} */ (await this.#call(path, headers, { text: item.text, client_msg_id: item.id })));
      } catch (error) {
        if (!(error instanceof Trouble) || error.status !== 422) throw error;
        this.#fail(item, error.message);
      }
    }

    /** @param {Frame} frame */
    #receive(frame) {
      if (frame.type === 'resync') {
        this.#socket?.close();
        this.session = null;
        return;
      }
      if (frame.seq) {
        if (frame.seq <= this.#lastSeq) return;
        if (frame.seq > this.#lastSeq + 1) {
          // Something was missed. Asked for, it comes in order, and this frame again after it.
          if (Date.now() - this.#resumedAt > 5000) this.#resume();
          return;
        }
        this.#lastSeq = frame.seq;
      }
      if (frame.type === 'error' && frame.error) {
        const unsure = [...this.outgoing.values()].filter((item) => !item.failed);
        const item = this.outgoing.get(frame.client_msg_id || '') || (unsure.length === 1 ? unsure[0] : undefined);
        if (item) return this.#fail(item, frame.error.message);
      }
      if (frame.message) this.#echo(frame.message);
      else this.listener.frame(frame);
    }

    #resume() {
      this.#resumedAt = Date.now();
      this.#emit({ type: 'resume', last_seq: this.#lastSeq });
    }

    /** @param {Message} message */
    #echo(message) {
      if (this.outgoing.delete(message.client_msg_id || '')) this.#keep();
      this.listener.message(message);
    }

    /** @param {Outgoing} item */
    #transmit(item) {
      item.at = Date.now();
      if (item.failed) return;
      const isOut = this.#emit({ type: 'send_message', text: item.text, client_msg_id: item.id });
      if (!isOut && this.#polls) this.#poll();
    }

    /** @param {object} frame @returns {boolean} whether it went out */
    #emit(frame) {
      if (this.#socket?.readyState !== WebSocket.OPEN) return false;
      this.#socket.send(JSON.stringify(frame));
      return true;
    }

    #watch() {
      const socket = this.#socket;
      const now = Date.now();
      if (this.state !== 'online') return;
      if (now - this.#askedAt > 2e7) {
        // A newer token, before the old one ends.
        this.#socket = null;
        socket?.close();
        return void this.#open();
      }
      if (!socket) return;
      const isStuck = [...this.outgoing.values()].some((item) => !item.failed && now - item.at > 10_000);
      if (!isStuck && now - this.#heardAt < 65_000) return;
      // The socket looks open and carries nothing, as some proxies have it.
      this.#socket = null;
      socket.close();
      this.#poll();
    }

    /** @param {Outgoing} item @param {string} why */
    #fail(item, why) {
      item.failed = why;
      this.listener.outgoing(item);
    }

    #keep() {
      if (!this.session && !this.outgoing.size) return;
      const outgoing = /** @type {[string, string][]} */ ([...this.outgoing.values()].map((item) => [item.id, item.text]));
      keep({ token: this.session?.visitor_token || readKept().token, outgoing });
    }

    /** @param {LineState} state @param {string} [why] */
    #become(state, why = '') {
      this.state = state;
      this.listener.state(state, why);
    }

    /** @param {string} path @param {Record<string, string>} headers @param {object} [body] a POST where given */
    async #call(path, headers, body) {
      /** @type {Response} */
      let answer;
      try {
        answer = await fetch(origin + path, {
          method: body ? 'POST' : 'GET',
          headers: { ...headers, 'Accept-Language': lang, ...(body && { 'Content-Type': 'application/json' }) },
          body: body && JSON.stringify(body),
          credentials: 'omit',
          cache: 'no-store',
        });
      } catch {
        throw new Trouble(0, '');
      }
      const json = await answer.json().catch(() => ({}));
      if (answer.ok) return json;
      throw new Trouble(answer.status, json.error?.message || T.refused, Number(answer.headers.get('Retry-After')));
    }
  }

  // What the visitor sees.

  /** @type {MakeElement} */
  const h = (tag, set = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(set)) {
      if (typeof value === 'function') element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : String(value));
    }
    element.append(...children);
    return element;
  };

  /** A 24 × 24 line drawing. @param {string} path */
  const icon = (path) => {
    const [svg, line] = ['svg', 'path'].map((name) => document.createElementNS('http://www.w3.org/2000/svg', name));
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    line.setAttribute('d', path);
    svg.append(line);
    return svg;
  };
  const CHAT = 'M21 11.5a8.4 8.4 0 0 1-12.3 7.4L3 21l2.1-5.7A8.4 8.4 0 1 1 21 11.5z';
  const CROSS = 'M6 6l12 12M18 6L6 18';
  const UP = 'M12 20V4M5 11l7-7 7 7';

  const LIGHT = `--bg:#fff;--soft:#f3f5f9;--line:#dde2ea;--text:#1b2230;--dim:#586174;--accent:var(--replyx-accent,#2f4fc4);
    --link:var(--accent);--bad:#b3261e;--note:#fdf4dc;--noted:#5c4600`;
  const DARK = `--bg:#171b23;--soft:#232936;--line:#353d4d;--text:#e9ecf3;--dim:#a3adbf;--accent:var(--replyx-accent,#3f5fd6);
    --link:#a9bbff;--bad:#ff9d94;--note:#3a3217;--noted:#f3dfa0`;
  const CSS = `
    :host{all:initial;${LIGHT};color-scheme:light;position:fixed;z-index:2147483000;right:20px;bottom:20px;
      font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
    @media(prefers-color-scheme:dark){:host(:not([data-theme=light])){${DARK};color-scheme:dark}}
    :host([data-theme=dark]){${DARK};color-scheme:dark}
    *{box-sizing:border-box}
    [hidden]{display:none!important}
    button,textarea{border:0;padding:0;background:none;color:inherit;font:inherit}
    button,summary{cursor:pointer;-webkit-tap-highlight-color:transparent}
    :focus-visible{outline:2px solid var(--link);outline-offset:2px}
    svg{width:24px;height:24px;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round;display:block}
    .vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
    .round{display:grid;place-items:center;flex:none;width:44px;height:44px;border-radius:50%;background:var(--accent);color:#fff}
    .launch{width:56px;height:56px;box-shadow:0 6px 20px #0f1c4d40;transition:transform .15s}
    .launch:hover{transform:translateY(-2px)}
    .count{position:absolute;top:-2px;right:-2px;min-width:20px;padding:0 6px;border-radius:10px;background:#b3261e;
      font-size:12px;line-height:20px;font-weight:600}
    dialog{position:fixed;inset:auto 20px 88px auto;display:flex;flex-direction:column;width:392px;max-width:none;margin:0;padding:0;
      height:min(640px,calc(100vh - 108px));max-height:none;border:1px solid var(--line);border-radius:16px;overflow:hidden;
      background:var(--bg);color:var(--text);box-shadow:0 18px 50px #0b143838,0 2px 8px #0b14381f;animation:up .18s ease-out}
    dialog:focus{outline:0}
    dialog:not([open]){display:none}
    dialog::backdrop{background:none}
    @keyframes up{from{opacity:0;transform:translateY(10px)}}
    .head{display:flex;align-items:center;padding:12px 8px 12px 16px;border-bottom:1px solid var(--line)}
    .head div{flex:1;min-width:0}
    h2{margin:0;font-size:16px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
    .sub,.src,.bar,.note,.dots,.who{margin:0;color:var(--dim);font-size:13px}
    .quiet{background:none;color:var(--dim)}
    .quiet:hover,.call:hover,summary:hover{background:var(--soft)}
    .bar{padding:8px 16px;background:var(--note);color:var(--noted)}
    .bar button,.meta button{margin-left:8px;padding:4px 0;font-weight:600;text-decoration:underline}
    .scroll{flex:1;overflow-y:auto;overscroll-behavior:contain;padding:16px;scrollbar-width:thin}
    .scroll:focus-visible,summary:focus-visible{outline-offset:-2px}
    .log{display:flex;flex-direction:column;gap:12px}
    .m{max-width:88%;align-self:flex-start}
    .user{align-self:flex-end;text-align:right}
    .b{padding:9px 13px;border-radius:14px 14px 14px 4px;background:var(--soft);text-align:left;white-space:pre-wrap;overflow-wrap:anywhere}
    .user .b{border-radius:14px 14px 4px;background:var(--accent);color:#fff}
    .operator .b{background:none;border:1px solid var(--line)}
    .who{margin:0 2px 3px;font-weight:600}
    .meta{margin:4px 2px 0;font-size:12px;color:var(--dim)}
    .note{align-self:center}
    .meta.bad,.bad{color:var(--bad)}
    .src{margin-top:6px;border:1px solid var(--line);border-radius:10px;overflow:hidden}
    details+details,.more>details{border-top:1px solid var(--line)}
    summary{display:flex;gap:8px;padding:6px 10px;list-style:none}
    summary::-webkit-details-marker{display:none}
    summary::after{content:"";flex:none;width:6px;height:6px;margin:4px 2px;border:solid;border-width:0 1.5px 1.5px 0;rotate:45deg}
    [open]>summary::after{margin-top:8px;rotate:225deg}
    summary b{flex:none;width:18px;height:18px;border-radius:5px;background:var(--soft);color:var(--text);font-size:11px;line-height:18px;
      text-align:center}
    summary span{flex:1;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
    [open]>summary span{white-space:normal;overflow-wrap:anywhere}
    .src blockquote,.src a{display:block;margin:0;padding:0 12px 10px 36px;color:var(--text);white-space:pre-wrap;overflow-wrap:anywhere}
    .src a{color:var(--link)}
    .call{margin-top:8px;padding:8px 16px;border:1px solid;border-radius:20px;color:var(--link);font-size:14px;font-weight:600}
    .m:not(:last-child) .call,.person .call{display:none}
    .dots{display:flex;gap:4px;align-items:center;margin-top:12px}
    .dots i{width:7px;height:7px;border-radius:50%;background:currentColor;animation:dot 1.2s infinite}
    .dots i+i{animation-delay:.15s}.dots i+i+i{animation-delay:.3s}
    .dots span{margin-left:4px}
    @keyframes dot{0%,60%,100%{opacity:.3}}
    form{display:flex;gap:8px;align-items:flex-end;padding:10px 12px;border-top:1px solid var(--line)}
    textarea{flex:1;min-width:0;min-height:44px;max-height:132px;padding:10px 14px;border:1px solid var(--dim);border-radius:22px;
      resize:none;font-size:16px;line-height:22px;scrollbar-width:thin}
    textarea:focus-visible{outline-offset:-2px}
    textarea::placeholder{color:var(--dim);opacity:1}
    [aria-disabled=true]{background:var(--soft);color:var(--dim);cursor:default}
    @media(max-width:480px){
      :host{right:16px;bottom:16px}
      dialog{inset:0;width:100%;height:100vh;height:var(--high,100dvh);border:0;border-radius:0}
      form{padding-bottom:max(10px,env(safe-area-inset-bottom))}
    }
    @media(prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}}`;

  const narrow = matchMedia('(max-width:480px)');
  const clockTime = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });

  class ReplyXWidget extends HTMLElement {
    /** @type {Line | null} There is none before the first opening. */ #line = null;
    /** @type {Map<number, HTMLElement>} Messages by id. */ #messages = new Map();
    /** @type {Map<string, HTMLElement>} Not echoed yet. */ #unsure = new Map();
    /** @type {Map<number, {element: HTMLElement, body: HTMLElement, next: number}>} Answers being written. */ #live = new Map();
    /** @type {number | undefined} */ #quiet;
    /** @type {number | undefined} */ #slow;
    #badAt = 0;
    #unread = 0;
    #lastSeq = 0;

    constructor() {
      super();
      const shadow = this.attachShadow({ mode: 'closed' });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      shadow.adoptedStyleSheets = [sheet];
      this.count = h('span', { class: 'count', hidden: true });
      this.launcher = h('button', { class: 'round launch', type: 'button',
        onclick: () => this.panel.open ? this.close() : this.open() });
      this.heading = h('h2', { id: 'title' }, options.title || T.title);
      this.bar = h('p', { class: 'bar', role: 'status', hidden: true });
      this.person = h('p', { class: 'bar', role: 'status', hidden: true });
      this.welcome = h('div', { class: 'b' }, options.welcome || T.hello);
      this.log = h('div', { class: 'log' }, h('div', { class: 'm assistant', 'data-seq': 0 }, this.welcome));
      this.dots = h('div', { class: 'dots', hidden: true });
      this.scroller = h('div', { class: 'scroll', tabindex: 0, role: 'log', 'aria-live': 'polite', 'aria-label': T.log },
        this.log, this.dots);
      this.area = h('textarea', { rows: 1, maxlength: 8000, placeholder: T.place, 'aria-label': T.field, enterkeyhint: 'send',
        oninput: () => this.#typed(), onfocus: () => this.#begin(),
        onkeydown: (event) => event.key === 'Enter' && !event.shiftKey && !event.isComposing && this.#submit(event) });
      this.button = h('button', { class: 'round', type: 'submit', 'aria-label': T.send, 'aria-disabled': 'true' }, icon(UP));
      this.panel = h('dialog', { 'aria-labelledby': 'title', lang, tabindex: -1, onclose: () => this.#closed(),
        onkeydown: (event) => {
          if (event.key !== 'Escape') return;
          event.preventDefault();
          this.close();
        } },
      h('div', { class: 'head' }, h('div', {}, this.heading, h('p', { class: 'sub' }, T.ai)),
        h('button', { class: 'round quiet', type: 'button', 'aria-label': T.close, onclick: () => this.close() }, icon(CROSS))),
      this.bar, this.person, this.scroller,
      h('form', { onsubmit: (event) => this.#submit(event) }, this.area, this.button));
      shadow.append(this.launcher, this.panel);
      this.#mark(false);
    }

    connectedCallback() {
      if (options.theme) this.setAttribute('data-theme', options.theme);
      narrow.addEventListener('change', () => this.panel.open && this.#show());
      visualViewport?.addEventListener('resize', () => {
        // The keyboard of a phone covers the page without changing its height.
        this.panel.style.setProperty('--high', `${visualViewport?.height}px`);
      });
      if ('open' in options) this.open(true);
    }

    /** Show the panel. A page that opens it by itself (`quietly`) moves no focus and starts no new conversation. */
    open(quietly = false) {
      if (!this.panel.open) this.#show(quietly);
      if (!quietly || readKept().token) this.#begin();
    }

    close() {
      this.panel.close();
    }

    #show(quietly = false) {
      this.panel.close();
      if (narrow.matches) this.panel.showModal();
      else if (quietly) this.panel.setAttribute('open', '');
      else this.panel.show();
      if (!quietly) this.area.focus({ preventScroll: true });
      else if (narrow.matches) this.panel.focus();
      this.#mark(true);
      this.#setUnread(0);
      this.#toEnd();
    }

    #closed() {
      if (this.panel.open) return;
      this.#mark(false);
      this.launcher.focus({ preventScroll: true });
    }

    /** @param {boolean} isOpen */
    #mark(isOpen) {
      this.launcher.setAttribute('aria-expanded', String(isOpen));
      this.launcher.setAttribute('aria-label', isOpen ? T.close : T.open);
      this.launcher.replaceChildren(icon(isOpen ? CROSS : CHAT), this.count);
    }

    #begin() {
      this.#line ??= new Line({
        state: (state, why) => this.#setState(state, why),
        session: (session, isNew) => this.#setSession(session, isNew),
        frame: (frame) => this.#onFrame(frame),
        message: (message) => this.#keepEnd(() => this.#onMessage(message)),
        outgoing: (item) => this.#onOutgoing(item),
      });
      if (this.#line.state === 'idle') this.#line.start();
      return this.#line;
    }

    #typed() {
      this.area.style.height = 'auto';
      this.area.style.height = `${this.area.scrollHeight + 2}px`;
      const isEmpty = !this.area.value.trim();
      this.button.setAttribute('aria-disabled', String(isEmpty));
      if (!isEmpty) this.#line?.sayTyping();
    }

    /** @param {Event} event */
    #submit(event) {
      event.preventDefault();
      const text = this.area.value.trim();
      if (!text) return;
      this.area.value = '';
      this.#typed();
      this.#begin().send(text);
      this.#toEnd();
    }

    /** @param {LineState} state @param {string} why */
    #setState(state, why) {
      clearTimeout(this.#slow);
      const isRefused = state === 'refused';
      const show = () => this.#keepEnd(() => {
        this.bar.replaceChildren(why || (isRefused ? T.refused : state === 'offline' ? T.offline : T.connecting));
        if (isRefused) this.bar.append(h('button', { type: 'button', onclick: () => this.#line?.start() }, T.retry));
        this.bar.hidden = state === 'online';
      });
      // A short gap is nobody's concern.
      this.#badAt = state === 'online' ? 0 : this.#badAt || Date.now();
      this.#slow = setTimeout(show, this.#badAt && !isRefused ? this.#badAt + 1200 - Date.now() : 0);
    }

    /** @param {WidgetSession} session @param {boolean} isNew */
    #setSession(session, isNew) {
      if (!options.title && session.assistant_name) this.heading.textContent = session.assistant_name;
      if (!options.welcome && session.welcome_text) this.welcome.textContent = session.welcome_text;
      const { handoff_status, operator_name } = session;
      this.#setPerson(handoff_status === 'requested' ? T.waiting : handoff_status === 'active' ? `${T.joined} ${operator_name}` : '');
      if (isNew) {
        this.#messages.forEach((element) => element.remove());
        this.#messages.clear();
      }
      session.messages.forEach((message) => this.#onMessage(message));
      this.#line?.outgoing.forEach((item) => this.#onOutgoing(item));
      this.#toEnd();
    }

    /** @param {Frame} frame */
    #onFrame(frame) {
      const name = frame.operator_name || frame.manager?.name || T.operator;
      if (frame.type === 'message_delta') this.#keepEnd(() => this.#onDelta(frame));
      else if (frame.type === 'ai_typing') this.#setDots(T.writing, 30);
      else if (frame.type === 'operator_typing') this.#setDots(`${name} ${T.typing}`, 6);
      else if (frame.type === 'handoff_requested') this.#setPerson(`${T.waiting} ${T.queue} ${frame.queue_position || 1}`);
      else if (frame.type === 'handoff_started') {
        this.#setPerson(`${T.joined} ${name}`);
        this.#dropLive();
      } else if (frame.type === 'handoff_released') {
        this.#setPerson('');
        this.#place(h('p', { class: 'note' }, T.released), frame.seq || 0);
      } else if (frame.type === 'error' && frame.error) this.#place(h('p', { class: 'note bad' }, frame.error.message), this.#lastSeq);
    }

    /** A piece of an answer being written; index 0 begins it anew. @param {Frame} frame */
    #onDelta({ reply_id = 0, index = 0, text = '' }) {
      const live = this.#live.get(reply_id);
      if (index === 0) {
        this.#setDots('');
        live?.element.remove();
        const body = h('div', { class: 'b' }, text);
        // Read out when it is whole.
        const element = h('div', { class: 'm assistant', 'aria-live': 'off', 'aria-busy': 'true' }, body);
        this.log.append(element);
        this.#live.set(reply_id, { element, body, next: 1 });
      } else if (live && live.next === index) {
        live.body.append(text);
        live.next += 1;
      } else if (!live) this.#setDots(T.writing, 30);
    }

    #dropLive() {
      this.#live.forEach(({ element }) => element.remove());
      this.#live.clear();
      this.#setDots('');
    }

    /** @param {Message} message */
    #onMessage(message) {
      this.#unsure.get(message.client_msg_id || '')?.remove();
      this.#unsure.delete(message.client_msg_id || '');
      if (this.#messages.has(message.id)) return;
      if (message.sender !== 'user') {
        this.#dropLive();
        if (!this.panel.open) this.#setUnread(this.#unread + 1);
      }
      const element = this.#draw(message);
      this.#messages.set(message.id, element);
      this.#place(element, message.seq);
    }

    /** @param {Message} message */
    #draw({ sender, text, created_at, operator_name, sources = [], engine, outcome }) {
      const who = sender === 'user' ? T.you : sender === 'assistant' ? T.assistant : operator_name || T.operator;
      const element = h('div', { class: `m ${sender}` },
        h('div', { class: sender === 'operator' ? 'who' : 'vh' }, who), h('div', { class: 'b' }, text));
      if (sources.length) element.append(this.#drawSources(sources));
      // What no document and no model had a part in has no label.
      const label = outcome === 'answered' && (sources.length || engine !== 'extractive') && T.engines[engine || ''];
      const moment = h('time', { datetime: created_at }, clockTime.format(new Date(created_at)));
      element.append(h('div', { class: 'meta' }, moment, label ? ` · ${label}` : ''));
      if (outcome === 'not_found') {
        element.append(h('button', { class: 'call', type: 'button', onclick: () => {
          this.#begin().send(T.callText);
          this.area.focus();
          this.#toEnd();
        } }, T.call));
      }
      return element;
    }

    /** @param {Source[]} sources */
    #drawSources(sources) {
      const rows = sources.map((source, at) => {
        const place = [source.filename || (source.qa_id ? T.qa : T.sources), source.page && `${T.page} ${source.page}`, source.heading];
        const row = h('details', {},
          h('summary', {}, h('b', {}, String(at + 1)), h('span', {}, place.filter(Boolean).join(' · '))),
          h('blockquote', {}, source.quote));
        if (source.url && /^https?:\/\//i.test(source.url)) {
          row.append(h('a', { href: source.url, target: '_blank', rel: 'noopener noreferrer nofollow' }, source.url));
        }
        return row;
      });
      const box = h('div', { class: 'src', role: 'group', 'aria-label': T.sources }, ...rows.slice(0, 3));
      const rest = rows.slice(3);
      if (rest.length) {
        box.append(h('details', { class: 'more' }, h('summary', {}, h('span', {}, `${T.more} ${rest.length}`)), ...rest));
      }
      return box;
    }

    /** @param {Outgoing} item */
    #onOutgoing(item) {
      let element = this.#unsure.get(item.id);
      if (!element) {
        element = h('div', { class: 'm user' }, h('div', { class: 'vh' }, T.you), h('div', { class: 'b' }, item.text),
          h('div', { class: 'meta' }));
        this.#unsure.set(item.id, element);
        this.log.append(element);
      }
      const meta = /** @type {HTMLElement} */ (element.lastChild);
      meta.className = item.failed ? 'meta bad' : 'meta';
      meta.replaceChildren(item.failed ? `${T.failed}: ${item.failed}` : T.sending);
      if (item.failed) meta.append(h('button', { type: 'button', onclick: () => this.#line?.resend(item) }, T.retry));
    }

    /** Put it at its number's place; what has none stays below. @param {HTMLElement} element @param {number} seq */
    #place(element, seq) {
      element.dataset.seq = String(seq);
      this.#lastSeq = Math.max(this.#lastSeq, seq);
      let before = null;
      for (let other = this.log.lastElementChild; other; other = other.previousElementSibling) {
        if (Number(/** @type {HTMLElement} */ (other).dataset.seq) <= seq) break;
        before = other;
      }
      this.log.insertBefore(element, before);
    }

    /** @param {string} text @param {number} [seconds] how long to believe it */
    #setDots(text, seconds = 0) {
      clearTimeout(this.#quiet);
      this.#keepEnd(() => {
        this.dots.hidden = !text;
        this.dots.replaceChildren(h('i'), h('i'), h('i'), h('span', {}, text));
      });
      if (text) this.#quiet = setTimeout(() => this.#setDots(''), seconds * 1000);
    }

    /** @param {string} text '' where the assistant answers */
    #setPerson(text) {
      this.#keepEnd(() => {
        this.person.textContent = text;
        this.person.hidden = !text;
        this.log.classList.toggle('person', Boolean(text));
      });
    }

    /** @param {number} count */
    #setUnread(count) {
      this.#unread = count;
      this.count.textContent = String(count);
      this.count.hidden = !count;
    }

    /** Change what is shown; who was at its end stays there. @param {() => void} change */
    #keepEnd(change) {
      const { scrollTop, scrollHeight, clientHeight } = this.scroller;
      change();
      if (scrollHeight - scrollTop - clientHeight < 60) this.#toEnd();
    }

    #toEnd() {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    }
  }

  customElements.define('replyx-widget', ReplyXWidget);
  const attach = () => document.body.append(document.createElement('replyx-widget'));
  if (document.body) attach();
  else document.addEventListener('DOMContentLoaded', attach);
})();
