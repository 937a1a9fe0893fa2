"""``seatrial serve`` and the commands around the portal's data."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    people = typer.Typer(help="People of the portal.", no_args_is_help=True)
    people.command("add")(people_add)
    app.add_typer(people, name="people")
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


def people_add(
    email: Annotated[str, typer.Argument(help="E-mail address, with which the person signs in.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[list[str], typer.Option(help="A role, as platform_administrator; may be repeated.")],
) -> None:
    """Make an account of the authority, the first administrator's above all; its password is printed this once."""
    import secrets

    from seatrial.errors import UsageError
    from seatrial.portal.cases.states import Role

    unknown = sorted(set(role) - set(Role))
    if unknown:
        raise UsageError("there is no such role", value=unknown[0], remedy=f"One of: {', '.join(Role)}.")
    _prepare()
    from django.db import transaction

    from seatrial.portal.accounts import people

    password = secrets.token_urlsafe(15)
    with transaction.atomic():
        made = people.add(by=None, email=email, name=name, password=password)
        for one in role:
            people.give_role(made, Role(one), by=None)
    print(f"{made.email}\npassword: {password}\nAt the first sign-in an authenticator is set up.")
