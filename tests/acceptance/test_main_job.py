"""A document goes in, a customer asks, the assistant answers from it and shows where, and the answer is paid."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.acceptance.journey import Company, Visitor, faq_questions, sources_have_page
from tests.support.http import Json
from tests.support.processes import Box, Program, open_box

_PRICE = Decimal("5.00")
_ANSWER = "Debian выпускается сообществом."


class Installation:
    """A running ReplyX with its first administrator, whatever it is made of."""

    def __init__(self, box: Box, roles: tuple[str, ...]) -> None:
        self.box, self._roles = box, roles
        self.programs: list[Program] = []
        self.base_url = ""
        self.email, self.password = "", ""

    def start(self) -> None:
        """Start every process and wait until it serves."""
        # Restarted on the same port, as a real one is, so that clients find it again.
        port = self.base_url.rsplit(":", 1)[-1] if self.base_url else "0"
        self.programs = [
            self.box.start(role, *(("--port", port) if role in ("up", "server") else ())) for role in self._roles
        ]
        self.base_url = self.programs[0].wait_for_line(r"^ready (http://\S+)$", 60).group(1)
        for role, program in list(zip(self._roles, self.programs, strict=True))[1:]:
            program.wait_for_line(rf"^ready {role}", 60)

    def kill(self) -> None:
        """SIGKILL for all at once, as a power cut would."""
        for program in self.programs:
            program.kill()

    def company(self) -> Company:
        return Company(self.base_url, self.email, self.password)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Installation]:
    """`replyx up` in an empty folder."""
    with open_box(tmp_path / "box") as box:
        here = Installation(box, ("up",))
        here.start()
        here.email = here.programs[0].wait_for_line(r"(\S+@\S+)").group(1)
        here.password = here.programs[0].wait_for_line(r"(?:[Пп]ароль|[Pp]assword)\W+(\S+)").group(1)
        yield here


@pytest.fixture
def production(tmp_path: Path, empty_postgres_url: str, redis_url: str) -> Iterator[Installation]:
    """Three processes on PostgreSQL and Redis."""
    with open_box(tmp_path / "box", REPLYX_DATABASE__URL=empty_postgres_url, REPLYX_REDIS__URL=redis_url) as box:
        here = Installation(box, ("server", "worker", "bots"))
        assert box.run("db", "migrate").code == 0
        here.email, here.password = "owner@example.com", "long-enough-7x"
        made = box.run("users", "create", here.email, "--admin", "--password-stdin", "--json", stdin=here.password)
        assert made.code == 0, made.err
        here.start()
        yield here


def test_a_company_teaches_its_assistant_and_customers_get_answers_from_one_process(embedded: Installation) -> None:
    _main_job(embedded)


def test_a_company_teaches_its_assistant_and_customers_get_answers_from_three_processes(
    production: Installation,
) -> None:
    _main_job(production)


def test_a_question_under_way_at_a_power_cut_gets_exactly_one_answer_in_one_process(embedded: Installation) -> None:
    _power_cut(embedded)


def test_a_question_under_way_at_a_power_cut_gets_exactly_one_answer_in_three_processes(
    production: Installation,
) -> None:
    _power_cut(production)


def test_a_local_model_answers_from_the_document(embedded: Installation) -> None:
    with ExitStack() as stack:
        company = embedded.company()
        stack.callback(company.close)
        models = json.loads(embedded.box.run("models", "list", "--json").out)
        name = next(row["name"] for row in models if "smollm2" in row["name"])
        assistant = company.make_assistant(name="Local", ai_model=name)
        documents = company.teach(assistant["id"], "en")
        visitor = Visitor(embedded.base_url, assistant["site_token"])
        stack.callback(visitor.close)
        visitor.connect()
        question = faq_questions("en")[0][0]
        answer = visitor.ask(question.text, seconds=180)
        assert (answer["engine"], answer["outcome"]) == ("local", "answered")
        assert sources_have_page(answer, documents["en"], question.pages)
        # Numbers of sources that the model left out are put in at the end.
        streamed, kept = visitor.deltas_of(answer["reply_id"]).strip(), answer["text"]
        assert re.sub(r" \[\d+\]", "", streamed) == re.sub(r" \[\d+\]", "", kept)
        assert [Decimal(str(row["amount"])) for row in company.charges()] == [-_PRICE]


def _main_job(here: Installation) -> None:
    with ExitStack() as stack:
        company = here.company()
        stack.callback(company.close)
        before = company.balance()
        assistant = company.make_assistant()
        documents = company.teach(assistant["id"], "ru", "en")
        visitor = Visitor(here.base_url, assistant["site_token"])
        stack.callback(visitor.close)
        visitor.connect()
        paid = 0
        for language in ("ru", "en"):
            answerable, unanswerable = faq_questions(language)
            assert len(answerable) >= 10
            answers = [(question, visitor.ask(question.text)) for question in answerable]
            found = [a for q, a in answers if sources_have_page(a, documents[language], q.pages)]
            missed = [q.text for q, a in answers if not sources_have_page(a, documents[language], q.pages)]
            assert len(found) >= 0.9 * len(answerable), f"{language}: not found: {missed}"
            paid += sum(answer["outcome"] == "answered" for _, answer in answers)
            for question in unanswerable[:3]:
                _is_honest(visitor.ask(question.text), language)
        paid += visitor.ask_over_rest(faq_questions("ru")[0][0].text)["outcome"] == "answered"
        assert before - company.balance() == paid * _PRICE
        assert len(company.charges()) == paid
        _is_gapless(visitor)


def _is_honest(answer: Json, language: str) -> None:
    """It says that it did not find, offers a person, shows no source."""
    assert answer["outcome"] == "not_found", answer
    assert answer["sources"] == []
    assert re.search("оператор" if language == "ru" else "person", answer["text"])


def _is_gapless(visitor: Visitor) -> None:
    assert visitor.socket is not None
    numbers = [frame["seq"] for frame in visitor.socket.frames if "seq" in frame]
    assert numbers == list(range(1, len(numbers) + 1))
    answers = [row for row in visitor.history() if row["sender"] == "assistant"]
    assert len({row["reply_id"] for row in answers}) == len(answers)


def _power_cut(here: Installation) -> None:
    """Every process is killed while the model speaks; what starts again finds the question and answers it once."""
    with ExitStack() as stack:
        llm = stack.enter_context(FakeLLM(Scenario(text=_ANSWER, delay=5.0)))
        added = here.box.run(
            *("tokens", "add", "--name", "slow", "--base-url", llm.base_url, "--models", "slow-model"),
            *("--token-stdin", "--json"),
            stdin="sk-test-power-cut",
        )
        assert added.code == 0, added.err
        company = here.company()
        stack.callback(company.close)
        before = company.balance()
        assistant = company.make_assistant(ai_model="slow-model")
        visitor = Visitor(here.base_url, assistant["site_token"])
        stack.callback(visitor.close)
        visitor.connect().send({"type": "send_message", "text": "Кто выпускает Debian?", "client_msg_id": "cut-1"})
        _wait_until(lambda: len(llm.requests) >= 1, "the model was asked")
        here.kill()
        llm.standing = Scenario(text=_ANSWER)
        here.start()
        visitor.connect().send({"type": "send_message", "text": "Кто выпускает Debian?", "client_msg_id": "cut-1"})
        assert visitor.socket is not None
        answer = visitor.socket.wait_for(
            lambda f: f["type"] == "new_message" and f["message"]["sender"] == "assistant", 30
        )
        assert answer["message"]["outcome"] == "answered"
        # The sweeper has gone round several times by now; nothing may have been answered or paid again.
        time.sleep(5)
        assert [row["sender"] for row in visitor.history()] == ["user", "assistant"]
        assert before - company.balance() == _PRICE
        assert len(company.charges()) == 1


def _wait_until(condition: object, what: str, seconds: float = 30) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(0.05)
