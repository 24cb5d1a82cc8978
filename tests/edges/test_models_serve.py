"""llama.cpp's own server as a key of the pool: there while it runs, off afterwards, the same key again."""

from __future__ import annotations

import json

from tests.support.processes import Box

MODEL = "local/smollm2-135m"


def keys(box: Box) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(box.run("tokens", "list", "--json").out)
    return rows


def test_a_served_model_is_a_key_of_the_pool_for_as_long_as_it_runs(box: Box) -> None:
    seen = set()
    for _ in range(2):
        server = box.start("models", "serve", MODEL, "--slots", "2", REPLYX_MODELS__THREADS="1")
        url = server.wait_for_line(r"^ready (\S+)$", seconds=60).group(1)
        (key,) = keys(box)
        assert key["base_url"] == f"{url}/v1"
        assert (key["model_access"], key["is_active"]) == (["smollm2-135m"], True)
        tried = box.run("tokens", "test", str(key["id"]), "--json", seconds=90)
        assert json.loads(tried.out)["ok"], tried
        assert server.terminate(30).code == 0
        assert not keys(box)[0]["is_active"]
        seen.add(key["id"])
    assert len(seen) == 1


def test_a_model_that_is_not_there_is_named(box: Box) -> None:
    refused = box.run("models", "serve", "local/nothing")
    assert refused.code != 0
    assert "smollm2-135m" in refused.err
    assert keys(box) == []
