"""The reactor: an epoll, an alarm, and the deadlines of those who wait. No threads, and no object per request."""

from __future__ import annotations

import select
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Protocol

from seatrial.engine.health import HealthMonitor
from seatrial.engine.http.connection import Connection
from seatrial.engine.timer import Alarm
from seatrial.units import SECOND

if TYPE_CHECKING:
    from seatrial.engine.session import Session

__all__ = ["Listener", "Reactor"]

_EVENTS: Final = 32
_TURN_CAP_NS: Final = SECOND // 10


class Listener(Protocol):
    """Something on a file descriptor that is not a connection."""

    def on_event(self, mask: int) -> None:
        """Take an event."""
        ...


def _ignore(mask: int) -> None:
    """Take an event that was meant for a descriptor which is closed."""


class Reactor:
    """Waits for descriptors and for instants.

    Attributes:
        deadlines: Length of a wait to the sessions that wait so long and when each gives up, the earliest first.

    Args:
        health: Told how long each turn took.
    """

    # In slots: a class of more than thirty attributes would have its own looked up slowly.
    __slots__ = ("_alarm", "_epoll", "_gone", "_health", "_late", "_listeners", "_woke_ns", "deadlines")

    def __init__(self, health: HealthMonitor) -> None:
        self.deadlines: dict[int, OrderedDict[Session, int]] = {}
        self._health = health
        self._epoll = select.epoll()
        self._listeners: dict[int, Callable[[int], None]] = {}
        self._alarm = Alarm()
        self._epoll.register(self._alarm.fd, select.EPOLLIN | select.EPOLLET)
        self._woke_ns = 0
        # While events are handed on: the descriptors that were closed, whose number another may have taken already.
        self._gone: set[int] | None = None
        self._late: list[tuple[int, Callable[[int], None]]] = []

    def register(self, fd: int, listener: Connection | Listener, mask: int) -> None:
        """Watch a file descriptor."""
        if self._gone is not None and fd in self._gone:  # what is still to be handed on was meant for another
            self._listeners[fd] = _ignore
            self._late.append((fd, listener.on_event))
        else:
            self._listeners[fd] = listener.on_event
        self._epoll.register(fd, mask)

    def hand_to(self, fd: int, handle: Callable[[int], None]) -> None:
        """Have another function take the events of a watched file descriptor."""
        self._listeners[fd] = handle

    def modify(self, fd: int, mask: int) -> None:
        """Change what a file descriptor is watched for."""
        self._epoll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Stop watching; the kernel drops a closed descriptor from epoll by itself."""
        self._listeners.pop(fd, None)
        if self._gone is not None:
            self._gone.add(fd)

    def unregister(self, fd: int) -> None:
        """Stop watching a descriptor that stays open."""
        if self._listeners.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def expect_by(self, session: Session, wait_ns: int, now: int) -> None:
        """Set the session's deadline to ``now + wait_ns``, in place of one it may have.

        Deadlines of one length are due in the order in which they are set, so a queue for each length, in which a
        session that is answered is forgotten at once, is all that is needed.
        """
        if session.deadlines is not None:
            del session.deadlines[session]
        session.deadlines = queue = self.deadlines_of(wait_ns)
        queue[session] = now + wait_ns

    def deadlines_of(self, wait_ns: int) -> OrderedDict[Session, int]:
        """Return the queue of deadlines of one length."""
        queue = self.deadlines.get(wait_ns)
        if queue is None:
            queue = self.deadlines[wait_ns] = OrderedDict()
        return queue

    def answered(self, session: Session) -> None:
        """Drop the session's deadline, if it has one."""
        if session.deadlines is not None:
            del session.deadlines[session]
            session.deadlines = None

    def turn_begins(self) -> int:
        """Take note that a turn begins, and return when."""
        self._woke_ns = now = monotonic_ns()
        return now

    def turn_ends(self) -> None:
        """Take note that a turn is over."""
        self._health.turn(monotonic_ns() - self._woke_ns)

    def wait(self, now: int, due_ns: int, may_sleep: bool) -> None:
        """End a turn, wait for events until ``due_ns`` at the longest, and hand them on in the next turn.

        Args:
            now: When the turn looked at its clock.
            due_ns: When something is due that no descriptor tells.
            may_sleep: Whether to wait at all.
        """
        # On a grid, so that turns without arrivals find the alarm set already: setting it may take 40 microseconds.
        due_ns = min(due_ns, now - now % _TURN_CAP_NS + _TURN_CAP_NS)
        self._health.turn(monotonic_ns() - self._woke_ns)
        events = self._epoll.poll(0, _EVENTS)
        if not events and due_ns > now and may_sleep:
            for queue in self.deadlines.values():
                if queue:
                    due_ns = min(due_ns, next(iter(queue.values())))
            if due_ns > now:
                # Setting the alarm costs a system call: only who has nothing to read needs it.
                self._alarm.set(due_ns)
                events = self._epoll.poll(-1, _EVENTS)
        self._woke_ns = monotonic_ns()
        listeners = self._listeners
        self._gone = set()
        for fd, mask in events:
            handle = listeners.get(fd)
            if handle is not None:
                handle(mask)
        self._gone = None
        if self._late:
            self._admit_late()

    def _admit_late(self) -> None:
        late, self._late = self._late, []
        for fd, handle in late:
            if self._listeners.get(fd) is _ignore:
                self._listeners[fd] = handle

    def close_all(self) -> None:
        """Close every connection, the alarm and the epoll."""
        for handle in list(self._listeners.values()):
            listener = getattr(handle, "__self__", None)
            if isinstance(listener, Connection):
                listener.close()
        self._alarm.close()
        self._epoll.close()
