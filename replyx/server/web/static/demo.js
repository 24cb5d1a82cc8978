// @ts-check
// The demo page embeds the widget as any site would: by one script line, made from /demo/config.json.

const query = new URLSearchParams(location.search);
const lang = (query.get('lang') || navigator.language || 'ru').toLowerCase().startsWith('ru') ? 'ru' : 'en';
const TEXTS = {
  ru: {
    title: document.title,
    copied: 'Скопировано',
    fact: (/** @type {DemoConfig} */ config) =>
      `Отвечает «${config.assistant_name}». Документов: ${config.documents}. ${ENGINES.ru[config.engine] || config.engine}`,
    trouble: 'Сервер не ответил на запрос настроек демо. Обновите страницу; если не поможет, посмотрите журнал сервера.',
  },
  en: {
    title: 'Meridian: desktops in the cloud — a ReplyX demo',
    copied: 'Copied',
    fact: (/** @type {DemoConfig} */ config) =>
      `“${config.assistant_name}” answers. Documents: ${config.documents}. ${ENGINES.en[config.engine] || config.engine}`,
    trouble: 'The server did not answer the request for the demo’s settings. Reload the page; if that does not help, read the server’s log.',
  },
};
/** @type {Record<string, Record<string, string>>} */
const ENGINES = {
  ru: { extractive: 'Ответы берутся из документов дословно, без модели.' },
  en: { extractive: 'Answers are taken from the documents word for word, no model is involved.' },
};
const T = TEXTS[lang];

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

function translate() {
  document.documentElement.lang = lang;
  if (lang === 'ru') return;
  document.title = T.title;
  for (const element of document.querySelectorAll('[data-en]')) {
    element.textContent = element.getAttribute('data-en');
  }
  for (const element of document.querySelectorAll('[data-en-label]')) {
    element.setAttribute('aria-label', element.getAttribute('data-en-label') || '');
  }
}

/** @param {DemoConfig} config */
function embed(config) {
  const script = document.createElement('script');
  script.src = '/widget.js';
  script.async = true;
  script.dataset.siteToken = config.site_token;
  script.dataset.lang = lang;
  script.dataset.title = config.assistant_name;
  script.dataset.open = '';
  if (config.welcome_text) script.dataset.welcome = config.welcome_text;
  document.body.append(script);

  const line = `<script src="${location.origin}/widget.js" data-site-token="${config.site_token}" async></script>`;
  byId('line').textContent = line;
  byId('fact').textContent = T.fact(config);
  byId('copy').addEventListener('click', async () => {
    await copy(line);
    byId('copy').textContent = T.copied;
  });
  byId('ready').hidden = false;
}

/** Copy, also where there is no TLS and so no clipboard: then the line is selected for the keyboard. @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection()?.selectAllChildren(byId('line'));
    document.execCommand('copy');
  }
}

function openWidget() {
  const widget = /** @type {(HTMLElement & {open(): void}) | null} */ (document.querySelector('replyx-widget'));
  if (widget) widget.open();
  else byId('embed').scrollIntoView();
}

/** Embed what the server says is there to show; where there is nothing, say what to do. */
async function start() {
  translate();
  byId('ask').addEventListener('click', openWidget);
  const wanted = query.get('site_token');
  try {
    const path = `/demo/config.json${wanted ? `?site_token=${encodeURIComponent(wanted)}` : ''}`;
    const answer = await fetch(path, { headers: { 'Accept-Language': lang } });
    const body = await answer.json();
    if (answer.ok) embed(body);
    else if (answer.status === 404) {
      byId('why').textContent = body.error.message;
      byId('empty').hidden = false;
      putFirst();
    } else showTrouble(body.error.message);
  } catch {
    showTrouble(T.trouble);
  }
}

/** @param {string} text */
function showTrouble(text) {
  byId('trouble').textContent = text;
  byId('trouble').hidden = false;
  putFirst();
}

/** What is to be done comes before what the page would otherwise say. */
function putFirst() {
  document.querySelector('main')?.prepend(byId('embed'));
}

start();
