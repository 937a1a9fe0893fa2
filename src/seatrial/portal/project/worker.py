"""The background worker: a process of its own, so that a long recomputation holds up no page.

It does what rooms enqueue (:mod:`django_tasks`, kept in the database) and what is due again. Work must be such that it
can be done twice: a worker that dies leaves its task, and the next one takes it up again.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import timedelta
from types import FrameType

from django.db import close_old_connections
from django.utils import timezone
from django.utils.crypto import get_random_string

from seatrial.portal.project.start import prepare

__all__ = ["LOST_AFTER", "main", "take_up_lost", "work_once"]

LOST_AFTER = timedelta(hours=2)
"""A task that runs for longer has lost its worker."""

_PAUSE_S = 1.0


def take_up_lost(*, alone: bool) -> int:
    """Put tasks back that a dead worker left, and return how many.

    Args:
        alone: No other worker uses this database, so whatever runs now has lost its own.
    """
    from django_tasks.base import TaskResultStatus
    from django_tasks_db.models import DBTaskResult

    lost = DBTaskResult.objects.filter(status=TaskResultStatus.RUNNING)
    if not alone:
        lost = lost.filter(started_at__lt=timezone.now() - LOST_AFTER)
    return lost.update(status=TaskResultStatus.READY, started_at=None)


def work_once(worker_id: str) -> None:
    """Do everything that waits, then what is due."""
    from django_tasks_db.management.commands.db_worker import Worker

    from seatrial.portal.notices.periodic import run_due

    Worker(
        queue_names=["*"],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=worker_id,
        excluded_queue_names=[],
    ).run()
    run_due(timezone.now())


def main() -> None:
    """Work until told to end, or until whoever started us is gone."""
    prepare()
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from django.db import connection

    parent, worker_id = os.getppid(), f"{socket.gethostname()[:20]}-{get_random_string(8)}"
    alone = connection.vendor == "sqlite"
    while not ended.is_set() and os.getppid() == parent:
        close_old_connections()
        take_up_lost(alone=alone)
        alone = False
        work_once(worker_id)
        ended.wait(_PAUSE_S)


if __name__ == "__main__":
    main()
