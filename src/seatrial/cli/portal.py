"""``seatrial serve`` and the commands around the portal's data."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    audit = typer.Typer(help="The portal's record of everything decided.", no_args_is_help=True)
    audit.command("verify")(audit_verify)
    app.add_typer(audit, name="audit")


def _prepare() -> None:
    """Make Django ready, or say what is missing."""
    from seatrial.errors import UsageError

    if find_spec("django") is None or find_spec("allauth") is None:
        raise UsageError("the portal is not installed", remedy="Run: pip install 'seatrial[portal]'.")
    from seatrial.portal.project.start import prepare, set_up

    prepare()
    set_up()


def serve(
    listen: Annotated[str, typer.Option(help="HOST:PORT on loopback, or unix:PATH.")] = "127.0.0.1:8000",
    threads: Annotated[int, typer.Option(help="Requests worked on at once.", min=1, max=64)] = 8,
    worker: Annotated[bool, typer.Option(help="Start the background worker too.")] = True,
) -> None:
    """Start the portal: pages and background worker, on SQLite unless DATABASE_URL says otherwise."""
    import os

    from seatrial.portal.project.serving import Listening

    where = Listening.parse(listen)
    if not where.unix_socket:
        os.environ.setdefault("SEATRIAL_PORTAL_URL", f"http://{listen}" if where.port else "http://127.0.0.1:8000")
    _prepare()
    from seatrial.portal.project.serving import serve as run

    run(where, threads=threads, worker=worker, ready=lambda url: print(f"The portal is at {url}", flush=True))


def audit_verify(
    head: Annotated[str, typer.Option(help="NUMBER:HASH that was printed earlier and kept elsewhere.")] = "",
) -> None:
    """Walk the whole audit trail; print its head, to be kept elsewhere."""
    _prepare()
    from seatrial.portal.audit import chain

    known = chain.Head.parse(head) if head else None
    print(chain.verify(known))
