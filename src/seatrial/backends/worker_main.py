"""Entry of a worker process: ``python -m seatrial.backends.worker_main FD``. The local backend starts it."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from seatrial.engine.worker import Failed, WorkerSpec, work
from seatrial.errors import SeatrialError

__all__ = ["main"]


def main(fd: int) -> None:
    """Take a :class:`WorkerSpec` from the pipe and serve it."""
    # Ctrl-C goes to the whole terminal; the run decides, its workers are told.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(fd) as pipe:
        spec = pipe.recv()
        if not isinstance(spec, WorkerSpec):
            pipe.send(Failed(-1, False, f"not a worker's orders: {type(spec).__name__}"))
            return
        functions = {}
        try:
            for name, journey in spec.plan.journeys.items():
                if journey.python is not None:
                    from seatrial.authoring.python_plan import load_journey

                    functions[name] = load_journey(journey.python, spec.base)
        except SeatrialError as error:
            pipe.send(Failed(spec.worker, False, str(error)))
            return
        work(spec, pipe, functions)


if __name__ == "__main__":
    main(int(sys.argv[1]))
