"""The entry of the ``seatrial`` command: what went wrong becomes one message and one exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from seatrial.cli import exit_codes
from seatrial.errors import PlanError, PolicyError, SeatrialError

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit with the code that says how it went."""
    try:
        code = _gate() if sys.argv[1:2] == ["gate"] else _all_others()
        sys.stdout.flush()
    except SeatrialError as error:
        _complain(error)
        code = exit_codes.of_error(error)
    except KeyboardInterrupt:
        print("seatrial: interrupted", file=sys.stderr)
        code = exit_codes.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads us has gone (for example, head): say nothing more, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_codes.FAILED
    except Exception as error:
        # Python's own code for this is 1, which would say that the service failed: nothing is known about it.
        traceback.print_exc()
        print(f"seatrial: a defect of this program, not of the service: {error!r}", file=sys.stderr)
        code = exit_codes.INVALID
    sys.exit(code)


def _gate() -> int:
    """Run the gate without the command-line framework: a pipeline waits for it."""
    serve = sys.argv[2:3] == ["serve"]
    with _left_out(_FOR_SIGNING):
        if serve:
            from seatrial.cli import gate_serve
        else:
            from seatrial.cli import gate
    return gate_serve.main(sys.argv[3:]) if serve else gate.main(sys.argv[2:])


_FOR_SIGNING = ("azure", "boto3", "google.cloud", "hvac", "keylet", "pkcs11")
"""What securesystemslib imports, wherever it is installed, to sign in devices and clouds: the gate signs nothing."""


@contextmanager
def _left_out(names: Iterable[str]) -> Iterator[None]:
    """Let these be found missing by whoever imports them meanwhile; with a cloud's library the gate starts late."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None: an import is refused
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def _all_others() -> int:
    import typer

    from seatrial.cli.app import app

    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        return exit_codes.INTERRUPTED
    except typer.exceptions.TyperException as error:  # a wrong option, a missing argument
        # The class that words it for people is private to typer.
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        print(f"seatrial: {said.rstrip('.')}. See seatrial {' '.join(sys.argv[1:2])} --help.", file=sys.stderr)
        return exit_codes.USAGE
    return code if isinstance(code, int) else exit_codes.OK


def _complain(error: SeatrialError) -> None:
    if isinstance(error, (PlanError, PolicyError)):
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = len(error.problems)
        print(f"seatrial: {count} problem{'s' if count > 1 else ''} in the {error.noun}", file=sys.stderr)
    else:
        print(f"seatrial: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
