"""``seatrial order``: the authority's test order, which permits loading a target beyond this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.sealing import Json, TrustFile, now_utc, signer_of, time_of, write_file

if TYPE_CHECKING:
    from datetime import datetime

    from seatrial.evidence.order import TestOrder
    from seatrial.evidence.terms import Terms

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    order = typer.Typer(help="The authority's word on what may be loaded.", no_args_is_help=True)
    order.command("new")(order_new)
    order.command("show")(order_show)
    app.add_typer(order, name="order")


def order_new(
    order_id: Annotated[str, typer.Option("--id", help="The order's own reference.")],
    case: Annotated[str, typer.Option(help="The case that it belongs to.")],
    target: Annotated[list[str], typer.Option(help="HOST:PORT that may be loaded; give each.")],
    not_before: Annotated[str, typer.Option(help="First permitted moment (RFC 3339).")],
    not_after: Annotated[str, typer.Option(help="First moment after the window (RFC 3339).")],
    max_rate: Annotated[float, typer.Option(help="Most requests per second.")],
    source: Annotated[list[str], typer.Option(help="Address or network that load may come from, or 'any'.")],
    contact: Annotated[str, typer.Option(help="Whom to call to have the load stopped.")],
    reach: Annotated[str, typer.Option(help="Their telephone number or mail address.")],
    key: Annotated[Path, typer.Option(help="The test arranger's private key.")],
    out: Annotated[Path, typer.Option(help="Where the order goes.")],
    tester: Annotated[list[Path] | None, typer.Option(help="Public entry of a key that may seal the evidence.")] = None,
    plan_seal: Annotated[Path | None, typer.Option(help="The plan's seal that the run must be made under.")] = None,
) -> None:
    """Sign a test order: targets, window, highest rate, source addresses, abort contact."""
    from seatrial.evidence.order import TestOrder, sign_order
    from seatrial.evidence.terms import Terms

    terms = Terms(
        tuple(one.lower() for one in target),
        _moment(not_before, "--not-before"),
        _moment(not_after, "--not-after"),
        max_rate,
        tuple(source),
    )
    testers = tuple(_fingerprint(path) for path in tester or ())
    seal = None if plan_seal is None else _digest(plan_seal)
    order = TestOrder(order_id, case, terms, contact, reach, testers, seal, now_utc())
    write_file(out, sign_order(order, [signer_of(key)]))
    typer.echo("\n".join(_lines(order)))


def order_show(
    order: Annotated[Path, typer.Argument(help="The test order.")],
    trust: TrustFile,
    as_json: Json = False,
) -> None:
    """Verify a test order and print what it permits."""
    from seatrial.evidence.canonical import read_document
    from seatrial.evidence.keys import load_trust
    from seatrial.evidence.order import read_order

    found = read_order(read_document(order.resolve()), load_trust(trust), now_utc())
    if as_json:
        typer.echo(json.dumps(found.predicate(), ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(_lines(found)))


def _lines(order: TestOrder) -> list[str]:
    from seatrial.clock import to_rfc3339

    terms: Terms = order.terms
    lines = [
        f"Test order {order.order_id}, case {order.case}, issued {to_rfc3339(order.issued_at)}",
        f"targets   {', '.join(terms.targets)}",
        f"window    {to_rfc3339(terms.not_before)} to {to_rfc3339(terms.not_after)}",
        f"rate      at most {terms.max_per_second:g} requests per second",
        f"sources   {', '.join(terms.sources)}",
        f"to stop   {order.abort_contact}",
        f"testers   {', '.join(order.testers) or 'any who is trusted'}",
    ]
    return lines if order.plan_seal is None else [*lines, f"seal      sha256:{order.plan_seal}"]


def _moment(text: str, option: str) -> datetime:
    from seatrial.errors import UsageError

    moment = time_of(text, option)
    if moment is None:
        raise UsageError(f"{option} is empty", remedy="Write a time such as 2026-11-24T02:00:00Z.")
    return moment


def _fingerprint(path: Path) -> str:
    from seatrial.evidence.canonical import parse_json, read_document
    from seatrial.evidence.keys import parse_key_entry

    return parse_key_entry(parse_json(read_document(path.resolve()), path.name)).fingerprint


def _digest(path: Path) -> str:
    from seatrial.evidence.canonical import read_document, sha256_hex

    return sha256_hex(read_document(path.resolve()))
