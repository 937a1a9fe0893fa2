"""All commands but the gate, which has an entrance of its own (:mod:`seatrial.cli.gate`)."""

from __future__ import annotations

import typer

from seatrial.cli import (
    calibrate,
    compare,
    confirming,
    demo,
    facts,
    histogram,
    inspect,
    keys,
    logs,
    orders,
    plans,
    portal,
    recommending,
    releases,
    reporting,
    run,
    summaries,
    verifying,
)

__all__ = ["app"]

app = typer.Typer(
    name="seatrial",
    help="Put a public service through its sea trials before it opens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (
    demo,
    plans,
    calibrate,
    run,
    inspect,
    keys,
    orders,
    releases,
    verifying,
    logs,
    recommending,
    confirming,
    facts,
    summaries,
    reporting,
    compare,
    histogram,
    portal,
):
    room.register(app)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from seatrial import __version__

        print(f"seatrial {__version__}")
        raise typer.Exit


@app.command(
    "gate", context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
)
def _gate(context: typer.Context) -> None:
    """Say whether the release may be rolled out: ALLOW or DENY, with every reason."""
    from seatrial.cli import gate

    raise typer.Exit(gate.main(context.args))
