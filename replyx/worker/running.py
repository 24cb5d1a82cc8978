"""The worker of a process: task threads, schedules and a sign of life, from start to a clean end."""

from __future__ import annotations

import logging
import threading

from replyx.app import App
from replyx.backup.keeping import Backups
from replyx.errors import ReplyXError
from replyx.tasks.beats import BEAT_SECONDS, process_name
from replyx.tasks.names import ANSWERS, DOCUMENT_INGEST, KNOWLEDGE, SITE_SYNC, SITES
from replyx.types import Json
from replyx.worker.actors import answers, knowledge
from replyx.worker.reoffer import Offers
from replyx.worker.schedule import Job, Schedule
from replyx.worker.threads import TaskThreads

logger = logging.getLogger(__name__)

ROLE = "worker"

#: Seconds that running tasks have to end after `stop`.
DRAIN_SECONDS = 10.0


def run_worker(app: App, stop: threading.Event) -> None:
    """Work until `stop` is set; then take nothing new, let running tasks end within 10 s, and return."""
    name = process_name(ROLE)
    if app.config.is_embedded and app.db.is_sqlite:
        # There is no other worker: what is claimed was claimed by one that is gone.
        app.answering.take_back()
        app.verification.letters.take_back()
    answers.declare(app)
    knowledge.declare(app)
    threading.Thread(target=_warm_up, args=(app,), name="warm-up", daemon=True).start()
    queues = {ANSWERS: app.config.answers.threads, KNOWLEDGE: 1, SITES: 1}
    running = [TaskThreads(app.broker, app.bus, queue, threads) for queue, threads in queues.items()]
    schedules = [
        Schedule("sweepers", _sweepers(app, name), app.clock, stop),
        Schedule("upkeep", _upkeep(app), app.clock, stop),
    ]
    if app.verification.is_on:
        # Of its own: a mail server may take minutes, and nothing else is to wait for it.
        letters = [Job("letters that wait", 2, app.verification.letters.send_due)]
        schedules.append(Schedule("letters", letters, app.clock, stop))
    logger.info("the worker runs", extra={"worker": name, "threads": sum(queues.values())})
    stop.wait()
    _drain(running)
    for schedule in schedules:
        schedule.join(1.0)
    try:
        app.beats.forget(name)
    except ReplyXError:
        logger.warning("the worker could not sign off", extra={"worker": name})
    logger.info("the worker has stopped", extra={"worker": name})


def _sweepers(app: App, name: str) -> list[Job]:
    """Short work that must not wait. The beat stands last: it says that the others were done."""
    offers = Offers(DOCUMENT_INGEST, app.knowledge.due_documents, app.queue, app.clock)
    visits = Offers(SITE_SYNC, app.knowledge.sites.due, app.queue, app.clock)
    return [
        Job("answers that wait", 1, app.answering.sweep),
        Job("documents that wait", 2, offers.offer),
        Job("sites whose time has come", 10, visits.offer),
        Job("holds that expired", 10, app.ledger.release_expired),
        Job("counts of lists", 5, app.census.fold_counts),
        Job("sign of life", BEAT_SECONDS, lambda: app.beats.beat(name, ROLE, _detail(app))),
    ]


def _detail(app: App) -> Json:
    return {"threads": app.config.answers.threads, "figures": app.figures.as_json()}


def _upkeep(app: App) -> list[Job]:
    """Work that may take long; it has a thread of its own, so that no sweeper waits for it."""
    return [
        Job("tokens that expired", 600, app.tokens.purge_expired),
        Job("processes that died", 600, app.beats.purge_expired),
        Job("old audit lines", 600, lambda: app.accounts.audit.purge(app.config.accounts.audit_days)),
        Job("idempotency keys that expired", 600, app.idempotency.purge),
        Job("payments that nobody called in", 15, app.payment_checks.check_due),
        Job("old letters", 600, app.verification.letters.purge),
        Job("old updates of Telegram", 600, app.updates.purge),
        Job("files without a dialog", 600, app.attachments.remove_forgotten_files),
        Job("knowledge index", 600, app.knowledge.compact),
        Job("backup", 600, Backups(app.db, app.clock, app.config).make_due),
    ]


def _warm_up(app: App) -> None:
    """Load what the first question needs, so that its customer does not wait for it."""
    app.spans.warm_up()
    try:
        app.knowledge.warm_up()
    except Exception:
        logger.exception("the knowledge could not be loaded ahead; the first question loads it")


def _drain(running: list[TaskThreads]) -> None:
    """Stop all queues at the same time."""
    stopping = [threading.Thread(target=threads.stop, args=(DRAIN_SECONDS,), name="drain") for threads in running]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join()
