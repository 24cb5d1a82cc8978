"""Every task by name, and the queue it waits in. Work goes down as a name and arguments; the actors are in worker/."""

#: `(reply_id)`: write the answer that is owed.
ANSWER_GENERATE = "answer.generate"
#: `(document_id)`: read, chunk, embed and index an uploaded document.
DOCUMENT_INGEST = "document.ingest"
#: `(site_id)`: visit a web site and read what changed.
SITE_SYNC = "site.sync"

#: Queues with threads of their own, so that reading a thick document never delays an answer.
ANSWERS = "answers"
KNOWLEDGE = "knowledge"
SITES = "sites"
QUEUES = (ANSWERS, KNOWLEDGE, SITES)

_QUEUE_OF = {ANSWER_GENERATE: ANSWERS, DOCUMENT_INGEST: KNOWLEDGE, SITE_SYNC: SITES}


def queue_of(task: str) -> str:
    """The queue of a task of `tasks/names.py`.

    Raises:
        KeyError: there is no such task.
    """
    return _QUEUE_OF[task]


def wake_topic(queue: str) -> str:
    """The bus topic that says: there is work in this queue."""
    return f"tasks:{queue}"
