"""The ``seatrial`` command."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click
import typer

from seatrial.cli import demo, exit_codes, inspect, plans, reporting, run, seal
from seatrial.errors import PlanError, PolicyError, SeatrialError

__all__ = ["app", "main"]

app = typer.Typer(
    name="seatrial",
    help="Put a public service through its sea trials before it opens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (demo, plans, run, inspect, seal, reporting):
    room.register(app)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from seatrial import __version__

        print(f"seatrial {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and exit with the code that says how it went."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except SeatrialError as error:
        _complain(error)
        code = exit_codes.of_error(error)
    except click.exceptions.Abort:
        code = exit_codes.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = exit_codes.USAGE
    except KeyboardInterrupt:
        print("seatrial: interrupted", file=sys.stderr)
        code = exit_codes.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads us has gone (for example, head): say nothing more, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_codes.FAILED
    sys.exit(code if isinstance(code, int) else exit_codes.OK)


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
