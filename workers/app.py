"""The Celery app of the workers: settings that lose nothing and hang nowhere."""

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from service import log
from service.ring import QUEUE, TRANSPORT
from service.settings import Settings


def create(settings: Settings) -> Celery:
    """The app for a worker process. Rows carry the truth, so every setting chooses doing twice over losing."""
    app = Celery("comity", broker=settings.broker_url, include=["workers.tasks"])
    app.conf.update(
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_soft_time_limit=5,
        task_time_limit=10,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker_concurrency,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_soft_shutdown_timeout=20,
        worker_enable_soft_shutdown_on_idle=False,
        worker_proc_alive_timeout=30,
        worker_max_tasks_per_child=2000,
        worker_max_memory_per_child=400_000,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_acquire_timeout=1,
        broker_connection_timeout=1,
        broker_transport_options={**TRANSPORT, "socket_timeout": 5},
        event_queue_expires=60,
    )
    app.comity_settings = settings
    setup_logging.connect(_log_lines, weak=False)
    worker_process_init.connect(_name_child, weak=False)
    return app


def _log_lines(**_: object) -> None:
    log.configure("worker")


def _name_child(**_: object) -> None:
    log.configure("worker")
