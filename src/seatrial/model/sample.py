"""The record: one row for every step that was intended, whatever became of it.

Times are nanoseconds from the run's epoch (a monotonic instant shared by all workers of a machine). A time that
never came is null in Parquet and -1 in memory: never zero, which is a time.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CENSORED", "COLUMNS", "NEVER", "RECORD_FORMAT", "REFUSALS", "SESSION_STRIDE", "Outcome"]

RECORD_FORMAT = "seatrial-records/1"

NEVER = -1
"""In memory: this moment never came. In Parquet: null."""

SESSION_STRIDE = 2**32
"""Session number in a trial = stage index * SESSION_STRIDE + session number in the stage."""


class Outcome(IntEnum):
    """What became of an intended step. Closed: a new way to fail needs a new member."""

    OK = 0
    CHECK_FAILED = 1
    """An answer came and a check on it failed."""
    HTTP_ERROR = 2
    """An answer came with a status the step does not expect, of 400 or above."""
    TIMEOUT = 3
    """No complete answer by the step's deadline."""
    CONNECT_FAILED = 4
    """No connection: refused, unreachable, name not resolved, or no answer to connect by its deadline."""
    TLS_FAILED = 5
    """The TLS handshake failed: wrong name, unknown issuer, expired, protocol mismatch."""
    PROTOCOL_ERROR = 6
    """What came back is not HTTP/1.1, or the connection ended in the middle of it."""
    ABORTED = 7
    """The step was intended and not tried: an earlier step of its session failed, or the run was stopped."""
    IN_FLIGHT = 8
    """Sent, and neither answered nor past its deadline when the stage's drain ended."""
    UNSENT = 9
    """The generator did not send it: the cap on sessions was reached, or the generator ran out of means."""
    RETRIED = 10
    """An attempt that an impatient person gave up to try again. Not a step of its own: the step's record, which waits
    from the first attempt's intention to the last one's end, stands beside it."""

    @property
    def label(self) -> str:
        """Return the name used in evidence: lower case, underscores."""
        return self.name.lower()


CENSORED: frozenset[Outcome] = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.CONNECT_FAILED,
        Outcome.TLS_FAILED,
        Outcome.PROTOCOL_ERROR,
        Outcome.ABORTED,
        Outcome.IN_FLIGHT,
        Outcome.UNSENT,
    }
)
"""Outcomes without an answer: their response time is only known to be at least what was waited."""

REFUSALS = (429, 503)
"""Status of an answer that refuses clearly (RFC 6585, section 4; RFC 9110, section 15.6.4), where a step expects
another: the outcome is then ``HTTP_ERROR``."""


COLUMNS: tuple[tuple[str, str, bool], ...] = (
    # name, little-endian numpy type in memory, NEVER allowed
    ("journey", "<i2", False),
    ("step", "<i2", False),
    ("session", "<i8", False),
    ("intended_ns", "<i8", False),
    ("sent_ns", "<i8", True),
    ("first_byte_ns", "<i8", True),
    ("done_ns", "<i8", False),
    ("outcome", "i1", False),
    ("status", "<i2", False),
    ("bytes_out", "<i8", False),
    ("bytes_in", "<i8", False),
)
"""Every column of a record. ``status`` is 0 where no answer came. ``done_ns`` is when the generator stopped waiting,
whichever way: the answer's last byte, the deadline, the end of the drain (in flight), the moment the step was
given up (aborted, unsent). So ``done_ns - intended_ns`` is the response time, or its lower bound if censored."""
