"""What is written in Telegram beside messages: buttons, marks, what operators are told."""

from __future__ import annotations

_TEXTS: dict[str, dict[str, str]] = {
    "call": {"ru": "Позвать оператора", "en": "Call a person"},
    "called": {"ru": "Оператор позван. Он ответит здесь.", "en": "A person was called and will answer here."},
    "called_already": {"ru": "Оператор уже позван.", "en": "A person was called already."},
    "rated": {"ru": "Спасибо за оценку!", "en": "Thank you for the rating!"},
    "outdated": {"ru": "Эта кнопка больше не действует.", "en": "This button no longer works."},
    "repeated": {
        "ru": "Возможно, это сообщение вы уже получили: связь прервалась при отправке.",
        "en": "You may have got this message already: the connection broke while it was sent.",
    },
    "sources": {"ru": "Источники", "en": "Sources"},
    "page": {"ru": ", с. {page}", "en": ", p. {page}"},
    "customer": {"ru": "Клиент", "en": "Customer"},
    "assistant": {"ru": "Помощник", "en": "Assistant"},
    "operator": {"ru": "Оператор", "en": "Operator"},
    "asked": {"ru": "🙋 Нужен человек: {reason}", "en": "🙋 A person is needed: {reason}"},
    "reason_keyword": {"ru": "клиент попросил словами", "en": "the customer asked in words"},
    "reason_button": {"ru": "клиент нажал кнопку", "en": "the customer pressed the button"},
    "reason_low_confidence": {"ru": "помощник не находит ответа", "en": "the assistant finds no answer"},
    "reason_failed": {"ru": "помощник не смог ответить", "en": "the assistant could not answer"},
    "reason_policy": {"ru": "помощник не может отвечать", "en": "the assistant may not answer"},
    "reason_api": {"ru": "запрошен через API", "en": "asked for through the API"},
    "taken": {"ru": "✅ Диалог ведёт {name}", "en": "✅ {name} has the dialog"},
    "given_back": {"ru": "↩️ Диалог возвращён помощнику", "en": "↩️ The dialog was given back to the assistant"},
    "delivery_failed": {
        "ru": "⚠️ Сообщение клиенту не доставлено: {reason}",
        "en": "⚠️ A message did not reach the customer: {reason}",
    },
    "delivery_maybe_sent": {
        "ru": "⚠️ Неизвестно, дошло ли сообщение до клиента: {reason}",
        "en": "⚠️ Nobody knows whether a message reached the customer: {reason}",
    },
    "rating": {"ru": "{face} Клиент оценил ответ", "en": "{face} The customer rated an answer"},
    "take": {"ru": "Взять", "en": "Take"},
    "release": {"ru": "Вернуть помощнику", "en": "Release"},
    "close": {"ru": "Закрыть", "en": "Close"},
    "state_none": {"ru": "Отвечает помощник", "en": "The assistant answers"},
    "state_requested": {"ru": "Ждёт оператора", "en": "Waits for a person"},
    "state_active": {"ru": "Отвечает {name}", "en": "{name} answers"},
    "state_released": {"ru": "Отвечает помощник", "en": "The assistant answers"},
    "panel_hint": {
        "ru": "Сообщения в этой теме уходят клиенту. Заметка для своих начинается с //",
        "en": "What is written in this topic goes to the customer. A note for colleagues begins with //",
    },
    "not_linked": {
        "ru": "⛔ Клиент этого не получил. Сначала свяжите свой Telegram с учётной записью оператора: администратор "
        "выполняет replyx users link-telegram EMAIL, а вы пишете боту /link КОД.",
        "en": "⛔ The customer did not get this. First link your Telegram to an operator's account: the administrator "
        "runs replyx users link-telegram EMAIL, and you write /link CODE to the bot.",
    },
    "not_linked_short": {
        "ru": "Ваш Telegram не связан с учётной записью оператора. Напишите боту /link КОД.",
        "en": "Your Telegram is not linked to an operator's account. Write /link CODE to the bot.",
    },
    "linked": {
        "ru": "✅ Готово, {name}. Теперь вы отвечаете как оператор.",
        "en": "✅ Done, {name}. You are an operator now.",
    },
    "bad_code": {
        "ru": "Код не подходит или истёк. Новый: replyx users link-telegram EMAIL",
        "en": "The code is wrong or has expired. A new one: replyx users link-telegram EMAIL",
    },
    "text_only": {
        "ru": "⛔ Клиенту уходит только текст. Это не отправлено.",
        "en": "⛔ Only text goes to the customer. This was not sent.",
    },
    "refused": {"ru": "⛔ Не отправлено: {reason}", "en": "⛔ Not sent: {reason}"},
    "no_dialog": {"ru": "Этого диалога больше нет.", "en": "This dialog is gone."},
    "you_have_it": {"ru": "Диалог ваш.", "en": "The dialog is yours."},
    "closed": {"ru": "Диалог закрыт.", "en": "The dialog is closed."},
}


def say(key: str, language: str, **values: str) -> str:
    """The text `key` in `language` (`en`, anything else is Russian)."""
    return _TEXTS[key]["en" if language == "en" else "ru"].format(**values)
