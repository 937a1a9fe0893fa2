"""Work that is done again and again: expiry warnings, the daily digest, cleaning up.

A room puts a function under :func:`every`, in a module that Django loads with it (``signals``). The worker asks
:func:`run_due` each time it looks round; among several workers one does each piece, since it must first move the time
of the last run on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from seatrial.portal.notices.models import PeriodicRun

__all__ = ["every", "run_due"]

Work: TypeAlias = Callable[[datetime], None]


@dataclass(frozen=True, slots=True)
class _Piece:
    work: Work
    interval: timedelta


_PIECES: dict[str, _Piece] = {}
_log = logging.getLogger(__name__)


def every(interval: timedelta, name: str) -> Callable[[Work], Work]:
    """Let a function be called about every ``interval``, with the time of day (aware, UTC)."""

    def register(work: Work) -> Work:
        _PIECES[name] = _Piece(work, interval)
        return work

    return register


def run_due(now: datetime) -> list[str]:
    """Do what is due and return its names. What fails is logged and tried again at its next time."""
    done = []
    for name, piece in _PIECES.items():
        if not _claimed(name, piece.interval, now):
            continue
        try:
            piece.work(now)
        except Exception:
            _log.exception("periodic work failed: %s", name)
        done.append(name)
    return done


def _claimed(name: str, interval: timedelta, now: datetime) -> bool:
    _, first = PeriodicRun.objects.get_or_create(name=name, defaults={"at": now})
    return first or PeriodicRun.objects.filter(name=name, at__lte=now - interval).update(at=now) == 1
