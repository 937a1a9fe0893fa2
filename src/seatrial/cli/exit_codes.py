"""What the program's exit code says. The one place where a verdict or an error becomes a number.

0 PASS / ALLOW   1 FAIL / DENY / REFUSED   2 bad usage or bad plan
3 INCONCLUSIVE   4 INVALID                 5 interrupted (evidence kept, marked)
"""

from __future__ import annotations

from typing import Final

from seatrial import errors

__all__ = ["FAILED", "INTERRUPTED", "INVALID", "OF_VERDICT", "OK", "USAGE", "of_error"]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INCONCLUSIVE: Final = 3
INVALID: Final = 4
INTERRUPTED: Final = 5

OF_VERDICT: Final = {"PASS": OK, "FAIL": FAILED, "INCONCLUSIVE": INCONCLUSIVE, "INVALID": INVALID}

_OF_ERROR: Final[tuple[tuple[type[errors.SeatrialError], int], ...]] = (
    (errors.InterruptedRunError, INTERRUPTED),
    (errors.UsageError, USAGE),
    (errors.PlanError, USAGE),
    (errors.PolicyError, USAGE),
    (errors.NotAuthorisedError, USAGE),
    (errors.KeyFileError, USAGE),
    (errors.TargetError, INVALID),
    (errors.EngineError, INVALID),
    (errors.EvidenceError, FAILED),
    (errors.ConfirmationError, FAILED),
)


def of_error(error: errors.SeatrialError) -> int:
    """Return the exit code for an error; nothing raised on purpose ends in success."""
    return next((code for kind, code in _OF_ERROR if isinstance(error, kind)), FAILED)
