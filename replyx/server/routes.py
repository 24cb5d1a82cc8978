"""Every URL of the server on one line: who may call it, what it takes, what it answers with."""

# A table: what belongs to one URL stands on one line.
# ruff: noqa: E501

from __future__ import annotations

from replyx.server import admin_answers, answers, completion_answers, knowledge_answers, telegram_answers
from replyx.server.bodies import Page
from replyx.server.endpoint import Endpoint, Permission
from replyx.server.limits import Limit
from replyx.server.openapi import show_openapi
from replyx.server.rest import (
    admin,
    api_keys,
    assistants,
    auth,
    balance,
    completions,
    dialogs,
    documents,
    gaps,
    health,
    knowledge,
    metrics,
    payments,
    sites,
    telegram,
    users,
    widget,
)
from replyx.server.web import confirming, pages

ANONYMOUS, DESK, USER, ADMIN = Permission.ANONYMOUS, Permission.DESK, Permission.USER, Permission.ADMIN
VISITOR, SITE, API_KEY = Permission.VISITOR, Permission.SITE, Permission.API_KEY
GET, POST, PUT, DELETE = "GET", "POST", "PUT", "DELETE"

# fmt: off
ROUTES: tuple[Endpoint, ...] = (
    Endpoint(POST, "/api/auth/login", ANONYMOUS, auth.login, "Log in", body=auth.Login, limit=Limit.LOGIN, answer=answers.LoggedIn),
    Endpoint(POST, "/api/auth/register", ANONYMOUS, auth.register, "Register", body=auth.Register, status=201, answer=answers.LoggedIn, errors=(409,)),
    Endpoint(POST, "/api/auth/logout", DESK, auth.logout, "Log out: the token ends", answer=answers.Status),
    Endpoint(POST, "/api/auth/refresh", DESK, auth.refresh, "A fresh token for a living one", answer=answers.LoggedIn),
    Endpoint(POST, "/api/ws-ticket", DESK, auth.make_ticket, "A ticket that opens one socket", status=201, answer=answers.Ticket),

    Endpoint(GET, "/api/users/me", DESK, users.show_me, "The caller's profile", answer=answers.User),
    Endpoint(PUT, "/api/users/me", DESK, users.change_me, "Change the caller's names", body=users.Profile, answer=answers.User),
    Endpoint(DELETE, "/api/users/me", USER, users.delete_me, "Delete the account with all that it has", body=users.Password, status=204, errors=(409,)),
    Endpoint(GET, "/api/users/me/export", USER, users.export_me, "Everything of the account as one stream", answer=answers.FreeObject),
    Endpoint(POST, "/api/users/change-password", DESK, users.change_password, "Change the password; every token ends", body=users.NewPassword, answer=answers.LoggedIn),

    Endpoint(POST, "/api/users/me/verify-email", DESK, users.ask_for_letter, "Send the letter that confirms the address again", limit=Limit.LETTER, answer=answers.Status, errors=(409,)),
    Endpoint(POST, "/api/users/me/totp", DESK, users.begin_totp, "A secret for an authenticator app", status=201, answer=answers.TotpSecret, errors=(409,)),
    Endpoint(POST, "/api/users/me/totp/confirm", DESK, users.confirm_totp, "Ask for its codes from now on", body=users.TotpCode, answer=answers.TotpState, errors=(409,)),
    Endpoint(POST, "/api/users/me/telegram", DESK, users.link_telegram, "A code that links the caller's Telegram account", status=201, answer=answers.TelegramCode),
    Endpoint(DELETE, "/api/users/me/telegram", DESK, users.unlink_telegram, "Take that link away", status=204),
    Endpoint(DELETE, "/api/users/me/totp", DESK, users.remove_totp, "Ask for codes no more", body=users.Password, status=204),

    Endpoint(GET, "/api/assistants", USER, assistants.list_all, "The caller's assistants", query=Page, answer=list[answers.Assistant]),
    Endpoint(POST, "/api/assistants", USER, assistants.create, "Create an assistant", body=assistants.NewAssistant, status=201, idempotent=True, answer=answers.Assistant, errors=(409,)),
    Endpoint(GET, "/api/assistants/{id:int}", USER, assistants.show, "One assistant", answer=answers.Assistant),
    Endpoint(PUT, "/api/assistants/{id:int}", USER, assistants.change, "Change what is sent", body=assistants.AssistantChanges, answer=answers.Assistant, errors=(409,)),
    Endpoint(DELETE, "/api/assistants/{id:int}", USER, assistants.delete, "Delete an assistant with its dialogs and documents", status=204),
    Endpoint(POST, "/api/assistants/{id:int}/site-token", USER, assistants.rotate_site_token, "Replace the site token", answer=answers.Assistant, errors=(409,)),
    Endpoint(GET, "/api/assistants/{id:int}/embed", USER, assistants.show_embed, "The line that embeds the widget", answer=answers.Embed, errors=(409,)),
    Endpoint(GET, "/api/assistants/{id:int}/bot", USER, assistants.show_bot, "How its Telegram bot is", answer=telegram_answers.Bot),

    Endpoint(GET, "/api/dialogs", DESK, dialogs.list_all, "Dialogs, newest word first", query=dialogs.DialogList, answer=answers.Dialogs, errors=(404,)),
    Endpoint(GET, "/api/dialogs/{id:int}", DESK, dialogs.show, "One dialog", answer=answers.Dialog),
    Endpoint(PUT, "/api/dialogs/{id:int}", DESK, dialogs.change, "Archive a dialog, or bring it back", body=dialogs.DialogChanges, answer=answers.Dialog),
    Endpoint(DELETE, "/api/dialogs/{id:int}", USER, dialogs.delete, "Delete a dialog with all that was said", status=204),
    Endpoint(GET, "/api/dialogs/{id:int}/messages", DESK, dialogs.list_messages, "Messages, oldest first", query=dialogs.After, answer=answers.Messages),
    Endpoint(POST, "/api/dialogs/{id:int}/messages", DESK, dialogs.say, "An operator's message", body=dialogs.OperatorMessage, status=201, idempotent=True, answer=answers.Message, errors=(409,)),
    Endpoint(GET, "/api/dialogs/{id:int}/attachments", DESK, dialogs.list_attachments, "Files that the customer sent, oldest first", query=Page, answer=list[telegram_answers.Attachment]),
    Endpoint(GET, "/api/attachments/{id:int}/file", DESK, dialogs.show_attachment, "A file as the customer sent it", media=("application/octet-stream",), errors=(404,)),
    Endpoint(GET, "/api/dialogs/{id:int}/events", DESK, dialogs.list_events, "Events, oldest first", query=dialogs.After, answer=answers.Events),
    Endpoint(GET, "/api/dialogs/{id:int}/traces", USER, dialogs.list_traces, "How its answers came about, newest first", query=Page, answer=answers.AnswerTraces),
    Endpoint(GET, "/api/dialogs/{id:int}/export", DESK, dialogs.export, "The whole dialog as one object", answer=answers.ExportedDialog),
    Endpoint(POST, "/api/dialogs/{id:int}/handoff/request", DESK, dialogs.request_handoff, "Ask for a person", body=dialogs.HandoffRequest, answer=answers.Dialog, errors=(409,)),
    Endpoint(POST, "/api/dialogs/{id:int}/handoff/take", DESK, dialogs.take, "Take a dialog over", body=dialogs.HandoffTake, answer=answers.Dialog, errors=(409,)),
    Endpoint(POST, "/api/dialogs/{id:int}/handoff/release", DESK, dialogs.release, "Give a dialog back to the assistant", answer=answers.Dialog, errors=(409,)),

    Endpoint(POST, "/api/documents/upload", USER, documents.upload, "Upload a document", status=201, limit=Limit.UPLOAD, idempotent=True, answer=answers.Document, errors=(404, 409, 413, 415)),
    Endpoint(GET, "/api/documents", USER, documents.list_all, "Documents", query=documents.DocumentList, answer=list[answers.Document], errors=(404,)),
    Endpoint(GET, "/api/documents/{id:int}", USER, documents.show, "One document", answer=answers.Document),
    Endpoint(PUT, "/api/documents/{id:int}", USER, documents.change, "Rename a document; a newer version is uploaded with `replaces`", body=documents.DocumentChanges, answer=answers.Document),
    Endpoint(GET, "/api/documents/{id:int}/file", USER, documents.show_file, "The file as it was uploaded", media=("application/pdf", "application/octet-stream"), errors=(404,)),
    Endpoint(DELETE, "/api/documents/{id:int}", USER, documents.delete, "Delete a document", status=204),
    Endpoint(GET, "/api/qa-knowledge", USER, knowledge.list_qa, "Prepared answers", query=knowledge.QaList, answer=list[answers.Qa], errors=(404,)),
    Endpoint(POST, "/api/qa-knowledge", USER, knowledge.create_qa, "Add a prepared answer", body=knowledge.NewQa, status=201, answer=answers.Qa, errors=(404, 409)),
    Endpoint(GET, "/api/qa-knowledge/export", USER, knowledge.export_qa, "All prepared answers of an assistant as a file", query=knowledge.QaExport, answer=list[knowledge_answers.QaRow], media=("text/csv",), errors=(404,)),
    Endpoint(POST, "/api/qa-knowledge/import", USER, knowledge.import_qa, "Add the prepared answers of a file, all or none", body=knowledge.QaFile, answer=knowledge_answers.QaImport, errors=(404,)),
    Endpoint(GET, "/api/qa-knowledge/{id:int}", USER, knowledge.show_qa, "One prepared answer", answer=answers.Qa),
    Endpoint(PUT, "/api/qa-knowledge/{id:int}", USER, knowledge.change_qa, "Change a prepared answer", body=knowledge.QaChanges, answer=answers.Qa),
    Endpoint(DELETE, "/api/qa-knowledge/{id:int}", USER, knowledge.delete_qa, "Delete a prepared answer", status=204),
    Endpoint(GET, "/api/knowledge/search", USER, knowledge.search, "Search what an assistant knows", query=knowledge.Search, answer=answers.Found, errors=(404,)),

    Endpoint(GET, "/api/api-keys", USER, api_keys.list_all, "Keys to the OpenAI-compatible API, masked", query=Page, answer=list[completion_answers.ApiKey]),
    Endpoint(POST, "/api/api-keys", USER, api_keys.create, "Make a key; it is shown this once", body=api_keys.NewApiKey, status=201, answer=completion_answers.ApiKey),
    Endpoint(GET, "/api/api-keys/{id:int}", USER, api_keys.show, "One key, masked", answer=completion_answers.ApiKey),
    Endpoint(PUT, "/api/api-keys/{id:int}", USER, api_keys.change, "Rename a key", body=api_keys.ApiKeyChanges, answer=completion_answers.ApiKey),
    Endpoint(DELETE, "/api/api-keys/{id:int}", USER, api_keys.revoke, "Revoke a key", status=204),
    Endpoint(GET, "/v1/models", API_KEY, completions.list_models, "The tenant's assistants as models", answer=completion_answers.Models),
    Endpoint(GET, "/v1/models/{model}", API_KEY, completions.show_model, "One assistant as a model", answer=completion_answers.Model),
    Endpoint(POST, "/v1/chat/completions", API_KEY, completions.complete, "An answer of an assistant, also streamed as OpenAI's API does", body=completions.ChatRequest, answer=completion_answers.ChatCompletion, media=("text/event-stream",), errors=(402, 404, 502)),
    Endpoint(GET, "/api/knowledge/gaps", USER, gaps.list_all, "What customers asked in vain, grouped by meaning", query=gaps.GapList, answer=list[knowledge_answers.Gap], errors=(404,)),
    Endpoint(POST, "/api/knowledge/gaps/solve", USER, gaps.solve, "Approve an operator's answer to a gap, or give one", body=gaps.Solution, status=201, answer=answers.Qa, errors=(404,)),
    Endpoint(GET, "/api/knowledge/sites", USER, sites.list_all, "Web sites that are read", query=sites.SiteList, answer=list[knowledge_answers.Site], errors=(404,)),
    Endpoint(POST, "/api/knowledge/sites", USER, sites.create, "Read a web site, and keep up with it", body=sites.NewSite, status=201, answer=knowledge_answers.Site, errors=(404, 409, 502)),
    Endpoint(GET, "/api/knowledge/sites/{id:int}", USER, sites.show, "One web site", answer=knowledge_answers.Site),
    Endpoint(PUT, "/api/knowledge/sites/{id:int}", USER, sites.change, "Change how a web site is read", body=sites.SiteChanges, answer=knowledge_answers.Site),
    Endpoint(DELETE, "/api/knowledge/sites/{id:int}", USER, sites.delete, "Forget a web site with its pages", status=204),
    Endpoint(POST, "/api/knowledge/sites/{id:int}/visit", USER, sites.visit, "Visit a web site now", answer=knowledge_answers.Site),

    Endpoint(GET, "/api/balance", USER, balance.show, "The caller's balance", answer=answers.Balance),
    Endpoint(GET, "/api/balance/transactions", USER, balance.list_transactions, "Every movement of it", query=balance.Statement, answer=answers.Transactions),
    Endpoint(POST, "/api/balance/top-up", USER, balance.top_up, "Begin a payment; the balance moves when it is paid", body=balance.TopUp, status=201, limit=Limit.TOP_UP, idempotent=True, answer=answers.Payment, errors=(402, 409, 502)),
    Endpoint(GET, "/api/balance/payments", USER, payments.list_own, "The caller's payments, newest first", query=payments.PaymentList, answer=answers.Payments),
    # Telegram repeats what is refused: a limit would only delay what customers wrote.
    Endpoint(POST, "/telegram/{id:int}", ANONYMOUS, telegram.take_update, "What Telegram posts, if bots.delivery is webhook", limit=Limit.NONE, answer=answers.Received, errors=(400, 404, 409, 413)),
    Endpoint(POST, "/api/payments/{provider}/callback", ANONYMOUS, payments.take_callback, "What a payment provider calls", answer=answers.Received, errors=(400, 403, 413, 502)),

    Endpoint(GET, "/api/admin/ai-tokens", ADMIN, admin.list_ai_tokens, "AI keys, masked", query=Page, answer=list[admin_answers.AiToken]),
    Endpoint(POST, "/api/admin/ai-tokens", ADMIN, admin.create_ai_token, "Add an AI key", body=admin.NewAiToken, status=201, answer=admin_answers.AiToken, errors=(409,)),
    Endpoint(GET, "/api/admin/ai-tokens/{id:int}", ADMIN, admin.show_ai_token, "One AI key, masked", answer=admin_answers.AiToken),
    Endpoint(PUT, "/api/admin/ai-tokens/{id:int}", ADMIN, admin.change_ai_token, "Change an AI key", body=admin.AiTokenChanges, answer=admin_answers.AiToken, errors=(409,)),
    Endpoint(DELETE, "/api/admin/ai-tokens/{id:int}", ADMIN, admin.delete_ai_token, "Delete an AI key", status=204),
    Endpoint(GET, "/api/admin/users", ADMIN, admin.list_users, "All users", query=Page, answer=admin_answers.Users),
    Endpoint(GET, "/api/admin/users/{id:int}", ADMIN, admin.show_user, "One user", answer=admin_answers.FullUser),
    Endpoint(PUT, "/api/admin/users/{id:int}", ADMIN, admin.change_user, "Change a user, or lock it out", body=admin.UserChanges, answer=admin_answers.FullUser, errors=(409,)),
    Endpoint(GET, "/api/admin/audit", ADMIN, admin.list_audit, "Who did what", query=admin.AuditList, answer=admin_answers.AuditEvents),
    Endpoint(POST, "/api/admin/users/{id:int}/credit", ADMIN, admin.credit_user, "Put money on a user's balance", body=admin.Credit, answer=answers.Balance),
    Endpoint(GET, "/api/admin/payments", ADMIN, payments.list_all, "Payments, newest first", query=payments.AllPayments, answer=answers.Payments),
    Endpoint(POST, "/api/admin/payments/{id:int}/confirm", ADMIN, payments.confirm, "The money of an invoice has come", answer=answers.PaymentRecord, errors=(409,)),
    Endpoint(GET, "/api/admin/system/health", ADMIN, health.show, "How every part is", answer=admin_answers.Health),

    Endpoint(POST, "/api/widget/sessions", SITE, widget.open_session, "Open a visitor's dialog", body=widget.NewSession, status=201, answer=answers.WidgetSession),
    Endpoint(GET, "/api/widget/dialogs/{key}/messages", VISITOR, widget.list_messages, "Messages, where sockets are blocked", query=dialogs.After, answer=answers.WidgetMessages),
    Endpoint(POST, "/api/widget/dialogs/{key}/messages", VISITOR, widget.say, "A visitor's message", body=widget.VisitorMessage, status=201, idempotent=True, answer=answers.Message, errors=(409,)),

    Endpoint(GET, "/healthz", ANONYMOUS, health.alive, "Whether the process lives", limit=Limit.NONE, answer=answers.Status),
    Endpoint(GET, "/readyz", ANONYMOUS, health.ready, "Whether it can do its work", limit=Limit.NONE, answer=admin_answers.Readiness),
    Endpoint(GET, "/metrics", ANONYMOUS, metrics.show, "Figures for Prometheus; from this machine, or with its token", limit=Limit.NONE, in_schema=False),
    Endpoint(GET, "/openapi.json", ANONYMOUS, show_openapi, "This description", limit=Limit.NONE, answer=answers.FreeObject, errors=(404,)),

    Endpoint(GET, "/docs", ANONYMOUS, pages.docs, "The description as a page", limit=Limit.NONE, in_schema=False),
    Endpoint(GET, "/", ANONYMOUS, pages.console, "The console", limit=Limit.NONE, in_schema=False),
    Endpoint(GET, "/verify-email", ANONYMOUS, confirming.show, "Where a letter's link leads", query=confirming.Link, in_schema=False),
    Endpoint(POST, "/verify-email", ANONYMOUS, confirming.confirm, "Confirm an address with a letter's link", in_schema=False),
    Endpoint(GET, "/demo", ANONYMOUS, pages.demo, "The widget on a page of the appliance's own", limit=Limit.NONE, in_schema=False),
    Endpoint(GET, "/demo/config.json", ANONYMOUS, pages.demo_config, "What the demo shows", query=pages.Demo, in_schema=False),
    Endpoint(GET, "/widget.js", ANONYMOUS, pages.widget, "The widget's script", limit=Limit.NONE, in_schema=False),
    Endpoint(GET, "/static/{path:path}", ANONYMOUS, pages.static, "Files of the pages", limit=Limit.NONE, in_schema=False),
)
# fmt: on

#: The socket's URL; what opens it is in ws/entrance.py.
SOCKET_PATH = "/ws/dialogs/{dialog_id}"
