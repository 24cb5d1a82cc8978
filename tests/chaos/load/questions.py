"""What the customers of the load ask."""

from __future__ import annotations

#: Some end in a word that calls a person.
QUESTIONS = (
    *("Когда доставка?", "Как вернуть товар?", "Where is my order?", "Сколько стоит?", "Есть ли гарантия?") * 10,
    "Позовите оператора",
)
