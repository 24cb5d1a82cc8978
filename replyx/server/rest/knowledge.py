"""/api/qa-knowledge and /api/knowledge: prepared answers, and searching everything an assistant knows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from replyx.llm.engine import Passage
from replyx.server.bodies import Body, Id, Page, Query, Text
from replyx.server.endpoint import Call
from replyx.types import Json


class QaList(Page):
    assistant_id: Id | None = None
    q: Text | None = None


class NewQa(Body):
    assistant_id: Id
    question: Text
    answer: Text
    tags: list[Text] = []


class QaChanges(Body):
    question: Text = ""
    answer: Text = ""
    tags: list[Text] = []


class QaFile(Body):
    assistant_id: Id
    format: Literal["csv", "json"]
    content: Text


class QaExport(Query):
    assistant_id: Id
    format: Literal["csv", "json"] = "csv"


class Search(Query):
    assistant_id: Id
    q: Annotated[Text, Field(min_length=1, max_length=2000)]
    limit: Annotated[int, Field(ge=1, le=50)] = 6


async def list_qa(call: Call) -> list[Json]:
    rows, total = await call.app.call(call.app.knowledge.list_qa, call.actor, **call.query.model_dump())
    call.count_items(total)
    return [row.as_json() for row in rows]


async def create_qa(call: Call) -> Json:
    made = await call.app.call(call.app.knowledge.add_qa, call.actor, **call.body.model_dump())
    return made.as_json()


async def show_qa(call: Call) -> Json:
    found = await call.app.call(call.app.knowledge.get_qa, call.actor, call.id)
    return found.as_json()


async def change_qa(call: Call) -> Json:
    changes = call.body.model_dump(exclude_unset=True)
    changed = await call.app.call(call.app.knowledge.update_qa, call.actor, call.id, **changes)
    return changed.as_json()


async def delete_qa(call: Call) -> None:
    await call.app.call(call.app.knowledge.delete_qa, call.actor, call.id)


async def import_qa(call: Call) -> Json:
    body = call.body
    done = await call.app.call(
        call.app.knowledge.import_qa, call.actor, body.assistant_id, body.content.encode(), body.format
    )
    return done.as_json()


async def export_qa(call: Call) -> Response:
    kind = call.query.format
    text = await call.app.call(call.app.knowledge.export_qa, call.actor, call.query.assistant_id, kind)
    headers = {"Content-Disposition": f'attachment; filename="answers.{kind}"'}
    # A spreadsheet takes CSV for UTF-8 by its mark.
    content = ("\ufeff" if kind == "csv" else "") + text
    return Response(content, media_type="text/csv" if kind == "csv" else "application/json", headers=headers)


async def search(call: Call) -> Json:
    def look() -> Json:
        assistant = call.app.assistants.get(call.actor, call.query.assistant_id)
        found = call.app.knowledge.search(
            assistant.id, call.query.q, limit=call.query.limit, threshold=assistant.answer_threshold
        )
        return {"results": [_passage_json(passage) for passage in found.passages], "answerable": found.answerable}

    return await call.app.call(look)


def _passage_json(passage: Passage) -> Json:
    return {
        "text": passage.text,
        "score": round(passage.score, 4),
        "document_id": passage.document_id,
        "filename": passage.filename,
        "page": passage.page,
        "heading": passage.heading,
        "qa_id": passage.qa_id,
    }
