"""The Celery tasks. They take no arguments: a task is a ring, and the work is in the rows."""

import gc
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_ready

from classifier import Model
from service import failpoints, log
from service.ring import TASK, Bell
from service.store.database import Database
from workers import beat, second_look, watchdog
from workers.judging import Judge

_log = log.get(__name__)


class _Worker:
    """What the worker owns: the model from before the fork, which all children share; the rest from after it."""

    model: Model | None = None
    judge: Judge
    bell: Bell


@worker_init.connect
def _load_model(**_: object) -> None:
    _Worker.model = current_app.comity_model
    _Worker.model.score(["Loads what scoring needs, once for all children."] * 2)
    gc.collect()
    gc.freeze()  # so that collections in the children do not copy what they share


@worker_ready.connect
def _watch(sender: Any, **_: object) -> None:
    settings = current_app.comity_settings
    watchdog.start(settings)
    # Celery's own loop touches the file: it turns only while the worker is connected and listens.
    sender.timer.call_repeatedly(beat.EVERY, beat.Beat(settings.beat_path).touch)


@worker_process_init.connect
def _start_child(**_: object) -> None:
    settings = current_app.comity_settings
    second = second_look.find(settings.tier2_path, settings.tier2_band)  # after the fork: its library may have threads
    _Worker.judge = Judge(Database(settings.database_url, "worker", 3), _Worker.model, settings.batch, second=second)
    _Worker.bell = Bell(settings.broker_url)
    tier = second.tier if second else None
    _log.info("child_ready", model=_Worker.model and _Worker.model.version, second=tier and tier.version)


@worker_process_shutdown.connect
def _stop_child(**_: object) -> None:
    if hasattr(_Worker, "judge"):
        _Worker.judge.database.close()


@shared_task(name=TASK, ignore_result=True)
def score_due() -> None:
    """Judge what is due; ring again when there may be more."""
    failpoints.hit("heard")
    if _Worker.judge.pass_once():
        _Worker.bell.ring()
