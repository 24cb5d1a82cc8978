"""/api/documents: uploading, listing and deleting what an assistant reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from replyx.errors import BadRequest, FileTooLarge, ValidationFailed
from replyx.server.attempts import digest_of_file
from replyx.server.bodies import Body, Id, Page, Query, Text, bounded, checked
from replyx.server.endpoint import Call
from replyx.server.validation import issue_of
from replyx.types import Json

#: What a multipart body has around its file: boundaries, headers, the other field.
_AROUND_FILE = 65_536


class DocumentList(Page):
    assistant_id: Id | None = None


class DocumentChanges(Body):
    filename: Annotated[Text, Field(min_length=1, max_length=255)]


class UploadFields(Query):
    """The fields beside the file."""

    assistant_id: Id
    replaces: Id | None = None


async def upload(call: Call) -> Json:
    form = await _read_form(call.request, call.app.config.knowledge.max_file_bytes)
    async with _Closing(form):
        file, assistant_id, replaces = _parts(form)
        if call.attempt is not None:
            named = f"{assistant_id} {replaces} {file.filename} {file.content_type}".encode()
            await call.attempt.claim(await call.app.call(digest_of_file, file.file, named))
        document = await call.app.call(
            call.app.knowledge.add_document,
            call.actor,
            assistant_id,
            file.filename or "",
            file.file,
            file.content_type,
            replaces,
            keep=lambda made: call.keep(made.as_json(call.language)),
        )
        return document.as_json(call.language)


async def list_all(call: Call) -> list[Json]:
    rows, total = await call.app.call(call.app.knowledge.list_documents, call.actor, **call.query.model_dump())
    call.count_items(total)
    return [row.as_json(call.language) for row in rows]


async def show(call: Call) -> Json:
    document = await call.app.call(call.app.knowledge.get_document, call.actor, call.id)
    return document.as_json(call.language)


async def change(call: Call) -> Json:
    document = await call.app.call(call.app.knowledge.rename_document, call.actor, call.id, call.body.filename)
    return document.as_json(call.language)


async def show_file(call: Call) -> Response:
    """The file as it was uploaded. Only a PDF is shown; anything else could be a page that runs here."""
    document, path = await call.app.call(call.app.knowledge.document_file, call.actor, call.id)
    is_shown = document.content_type == "application/pdf"
    return FileResponse(
        path,
        media_type="application/pdf" if is_shown else "application/octet-stream",
        filename=document.filename,
        content_disposition_type="inline" if is_shown else "attachment",
        headers={"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-store"},
    )


async def delete(call: Call) -> None:
    await call.app.call(call.app.knowledge.delete_document, call.actor, call.id)


class _Closing:
    """Closes a form's temporary files at the end of the block."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


async def _read_form(request: Request, most_bytes: int) -> FormData:
    """The multipart body, its file in a temporary file once it is over a mebibyte.

    Raises:
        FileTooLarge: it is over `most_bytes`; nothing beyond was read. BadRequest: it is no multipart body.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest(
            "Ожидается multipart/form-data с полями file и assistant_id",
            "multipart/form-data with the fields file and assistant_id is expected",
        )
    receive = bounded(request.scope, request.receive, most_bytes + _AROUND_FILE, FileTooLarge)
    stream = Request(request.scope, receive).stream()
    try:
        return await MultiPartParser(request.headers, stream, max_files=2, max_fields=4, max_part_size=1024).parse()
    except MultiPartException as error:
        raise BadRequest(
            "Тело multipart/form-data не разобрать", "The multipart/form-data body cannot be read"
        ) from error


def _parts(form: FormData) -> tuple[UploadFile, int, int | None]:
    """The file, the assistant's id, and the document that the file is a newer version of.

    Raises:
        ValidationFailed: a field is missing, unknown or given twice.
    """
    names, known = [name for name, _ in form.multi_items()], ("file", "assistant_id", "replaces")
    issues = [issue_of("extra_forbidden", name[:100]) for name in names if name not in known]
    issues += [issue_of("duplicate_key", name) for name in known if names.count(name) > 1]
    file, assistant_id = form.get("file"), form.get("assistant_id")
    if not isinstance(file, UploadFile):
        issues.append(issue_of("missing", "file"))
    if not isinstance(assistant_id, str):
        issues.append(issue_of("missing", "assistant_id"))
    if issues or not isinstance(file, UploadFile):
        raise ValidationFailed(issues)
    fields = checked(UploadFields, {name: value for name, value in form.items() if name != "file"})
    return file, fields.assistant_id, fields.replaces
