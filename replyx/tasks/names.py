"""Every task by name. Work goes down as one of these names and its arguments; the actors are in worker/."""

#: `(reply_id)`: write the answer that is owed.
ANSWER_GENERATE = "answer.generate"
#: `(document_id)`: read, chunk, embed and index an uploaded document.
DOCUMENT_INGEST = "document.ingest"
