// @ts-check
// Every sentence of the console, in Russian and English, and how figures are written.

const RU = {
  title: 'ReplyX — консоль',
  email: 'Электронная почта', password: 'Пароль', code: 'Код из приложения', login: 'Войти', logout: 'Выйти', welcome: 'Вход в консоль',
  firstTime: 'Входите впервые? Почту и пароль администратора команда запуска напечатала в терминале. Новый пароль: replyx users passwd ПОЧТА',
  expired: 'Сеанс закончился. Войдите снова.',
  offline: 'Сервер не отвечает. Проверьте, что он запущен, и повторите.',
  loading: 'Загружаем…', retry: 'Повторить', refresh: 'Обновить', save: 'Сохранить', saved: 'Сохранено', cancel: 'Отмена',
  delete: 'Удалить', sure: 'Точно удалить?', copy: 'Копировать', copied: 'Скопировано', more: 'Подробнее',
  balance: 'Баланс', spent: 'Потрачено', assistants: 'Ассистенты', add: 'Новый ассистент', off: 'выключен',
  knowledge: 'Знания', check: 'Проверка', site: 'На сайт', dialogs: 'Диалоги', settings: 'Настройки', sections: 'Разделы ассистента',
  firstTitle: 'Начните с ассистента',
  firstText: 'Ассистент отвечает клиентам по вашим документам. Дайте ему имя, затем загрузите документы: без них отвечать не из чего.',
  name: 'Имя', nameHint: 'Его видят клиенты в заголовке чата.', nameSample: 'Поддержка',
  prompt: 'Указания', promptHint: 'Как отвечать. Нужны, когда отвечает модель; без модели ответ берётся из документа дословно.',
  promptSample: 'Ты — поддержка компании. Отвечай коротко и только по документам.',
  model: 'Модель', modelHint: 'Пусто — модель по умолчанию. extractive — ответы дословно из документов, без модели.',
  website: 'Чат на сайте', websiteHint: 'Откройте ассистента посетителям сайта через виджет.',
  domains: 'Разрешённые домены', domainsHint: 'По одному в строке: example.com или *.example.com. Демо-странице этого сервера разрешение не нужно.',
  greeting: 'Приветствие', greetingHint: 'Первое сообщение в чате. Пусто — обычное приветствие.',
  active: 'Включён', activeHint: 'Выключенный ассистент молчит, а вопросы идут операторам.',
  create: 'Создать ассистента', remove: 'Удалить ассистента',
  removeText: 'Вместе с ним удаляются его документы, готовые ответы и диалоги.',
  drop: 'Перетащите файлы сюда или', choose: 'выберите на диске', dropHint: 'PDF, DOCX, XLSX, PPTX, ODT, EPUB, EML, CSV, Markdown, HTML или текст. Можно несколько сразу.',
  documents: 'Документы', noDocuments: 'Документов пока нет. Загрузите первый — и ассистент сможет отвечать.',
  uploading: 'Загружается', reading: 'Читаем', ready: 'Готов', failed: 'Не прочитан', notSent: 'Не загружен',
  pages: 'стр.', chunks: 'фрагм.', nextCheck: 'Документы готовы. Спросите что-нибудь в разделе «Проверка» или откройте',
  demo: 'демо-страницу',
  qa: 'Готовые ответы', qaText: 'Ответ, который даётся слово в слово, когда вопрос совпал. Модель не участвует.',
  question: 'Вопрос', answer: 'Ответ', addQa: 'Добавить ответ', noQa: 'Готовых ответов пока нет.',
  searchTitle: 'Что найдётся по вопросу', searchText: 'Так ассистент ищет в документах. Деньги за проверку не списываются.',
  searchSample: 'Спросите так, как спросил бы клиент', find: 'Найти', score: 'Близость',
  answerable: 'Ассистент ответит: лучший фрагмент подходит.',
  unanswerable: 'Ассистент скажет, что ответа нет, и предложит оператора: ни один фрагмент не подходит.',
  nothing: 'Ничего не нашлось. Загрузите документы в разделе «Знания» и дождитесь, пока они станут готовы.', qaFound: 'Готовый ответ',
  siteTitle: 'Одна строка для вашего сайта', siteText: 'Вставьте её перед </body> на страницах, где нужен чат.',
  siteOff: 'Чат на сайте выключен. Включите его, и здесь появится строка для вставки.', turnOn: 'Включить чат на сайте',
  allowed: 'Чат откроется на:', allowedNone: 'Ни один домен ещё не разрешён: на вашем сайте чат не откроется. Добавьте домен в настройках.',
  tryDemo: 'Открыть на демо-странице', line: 'Строка для вставки',
  noDialogs: 'Диалогов пока нет. Задайте вопрос на демо-странице, и он появится здесь.',
  noMessages: 'Открыли чат и ничего не написали', pick: 'Выберите диалог слева, чтобы прочитать его.', back: 'К списку',
  visitor: 'Посетитель', user: 'Клиент', download: 'Скачать', assistant: 'Ассистент', operator: 'Оператор', sources: 'Источники', page: 'с.',
  handoff: /** @type {Record<string, string>} */ ({ requested: 'ждёт оператора', active: 'ведёт оператор', released: 'вернулся ассистенту' }),
  engines: /** @type {Record<string, string>} */ ({ extractive: 'дословно из документов', qa: 'готовый ответ', remote: 'удалённая модель', local: 'модель на сервере', plugin: 'плагин' }),
  outcomes: /** @type {Record<string, string>} */ ({ not_found: 'ответа в документах нет', unavailable: 'не смог ответить' }),
  units: ['Б', 'КБ', 'МБ', 'ГБ'],
};

/** @type {typeof RU} */
const EN = {
  title: 'ReplyX console',
  email: 'E-mail', password: 'Password', code: 'Code of the app', login: 'Log in', logout: 'Log out', welcome: 'Log in to the console',
  firstTime: 'Your first time? The start command printed the administrator’s e-mail and password in the terminal. A new password: replyx users passwd E-MAIL',
  expired: 'The session has ended. Log in again.',
  offline: 'The server does not answer. See that it runs, and try again.',
  loading: 'Loading…', retry: 'Try again', refresh: 'Refresh', save: 'Save', saved: 'Saved', cancel: 'Cancel',
  delete: 'Delete', sure: 'Really delete?', copy: 'Copy', copied: 'Copied', more: 'More',
  balance: 'Balance', spent: 'Spent', assistants: 'Assistants', add: 'New assistant', off: 'off',
  knowledge: 'Knowledge', check: 'Try it', site: 'On your site', dialogs: 'Dialogs', settings: 'Settings', sections: 'Sections of the assistant',
  firstTitle: 'Begin with an assistant',
  firstText: 'An assistant answers customers from your documents. Give it a name, then upload documents: without them there is nothing to answer from.',
  name: 'Name', nameHint: 'Customers see it at the top of the chat.', nameSample: 'Support',
  prompt: 'Instructions', promptHint: 'How to answer. They matter when a model answers; without one, answers are taken from the document word for word.',
  promptSample: 'You are the company’s support. Answer briefly and only from the documents.',
  model: 'Model', modelHint: 'Empty: the default model. extractive: answers word for word from the documents, no model.',
  website: 'Website chat', websiteHint: 'Opens the assistant to your site’s visitors through the widget.',
  domains: 'Allowed domains', domainsHint: 'One a line: example.com or *.example.com. This server’s demo page needs no permission.',
  greeting: 'Greeting', greetingHint: 'The first message of the chat. Empty: the usual greeting.',
  active: 'Switched on', activeHint: 'An assistant that is off keeps silent, and questions go to operators.',
  create: 'Create the assistant', remove: 'Delete the assistant',
  removeText: 'Its documents, prepared answers and dialogs are deleted with it.',
  drop: 'Drop files here or', choose: 'choose them', dropHint: 'PDF, DOCX, XLSX, PPTX, ODT, EPUB, EML, CSV, Markdown, HTML or text. Several at once are fine.',
  documents: 'Documents', noDocuments: 'No documents yet. Upload the first, and the assistant can answer.',
  uploading: 'Uploading', reading: 'Reading', ready: 'Ready', failed: 'Not read', notSent: 'Not uploaded',
  pages: 'p.', chunks: 'passages', nextCheck: 'The documents are ready. Ask something under “Try it”, or open',
  demo: 'the demo page',
  qa: 'Prepared answers', qaText: 'An answer that is given word for word when the question matches. No model takes part.',
  question: 'Question', answer: 'Answer', addQa: 'Add the answer', noQa: 'No prepared answers yet.',
  searchTitle: 'What a question finds', searchText: 'This is how the assistant searches the documents. Trying costs nothing.',
  searchSample: 'Ask as a customer would', find: 'Find', score: 'Closeness',
  answerable: 'The assistant will answer: the best passage is good enough.',
  unanswerable: 'The assistant will say that there is no answer and offer a person: no passage is good enough.',
  nothing: 'Nothing was found. Upload documents under “Knowledge” and wait until they are ready.', qaFound: 'Prepared answer',
  siteTitle: 'One line for your site', siteText: 'Paste it before </body> on the pages that need the chat.',
  siteOff: 'The website chat is off. Switch it on, and the line to paste appears here.', turnOn: 'Switch the website chat on',
  allowed: 'The chat opens on:', allowedNone: 'No domain is allowed yet: the chat will not open on your site. Add the domain in the settings.',
  tryDemo: 'Open on the demo page', line: 'The line to paste',
  noDialogs: 'No dialogs yet. Ask a question on the demo page, and it appears here.',
  noMessages: 'Opened the chat and wrote nothing', pick: 'Choose a dialog on the left to read it.', back: 'Back to the list',
  visitor: 'Visitor', user: 'Customer', download: 'Download', assistant: 'Assistant', operator: 'Operator', sources: 'Sources', page: 'p.',
  handoff: { requested: 'waits for a person', active: 'with an operator', released: 'back with the assistant' },
  engines: { extractive: 'word for word from the documents', qa: 'prepared answer', remote: 'remote model', local: 'model on the server', plugin: 'plugin' },
  outcomes: { not_found: 'not in the documents', unavailable: 'could not answer' },
  units: ['B', 'KB', 'MB', 'GB'],
};

const wanted = new URLSearchParams(location.search).get('lang') || navigator.language || 'ru';

/** `ru` or `en`, as the browser or `?lang=` has it. */
export const lang = wanted.toLowerCase().startsWith('ru') ? 'ru' : 'en';

/** The sentences in that language. */
export const T = lang === 'ru' ? RU : EN;

const moment = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

/** @param {string | null} iso */
export const when = (iso) => (iso ? moment.format(new Date(iso)) : '');

/** @param {number} amount @param {string} currency */
export const money = (amount, currency) => new Intl.NumberFormat(lang, { style: 'currency', currency }).format(amount);

/** A file's size with its unit. @param {number} bytes */
export function size(bytes) {
  const power = Math.min(T.units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  const figure = new Intl.NumberFormat(lang, { maximumFractionDigits: power > 1 ? 1 : 0 }).format(bytes / 1024 ** power);
  return `${figure} ${T.units[power]}`;
}
