"""The end of a session's flow, and what a journey's own mistakes become."""

from __future__ import annotations

from collections.abc import Coroutine
from inspect import CORO_SUSPENDED, getcoroutinestate
from pathlib import Path
from traceback import extract_tb
from typing import Final

from seatrial.engine.session import Flow, StepFailedError
from seatrial.errors import EngineError

__all__ = ["close_flow", "journey_broke"]

_CLEAN_UPS: Final = 16


def close_flow(flow: Flow) -> None:
    """End a session's flow. What a journey in Python still awaits while it cleans up is not sent any more.

    Raises:
        EngineError: the journey raises something of its own instead of ending.
    """
    for _ in range(_CLEAN_UPS):
        try:
            flow.close()
        except StepFailedError:
            return
        except RuntimeError as error:
            if not isinstance(flow, Coroutine) or getcoroutinestate(flow) != CORO_SUSPENDED:
                raise journey_broke(error) from error
        except Exception as error:
            raise journey_broke(error) from error
        else:
            return


def journey_broke(error: Exception) -> EngineError:
    """Return the error that ends a run because a journey raised something of its own; names the line."""
    if isinstance(error, EngineError):
        return error
    frames = [
        frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).parent != Path(__file__).parent
    ]
    where = f" (in {frames[0].name}, {Path(frames[0].filename).name} line {frames[0].lineno})" if frames else ""
    return EngineError(
        "a journey's own code failed", value=f"{type(error).__name__}: {error}{where}", remedy="Correct the journey."
    )
