"""The field ``seatrial-stop`` in an answer: the service wants the run to end."""

from __future__ import annotations

__all__ = ["asks_to_stop", "stop_requests"]

_heard = [0]


def asks_to_stop(head: bytes) -> bool:
    """Return whether a response's head has the field, whatever its value; counted for :func:`stop_requests`."""
    asks = b"\r\nseatrial-stop:" in head.lower()
    _heard[0] += asks
    return asks


def stop_requests() -> int:
    """Return how many heads with the field this process has met."""
    return _heard[0]
