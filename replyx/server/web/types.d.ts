// Shapes of the API as the widget and the console use them: for `tsc` only, never served.

interface Source {
  document_id: number | null;
  filename: string | null;
  page: number | null;
  heading: string | null;
  quote: string;
  score: number;
  url: string | null;
  qa_id?: number;
}

interface Message {
  id: number;
  seq: number;
  sender: 'user' | 'assistant' | 'operator';
  text: string;
  created_at: string;
  client_msg_id?: string;
  operator_name?: string | null;
  sources?: Source[];
  engine?: string | null;
  reply_id?: number | null;
  outcome?: string | null;
  attachments?: Attached[];
}

/** A file that a customer sent with a message. */
interface Attached {
  id: number;
  filename: string;
  size: number;
}

interface WidgetSession {
  dialog_key: string;
  visitor_token: string;
  dialog_id: number;
  socket_url: string;
  messages: Message[];
  last_seq: number;
  assistant_name?: string;
  welcome_text?: string | null;
  handoff_status?: string;
  operator_name?: string | null;
}

interface ErrorBody {
  code: string;
  message: string;
  details?: { field?: string; issue?: string; errors?: { field: string; issue: string }[]; totp_required?: boolean };
}

/** Whatever a socket sends; which fields there are depends on `type`. */
interface Frame {
  type: string;
  seq?: number;
  message?: Message;
  reply_id?: number;
  index?: number;
  text?: string;
  queue_position?: number;
  operator_name?: string;
  manager?: { name: string };
  error?: ErrorBody;
  client_msg_id?: string;
}

/** A visitor's message that the server has not echoed yet; `failed` says why it did not go out, '' while under way. */
interface Outgoing {
  id: string;
  text: string;
  at: number;
  failed: string;
}

type LineState = 'idle' | 'connecting' | 'online' | 'offline' | 'refused';

/** What a line to the server tells whoever shows it. */
interface LineListener {
  state(state: LineState, why: string): void;
  session(session: WidgetSession, isNew: boolean): void;
  frame(frame: Frame): void;
  message(message: Message): void;
  outgoing(item: Outgoing): void;
}

/** What the widget keeps in the visitor's browser. */
interface Kept {
  token?: string;
  outgoing?: [string, string][];
}

/** An element with attributes, listeners (`on…`) and children; strings become text, never markup. */
type MakeElement = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  set?: Record<string, string | number | boolean | null | undefined | ((event: any) => void)>,
  ...children: (Node | string)[]
) => HTMLElementTagNameMap[K];

interface Assistant {
  id: number;
  name: string;
  description: string;
  system_prompt: string;
  ai_model: string;
  is_active: boolean;
  website_integration: boolean;
  allowed_domains: string[];
  site_token: string | null;
  welcome_text: string | null;
  telegram_bot_token: string | null;
  created_at: string;
}

interface KnowledgeDocument {
  id: number;
  assistant_id: number;
  filename: string;
  size: number;
  status: 'processing' | 'completed' | 'failed';
  pages: number;
  chunks_count: number;
  error: ErrorBody | null;
  created_at: string;
}

interface QaPair {
  id: number;
  assistant_id: number;
  question: string;
  answer: string;
}

interface Passage {
  text: string;
  score: number;
  document_id: number | null;
  filename: string | null;
  page: number | null;
  heading: string | null;
  qa_id: number | null;
}

interface SearchAnswer {
  results: Passage[];
  answerable: boolean;
}

interface DialogRow {
  id: number;
  assistant_id: number;
  platform: string;
  telegram_username: string | null;
  first_name: string | null;
  last_name: string | null;
  handoff_status: 'none' | 'requested' | 'active' | 'released';
  last_message: string;
  last_message_time: string | null;
  created_at: string;
}

interface Balance {
  balance: number;
  welcome_bonus: number;
  total_spent: number;
  currency: string;
}

interface DemoConfig {
  site_token: string;
  assistant_name: string;
  welcome_text: string | null;
  engine: string;
  documents: number;
}

/** One page of the console: draws itself into `place`; what it returns is called when the page is left. */
type ConsolePage = (place: HTMLElement, assistant: Assistant) => void | (() => void);
