"""The driver: offers a stage's arrivals on time, whatever the service does.

Order within a turn, and why: arrivals come first, so that a flood of answers can't delay what is due; then pauses
that are over, deadlines, and failures; then a bounded number of socket events, so that a turn stays short.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from time import monotonic_ns
from typing import Any, Final

from seatrial.engine.arrivals import Arrival, Source, arrivals_of
from seatrial.engine.flow import close_flow, journey_broke
from seatrial.engine.health import HealthMonitor
from seatrial.engine.http.connection import OPEN, Connection
from seatrial.engine.http.sources import Route, routes_in_turn
from seatrial.engine.http.target import Target
from seatrial.engine.reactor import Reactor
from seatrial.engine.recorder import Diagnostics, Recorder
from seatrial.engine.scripted import CompiledJourney
from seatrial.engine.session import FETCH, PAUSE, REQUEST, Session, StepFailedError
from seatrial.engine.stage import StageDone, StageOrder
from seatrial.engine.transport import Transport
from seatrial.engine.users import UserArrivals
from seatrial.errors import EngineError
from seatrial.model.sample import NEVER, SESSION_STRIDE, Outcome
from seatrial.units import SECOND

__all__ = ["Driver"]

_ADMIT: Final = 32
_RESUME: Final = 64
_STOP_GRACE_NS: Final = 3 * SECOND


class Driver(Reactor):
    """Runs sessions against one target.

    Attributes:
        transport: What carries requests in place of its own HTTP/1.1; set before the first stage, closed with it.

    Args:
        target: Where requests go.
        tls: TLS settings; None for plain HTTP.
        journeys: In the plan's order.
        feeds: For each journey, variable name to what gives its value.
        health: Samples this process once a second.
        fields: Header fields of every request.
        connect_wait_ns: Deadline for a connection, TLS included.
        response_wait_ns: Deadline for an answer, for steps without their own.
        max_sessions: Cap on sessions in progress; arrivals beyond it are recorded as unsent.
        shared: Whether sessions share kept-alive connections.
        first_route: Where the turn of addresses and sources begins; workers begin at different places.
    """

    __slots__ = (
        "_active",
        "_cut_ns",
        "_failed",
        "_feeds",
        "_full",
        "_idle",
        "_intended",
        "_journeys",
        "_max_sessions",
        "_next_tick_ns",
        "_ordinals",
        "_pauses",
        "_routes",
        "_shared",
        "_stop_by_ns",
        "_users",
        "connect_wait_ns",
        "diagnostics",
        "fields",
        "prefix",
        "recorder",
        "response_wait_ns",
        "target",
        "tls",
        "transport",
    )

    def __init__(
        self,
        *,
        target: Target,
        tls: ssl.SSLContext | None,
        journeys: Sequence[CompiledJourney],
        feeds: Sequence[Mapping[str, Source]],
        health: HealthMonitor,
        fields: Mapping[str, str],
        connect_wait_ns: int,
        response_wait_ns: int,
        max_sessions: int,
        shared: bool,
        first_route: int = 0,
    ) -> None:
        super().__init__(health)
        self.target = target
        self.prefix = target.prefix
        self.tls = tls
        self.fields = fields
        self.connect_wait_ns = connect_wait_ns
        self.response_wait_ns = response_wait_ns
        self.diagnostics = Diagnostics()
        self.recorder: Recorder
        self.transport: Transport | None = None
        self._journeys = journeys
        self._feeds = feeds
        self._ordinals = [0] * len(journeys)
        self._max_sessions = max_sessions
        self._full = f"{max_sessions} sessions in progress already"
        self._shared = shared
        self._routes: Iterator[Route] = routes_in_turn(target.addresses, target.sources, first_route)
        self._idle: list[Connection] = []
        self._active: set[Session] = set()
        self._pauses: list[tuple[int, int, Session]] = []
        self._failed: deque[tuple[Session, StepFailedError]] = deque()
        self._users: UserArrivals | None = None
        self._intended = 0
        self._stop_by_ns = NEVER
        self._cut_ns = 0
        self._next_tick_ns = 0

    # -- what connections and sessions ask of the reactor --------------------------------------------------------

    def next_route(self) -> Route:
        """Return where the next connection goes to and comes from, each in turn."""
        return next(self._routes)

    def idle_connection(self) -> Connection | None:
        """Return an open connection from the shared pool, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.state == OPEN:
                return connection
        return None

    def pool(self, connections: list[Connection]) -> list[Connection]:
        """Take idle connections into the shared pool, if there is one; return those that it does not take."""
        if not self._shared:
            return connections
        self._idle += connections
        return []

    def fail(self, session: Session, error: StepFailedError) -> None:
        """Throw ``error`` into the session in the next turn (not now: its flow may be running)."""
        self._failed.append((session, error))

    def resume(self, session: Session, value: object) -> None:
        """Let the session go on with ``value`` until it waits again."""
        flow = session.flow
        if flow is None:
            return
        deadlines = session.deadlines
        if deadlines is not None:
            del deadlines[session]
            session.deadlines = None
        session.waiting = False
        try:
            word = flow.send(value)
        except StopIteration:
            self._finish(session)
        except StepFailedError:
            self._give_up(session, session.ready_ns)
        except Exception as error:
            raise journey_broke(error) from error
        else:
            if word == REQUEST:
                session.submit()
            else:
                self._obey(session, word)

    def _lend(self, session: Session) -> None:
        """Give a session's connection into the pool, if there is one, while the session does not need it."""
        connection = session.connection
        if self._shared and connection is not None:
            session.connection = None
            if connection.state == OPEN:
                self._idle.append(connection)

    def _obey(self, session: Session, word: int) -> None:
        if word == REQUEST:
            session.submit()
        elif word == PAUSE:
            self._lend(session)
            heappush(self._pauses, (session.wake_ns, session.number, session))
        elif word == FETCH and session.page is not None:
            session.page.fetch(self, session)
        else:
            raise EngineError(
                "a journey awaits something that is not the session's",
                value=repr(word)[:80],
                remedy="Await only the session's own methods; there is no asyncio loop under a journey.",
            )

    # -- a stage ------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """Return the sessions in progress."""
        return len(self._active)

    @property
    def connections(self) -> int:
        """Return the connections held, open or opening."""
        return len(self._listeners) if self.transport is None else self.transport.connections

    @property
    def intended(self) -> int:
        """Return the sessions of the current stage that were due so far."""
        return self._intended

    def stop(self, from_ns: int = 0) -> None:
        """Offer nothing due from that instant on, let what is under way finish for a moment, then give it up."""
        if self._stop_by_ns == NEVER:
            self._cut_ns, self._stop_by_ns = from_ns, max(monotonic_ns(), from_ns) + _STOP_GRACE_NS

    def run_stage(self, order: StageOrder, recorder: Recorder, on_tick: Any) -> StageDone:
        """Offer a stage and return when its last session is over or given up.

        Args:
            order: What to offer.
            recorder: Where records go.
            on_tick: Called with no arguments about once a second.

        Raises:
            RecordingError: a record can't be written.
            EngineError: a journey in Python raised something of its own.
        """
        self.recorder = recorder
        self._intended = 0
        self._users = None if order.draws is None else UserArrivals(order, order.draws)
        arrivals = self._users or arrivals_of(order, self._ordinals)
        upcoming = next(arrivals, None)
        load_over_ns = load_end_ns = order.start_ns + order.duration_ns
        give_up_ns = load_end_ns + order.drain_ns
        self._next_tick_ns = self.turn_begins() + SECOND
        while True:
            now = monotonic_ns()
            if self._stop_by_ns != NEVER and (upcoming is None or upcoming.at_ns >= self._cut_ns):
                upcoming, load_over_ns = None, min(load_over_ns, max(now, self._cut_ns))
                give_up_ns = min(give_up_ns, self._stop_by_ns)
            admitted = 0
            while upcoming is not None and upcoming.at_ns <= now and admitted < _ADMIT:
                self._admit(upcoming, order)
                upcoming = next(arrivals, None)
                admitted += 1
            self._due(now)
            if self._users is not None and (self._stop_by_ns == NEVER or now < self._cut_ns):
                upcoming = self._users.earliest(upcoming)
            if upcoming is None and (now >= give_up_ns or not self._active) and now >= min(load_over_ns, give_up_ns):
                break
            if now >= self._next_tick_ns:
                self._next_tick_ns = now + SECOND
                on_tick()
            due_ns = min(self._next_tick_ns, give_up_ns if upcoming is None else upcoming.at_ns)
            self._poll(now, due_ns, load_end_ns)
        self._abandon(monotonic_ns())
        self.turn_ends()
        return StageDone(self._intended, load_end_ns, monotonic_ns())

    def _poll(self, now: int, due_ns: int, load_end_ns: int) -> None:
        if self.transport is not None:
            due_ns = min(due_ns, self.transport.turn(now))
        if self._pauses:
            due_ns = min(due_ns, self._pauses[0][0])
        if now < load_end_ns:
            due_ns = min(due_ns, load_end_ns)
        self.wait(now, due_ns, not self._failed)

    def _due(self, now: int) -> None:
        pauses = self._pauses
        for _ in range(_RESUME):  # bounded, for a journey may pause for no time at all, again and again
            if not pauses or pauses[0][0] > now:
                break
            due_ns, _, session = heappop(pauses)
            session.ready_ns = due_ns
            self.resume(session, None)
        for queue in self.deadlines.values():
            for _ in range(_RESUME):  # a service that froze must not freeze the arrivals
                if not queue:
                    break
                session, due_ns = next(iter(queue.items()))
                if due_ns > now:
                    break
                session.on_deadline(now)
        for _ in range(len(self._failed)):  # those of now: a journey may try again, and fail again, at once
            session, error = self._failed.popleft()
            self._throw(session, error)

    def _throw(self, session: Session, error: StepFailedError) -> None:
        flow = session.flow
        if flow is None:
            return
        try:
            word = flow.throw(error)
        except StopIteration:  # it went on and is through: nothing is left, nor is anything drawn again
            self._finish(session)
        except StepFailedError:
            self._give_up(session, session.ready_ns)
        except Exception as other:
            raise journey_broke(other) from other
        else:
            self._obey(session, word)

    def _admit(self, arrival: Arrival, order: StageOrder) -> None:
        self._intended += 1
        number = order.stage * SESSION_STRIDE + arrival.session
        session = Session(self, number, arrival.journey, arrival.seed, arrival.at_ns)
        journey = self._journeys[arrival.journey]
        # For one that is left unsent too: which steps it would have taken may depend on its row.
        for name, rows in self._feeds[arrival.journey].items():
            session.variables[name] = rows.row(arrival.ordinal, session)
        if journey.loops:
            session.rounds = [(0, 0)] * journey.loops
        if len(self._active) >= self._max_sessions:
            self._leave_unsent(session, journey)
            return
        session.flow = journey.start(session)
        self._active.add(session)
        self.resume(session, None)

    def _leave_unsent(self, session: Session, journey: CompiledJourney) -> None:
        now = monotonic_ns()
        for step in journey.left(session):
            session.step = step
            session.record(Outcome.UNSENT, 0, 0, now)
        self.diagnostics.add(session.journey, 0, Outcome.UNSENT, self._full)
        if self._users is not None:
            self._users.ended(session, now, turned_away=True)

    def _finish(self, session: Session) -> None:
        session.flow = None
        if session.parent is not None and session.parent.page is not None:
            session.parent.page.fetched(self, session, session.parent)
        self._active.discard(session)
        if self._users is not None and session.parent is None:
            self._users.ended(session, session.ready_ns)
        if session.page is not None:
            session.page.close()
        self._lend(session)
        if session.connection is not None:
            session.connection.close()
            session.connection = None
        if self.transport is not None:
            self.transport.leave(session)

    def _give_up(self, session: Session, now: int) -> None:
        """End a session early: the steps it had left are records too."""
        journey = self._journeys[session.journey]
        for step in list(journey.left(session)):
            session.prepare(step, b"", 0, False, False)
            session.record(Outcome.ABORTED, 0, 0, now)
        if session.flow is not None:
            close_flow(session.flow)
        self._finish(session)

    def _abandon(self, now: int) -> None:
        """Give up every session still under way, at the end of the drain."""
        for session in sorted(self._active, key=lambda s: s.number):
            if session.page is not None:
                session.page.abandon(session, now)
            if session.waiting:
                session.on_drained(now)
            elif session.reloads is not None:  # between two attempts: no other record tells of the step
                session.first_byte_ns = NEVER
                session.record(Outcome.IN_FLIGHT, 0, 0, now)
            session.ready_ns = now
            self._give_up(session, now)
        self._pauses.clear()
        self._failed.clear()

    def close(self) -> None:
        """Close every connection and the reactor itself."""
        if self.transport is not None:
            self.transport.close()
        self.close_all()
