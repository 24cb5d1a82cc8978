"""/metrics: what Prometheus reads is true, is the same after every scrape, and is not for everybody."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from replyx.types import SYSTEM, HandoffReason
from tests.edges.conftest import Build
from tests.support.documents import REPOSITORY
from tests.support.house import House
from tests.support.programs import wait_until


def _samples(house: House, **labels: str) -> dict[str, float]:
    """Samples with all of `labels`, by name."""
    page = house.api().client.get("/metrics")
    assert page.status_code == 200, page.text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def test_answers_are_counted_by_outcome_and_engine_with_their_seconds(both: House) -> None:
    assistant = both.assistant(ai_model="extractive")
    session = both.session(assistant)
    visitor = both.visitor(session)
    visitor.post(f"/api/widget/dialogs/{session['dialog_key']}/messages", {"text": "Спасибо!"}, expect=201)

    wait_until(
        lambda: _samples(both, outcome="answered", engine="extractive").get("replyx_answers_total") == 1,
        20,
        "the answer was not counted",
    )
    waited = _samples(both)
    assert waited["replyx_answer_seconds_count"] == 1
    assert 0 < waited["replyx_answer_seconds_sum"] < 60
    assert _samples(both, le="+Inf")["replyx_answer_seconds_bucket"] == 1
    assert waited["replyx_queue_depth"] == 0


def test_what_stands_in_the_record_is_told_as_it_stands(house: House) -> None:
    app, anna = house.app, house.anna
    app.ai_tokens.add("main", "sk-test-0123456789abcdef", base_url="http://127.0.0.1:1/v1", model_access=["m"])
    hold = app.ledger.hold(anna.id, 700, "test:1")
    session = house.session(house.assistant())
    app.handoffs.request(SYSTEM, session["dialog_id"], HandoffReason.API)

    told = _samples(house)

    assert (told["replyx_holds"], told["replyx_held_kopecks"]) == (1, 700)
    assert _samples(house, state="ready")["replyx_ai_keys"] == 1
    assert _samples(house, state="requested")["replyx_handoffs"] == 1
    assert _samples(house, key="main")["replyx_ai_key_calls_today"] == 0
    app.ledger.release(hold)
    assert _samples(house)["replyx_holds"] == 0


def test_the_board_for_grafana_asks_for_nothing_that_is_not_told(both: House) -> None:
    board = (REPOSITORY / "deploy" / "grafana" / "replyx.json").read_text(encoding="utf-8")
    asked = set(re.findall(r"replyx_\w+", board)) - {"replyx_answers_total", "replyx_answer_failures_total"}
    page = both.api().client.get("/metrics").text
    told = {
        sample for family in text_string_to_metric_families(page) for sample in (family.name, f"{family.name}_bucket")
    }

    assert asked <= told
    assert {"replyx_answers", "replyx_answer_failures"} <= told


def test_without_a_token_it_is_for_this_machine_and_not_through_a_proxy(house: House) -> None:
    api = house.api()

    assert api.client.get("/metrics").status_code == 200
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert api.client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 401


def test_with_a_token_it_is_for_whoever_has_it(build: Build) -> None:
    client = build(REPLYX_METRICS__TOKEN="a-token-for-prometheus").api().client

    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
    allowed = {"Authorization": "Bearer a-token-for-prometheus", "X-Forwarded-For": "203.0.113.9"}
    assert client.get("/metrics", headers=allowed).status_code == 200
