"""LanceDB is imported without its cloud's client, works, and the client can be had afterwards."""

from __future__ import annotations

from tests.support.processes import Box

_SCRIPT = """
import sys
from replyx.knowledge.lance import import_lancedb
lancedb = import_lancedb()
print(sorted(name for name in sys.modules if name.startswith("lance_namespace_urllib3_client")))
connection = lancedb.connect("index")
table = connection.create_table("t", [{"item_id": 7, "vector": [1.0, 0.0]}, {"item_id": 8, "vector": [0.0, 1.0]}])
print(connection.list_tables(limit=10).tables, table.search([0.1, 0.9]).limit(1).to_list()[0]["item_id"])
from lance_namespace_urllib3_client.models import ListTablesResponse
print(ListTablesResponse(tables=["t"]).to_json())
"""


def test_without_the_clouds_client_a_table_is_made_searched_and_listed(box: Box) -> None:
    done = box.start_python("-c", _SCRIPT).wait(60)

    assert done.code == 0, done.err
    assert done.out.splitlines() == ["[]", "['t'] 8", '{"tables": ["t"]}']


def test_what_was_imported_before_is_left_as_it_is(box: Box) -> None:
    script = "import lancedb, sys; known = set(sys.modules)\nfrom replyx.knowledge.lance import import_lancedb\n"
    done = box.start_python(
        "-c", f"{script}assert import_lancedb() is lancedb; print(known <= set(sys.modules))"
    ).wait()

    assert (done.code, done.out) == (0, "True\n"), done.err
