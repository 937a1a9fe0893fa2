"""One virtual citizen's pass through a journey.

A journey is a generator (compiled from the plan's steps) or a coroutine (written in Python); the driver resumes it
directly with ``send``. There is no task, future or callback object per request: what is awaited is one of three
words, ``REQUEST`` (the request prepared in the session is to be sent; the answer comes back), ``PAUSE`` (the session
sleeps until ``wake_ns``) and ``FETCH`` (what its page still wants is fetched, several at a time).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine, Generator
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from seatrial.engine.http.connection import CLOSED, OPEN, Connection, connect_failure
from seatrial.engine.http.message import Response
from seatrial.model.sample import NEVER, Outcome

if TYPE_CHECKING:
    from seatrial.engine.driver import Driver
    from seatrial.engine.page import Page
    from seatrial.model.request import Retry

__all__ = ["FETCH", "PAUSE", "REQUEST", "Flow", "Session", "StepFailedError"]

REQUEST: Final = 0
PAUSE: Final = 1
FETCH: Final = 2

Flow = Generator[int, Any, None] | Coroutine[int, Any, None]

_OK: Final = Outcome.OK  # an enumeration's members are dear to look up
_NO_ROUNDS: Final[list[tuple[int, int]]] = []
_NO_CONNECTION: Final = "no connection in"
_MASK: Final = 2**64 - 1


class StepFailedError(Exception):
    """A step did not end ok, so its session does not go on.

    Attributes:
        outcome: What became of the step.
        detail: Why, for engineers.
        gave_up_waiting: Whether it was because no answer came in time.
    """

    def __init__(self, outcome: Outcome, detail: str, gave_up_waiting: bool = False) -> None:
        super().__init__(f"{outcome.label}: {detail}")
        self.outcome = outcome
        self.detail = detail
        self.gave_up_waiting = gave_up_waiting


class Session:
    """The state of a session and of the exchange it has under way.

    Attributes:
        number: Session number in the trial.
        journey: Index of its journey.
        flow: The generator or coroutine; None once it is over.
        variables: What the feeds gave and the steps extracted.
        cookies: Name to value.
        step: Index of the current request in its journey; -1 before the first.
        ready_ns: When the next step is due: the arrival, the end of the previous answer, the end of a pause.
        wake_ns: When a pause ends.
        first_byte_ns: Of the current exchange; NEVER until it comes.
        waiting: Whether an exchange is under way.
        deadlines: The driver's queue that holds the session's deadline; None while it has none.
        at: Where its program goes on, for journeys with steps.
        rounds: Rounds begun and wanted, of each loop.
        reloads: How the attempt under way is retried; None where it is the step's last or only one.
        page: Its pages' resources; None until a step wants some.
        parent: The session whose page this one fetches a resource of; None for a citizen's own.
    """

    __slots__ = (
        "_attempt_ns",
        "_data",
        "_is_head",
        "_repeatable",
        "_seed",
        "_sent_ns",
        "_wait_ns",
        "at",
        "bytes_out",
        "connection",
        "cookies",
        "deadlines",
        "driver",
        "first_byte_ns",
        "flow",
        "intended_ns",
        "journey",
        "number",
        "page",
        "parent",
        "ready_ns",
        "reloads",
        "rounds",
        "step",
        "variables",
        "waiting",
        "wake_ns",
    )

    def __init__(self, driver: Driver, number: int, journey: int, seed: int, at_ns: int) -> None:
        self.driver = driver
        self.number = number
        self.journey = journey
        self.flow: Flow | None = None
        self.variables: dict[str, Any] = {}
        self.cookies: dict[str, str] = {}
        self.connection: Connection | None = None
        self.deadlines: OrderedDict[Session, int] | None = None
        self.step = -1
        self.ready_ns = at_ns
        self.intended_ns = at_ns
        self.wake_ns = at_ns
        self.first_byte_ns = NEVER
        self.waiting = False
        self.bytes_out = 0
        self.at = 0
        self.rounds: list[tuple[int, int]] = _NO_ROUNDS
        self.reloads: Retry | None = None
        self.page: Page | None = None
        self.parent: Session | None = None
        self._sent_ns = NEVER
        self._attempt_ns = NEVER
        self._seed = seed
        self._data = b""
        self._is_head = False
        self._repeatable = False
        self._wait_ns = 0

    def draw(self, below: int) -> int:
        """Return a number in [0, below) from the session's own stream (SplitMix64, Steele et al. 2014)."""
        self._seed = z = (self._seed + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) % below

    def prepare(self, step: int, data: bytes, wait_ns: int, is_head: bool, repeatable: bool) -> None:
        """Set what the next ``REQUEST`` sends.

        Args:
            step: Index of the request in its journey.
            data: The whole request.
            wait_ns: Deadline for the whole answer, from the actual send.
            is_head: Whether its answer has no body.
            repeatable: Whether it may be sent again when a kept-alive connection turns out closed before any byte
                of an answer (RFC 9110, 9.2.2: idempotent methods).
        """
        self.step = step
        self._data = data
        self._wait_ns = wait_ns
        self._is_head = is_head
        self._repeatable = repeatable
        self.intended_ns = self.ready_ns
        self.first_byte_ns = NEVER
        self._sent_ns = NEVER
        self._attempt_ns = NEVER
        self.bytes_out = 0

    def forget_request(self) -> None:
        """Let go of the request's bytes: nothing is sent again after its answer."""
        self._data = b""

    def try_again(self, data: bytes, wait_ns: int, repeatable: bool) -> None:
        """Set what the next ``REQUEST`` sends in another attempt at the current step."""
        self._attempt_ns = self.ready_ns
        self._data = data
        self._wait_ns = wait_ns
        self._repeatable = repeatable
        self.first_byte_ns = NEVER

    @property
    def asked(self) -> bytes:
        """Return the last request, as it was after redirects."""
        return self._data

    @property
    def wait_ns(self) -> int:
        """Return how long the exchange under way may take."""
        return self._wait_ns

    @property
    def begun_ns(self) -> int:
        """Return when the attempt under way was sent, or for a further attempt at a step was due."""
        return self._sent_ns if self._attempt_ns == NEVER else self._attempt_ns

    def hop(self, data: bytes, wait_ns: int, is_head: bool, repeatable: bool) -> None:
        """Set what the next ``REQUEST`` sends as a further part of the current attempt, such as a redirect."""
        self._wait_ns = wait_ns
        self.first_byte_ns = NEVER
        self._data = data
        self._is_head = is_head
        self._repeatable = repeatable

    def give_up_attempt(self, status: int, bytes_in: int, now: int) -> None:
        """Record an attempt that is followed by another one."""
        again = self._attempt_ns != NEVER
        intended_ns = self._attempt_ns if again else self.intended_ns
        self.driver.recorder.add(
            self.journey,
            self.step,
            self.number,
            intended_ns,
            intended_ns if again else self._sent_ns,
            self.first_byte_ns,
            now,
            Outcome.RETRIED,
            status,
            self.bytes_out,
            bytes_in,
        )
        self.bytes_out = 0  # they are this attempt's alone

    def break_off(self, outcome: Outcome, detail: str, bytes_in: int, status: int = 0) -> StepFailedError:
        """Record the current step as failed with its last answer, and return the error that says so.

        Where people reload, it is the attempt that has failed.
        """
        waited = outcome is Outcome.TIMEOUT
        if self.reloads is not None and (waited or self.reloads.on_error):
            self.give_up_attempt(status, bytes_in, self.ready_ns)
            self.driver.diagnostics.add(self.journey, self.step, Outcome.RETRIED, detail)
            return StepFailedError(Outcome.RETRIED, detail, waited)
        self.record(outcome, status, bytes_in, self.ready_ns)
        self.driver.diagnostics.add(self.journey, self.step, outcome, detail)
        return StepFailedError(outcome, detail)

    def refuse(self, step: int, wait_ns: int, reason: str) -> StepFailedError:
        """Record a step that can't be written as a request, and return the error that ends its session."""
        self.prepare(step, b"", wait_ns, False, False)
        self.record(Outcome.ABORTED, 0, 0, self.ready_ns)
        self.driver.diagnostics.add(self.journey, step, Outcome.ABORTED, reason)
        return StepFailedError(Outcome.ABORTED, reason)

    def submit(self, fresh: bool = False) -> None:
        """Send the prepared request, opening a connection if there is none or ``fresh`` asks for a new one."""
        self.waiting = True
        driver, connection = self.driver, self.connection
        if connection is None or connection.state == CLOSED:
            self.connection = connection = None if fresh else driver.idle_connection()
        now = monotonic_ns()
        if self._sent_ns == NEVER:
            self._sent_ns = now
        if connection is not None and connection.state == OPEN:
            wait_ns = self._wait_ns  # as driver.expect_by() does; this is the hot path
            queue = self.deadlines
            if queue is not None:
                del queue[self]
            self.deadlines = queue = driver.deadlines.get(wait_ns) or driver.deadlines_of(wait_ns)
            queue[self] = now + wait_ns
            data = self._data
            self.bytes_out = len(data)
            connection.send(data, self, self._is_head)
            return
        wait_ns = self.driver.connect_wait_ns
        # Who reloads does so whether it is the connection or the answer that does not come.
        self.driver.expect_by(self, wait_ns if self.reloads is None else min(wait_ns, self._wait_ns), now)
        if self.driver.transport is not None:
            self.driver.transport.submit(self, self._data, self._is_head)
            return
        try:
            self.connection = Connection(self.driver, self)
        except OSError as error:
            outcome, detail = connect_failure(error)
            if outcome is Outcome.UNSENT:
                self._sent_ns, self.bytes_out = NEVER, 0
            self._fail(outcome, detail, now)

    def on_sent(self, now: int) -> None:
        """Take the transport's word that the request goes out on a connection that stands."""
        self.driver.expect_by(self, self._wait_ns, now)
        self.bytes_out = len(self._data)

    def on_open(self) -> None:
        """Take the connection's word that it is open: write the request."""
        if self.connection is not None:
            self._write(self.connection, monotonic_ns())

    def _write(self, connection: Connection, now: int) -> None:
        self.driver.expect_by(self, self._wait_ns, now)
        self.bytes_out = len(self._data)
        connection.send(self._data, self, self._is_head)

    def on_response(self, response: Response, now: int) -> None:
        """Take a whole answer: the journey goes on with it."""
        self.ready_ns = now
        self.driver.resume(self, response)

    def on_broken(self, outcome: Outcome, detail: str, now: int, unanswered: bool, received: int) -> None:
        """Take the end of the connection under the exchange, after ``received`` bytes of its answer."""
        self.connection = None
        if unanswered and self._repeatable:
            self._repeatable = False
            self.submit(fresh=True)  # another kept-alive connection may have been closed at the same moment
            return
        if outcome is Outcome.UNSENT:
            self._sent_ns, self.bytes_out = NEVER, 0  # what a closed connection took was read by nobody
        self._fail(outcome, detail, now, received)

    def on_deadline(self, now: int) -> None:
        """Give up waiting."""
        connection, self.connection = self.connection, None
        received, opened = 0, False
        if self.driver.transport is not None:
            received = self.driver.transport.cancel(self)
            received, opened = max(received, 0), received != NEVER
        elif connection is not None:
            received, opened = connection.received, connection.state == OPEN
            connection.owner = None
            connection.close()
        if opened:
            self._fail(Outcome.TIMEOUT, f"no complete answer in {self._wait_ns / 1e9:g} s", now, received)
        else:
            self._fail(Outcome.CONNECT_FAILED, f"{_NO_CONNECTION} {self.driver.connect_wait_ns / 1e9:g} s", now)

    def on_drained(self, now: int) -> None:
        """Give up waiting because the stage is over."""
        connection, transport = self.connection, self.driver.transport
        self.driver.answered(self)
        self.waiting = False
        received = connection.received if connection is not None else transport.cancel(self) if transport else 0
        self.record(Outcome.IN_FLIGHT, 0, max(received, 0), now)
        if connection is not None:
            connection.owner = None
            connection.close()  # its answer may still come: it serves nobody else
            self.connection = None

    def _fail(self, outcome: Outcome, detail: str, now: int, received: int = 0) -> None:
        self.driver.answered(self)
        self.waiting = False
        self.ready_ns = now
        if self.reloads is not None and outcome is not Outcome.UNSENT:
            waited = outcome is Outcome.TIMEOUT or detail.startswith(_NO_CONNECTION)
            if waited or self.reloads.on_error:
                self.give_up_attempt(0, received, now)
                self.driver.diagnostics.add(self.journey, self.step, Outcome.RETRIED, detail)
                self.driver.fail(self, StepFailedError(Outcome.RETRIED, detail, waited))
                return
        self.reloads = None  # the step has its record, should the stage end before the session hears of it
        self.record(outcome, 0, received, now)
        self.driver.diagnostics.add(self.journey, self.step, outcome, detail)
        self.driver.fail(self, StepFailedError(outcome, detail))

    def record(self, outcome: int, status: int, bytes_in: int, done_ns: int) -> None:
        """Write the record of the current step."""
        self.driver.recorder.add(
            self.journey,
            self.step,
            self.number,
            self.intended_ns,
            self._sent_ns,
            self.first_byte_ns,
            done_ns,
            outcome,
            status,
            self.bytes_out,
            bytes_in,
        )

    def settle(self, response: Response, outcome: Outcome, detail: str) -> None:
        """Record an answered step.

        Raises:
            StepFailedError: the outcome is not OK.
        """
        driver = self.driver
        driver.recorder.add(
            self.journey,
            self.step,
            self.number,
            self.intended_ns,
            self._sent_ns,
            self.first_byte_ns,
            self.ready_ns,
            outcome,
            response.status,
            self.bytes_out,
            response.size,
        )
        if outcome is not _OK:
            driver.diagnostics.add(self.journey, self.step, outcome, detail)
            raise StepFailedError(outcome, detail)
