"""What is asked before a run's first request: trust in its code, and leave to load its target.

Loopback (127.0.0.0/8, ::1) needs nobody's word: it is the tester's own machine. Beyond it only a test order that the
authority's test arranger signed, or the consent that the target itself serves, counts. Whichever is given is enforced,
also where none is needed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.clock import Clock, to_rfc3339
from seatrial.engine.http.probe import probe
from seatrial.engine.http.target import Target, resolve
from seatrial.errors import EvidenceError, NotAuthorisedError, TargetError, UsageError
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.keys import public_fingerprint
from seatrial.evidence.order import read_order
from seatrial.evidence.terms import Terms
from seatrial.model.plan import Plan
from seatrial.model.reach import Beyond
from seatrial.model.steps import most_requests
from seatrial.trials.options import RunOptions

if TYPE_CHECKING:
    from seatrial.trials.scrape import Page

__all__ = [
    "Asked",
    "Permission",
    "highest_rate",
    "permitted_pages",
    "permitted_target",
    "refuse_beyond",
    "refuse_untrusted",
    "stop_files",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asks leave for.

    Attributes:
        beyond: What it loads beyond this machine.
        rate: The most requests per second that its plan offers; infinity where nothing bounds it.
        length_ns: How long its load lasts at the longest.
        sources: The addresses that its connections come from.
        testers: Fingerprints of the keys that will seal its evidence.
    """

    beyond: tuple[Beyond, ...]
    rate: float
    length_ns: int
    sources: tuple[str, ...]
    testers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """Leave to load, as it was given.

    Attributes:
        kind: Which document gives it.
        document: Its bytes, as they were read or served.
        reference: What people call it.
        terms: What it permits.
        abort_contact: Whom to call to have the load stopped.
        asked: What it was asked for.
        seen_at: When it was looked at, on the wall clock.
        seen_ns: The same on the monotonic clock.
    """

    kind: Literal["order", "consent"]
    document: bytes
    reference: str
    terms: Terms
    abort_contact: str
    asked: Asked
    seen_at: datetime
    seen_ns: int

    def ends_ns(self, terms: Terms) -> int:
        """Return the end of a window on the monotonic clock: the wall clock may be set while a run is under way."""
        return self.seen_ns + round((terms.not_after - self.seen_at) / timedelta(microseconds=1)) * 1000

    def as_document(self) -> dict[str, Any]:
        """Return what the environment says of it."""
        return {
            "kind": self.kind,
            "reference": self.reference,
            "sha256": sha256_hex(self.document),
            "source_addresses": list(self.asked.sources),
        }


def stop_files(loaded: LoadedPlan, options: RunOptions) -> list[Path]:
    """Return the files whose appearance ends the run: the plan's, and that of the command line."""
    named = loaded.plan.stop.file
    files = [] if named is None else [loaded.base.resolve() / named]
    return files if options.stop_file is None else [*files, options.stop_file.absolute()]


def refuse_untrusted(loaded: LoadedPlan, options: RunOptions) -> None:
    """Refuse a run without workers, and journeys in Python that nobody said are trusted.

    Raises:
        UsageError: it is one of these.
    """
    if options.workers < 1:
        raise UsageError("a run needs at least one worker", value=options.workers, remedy="Leave --workers out.")
    scripted = [name for name, journey in loaded.plan.journeys.items() if journey.python is not None]
    if scripted and not options.trust_python:
        raise UsageError(
            "the plan runs its author's Python code",
            value=", ".join(scripted),
            remedy="Read the code; if you trust it as your own, add --trust-python.",
        )


def permitted_target(
    loaded: LoadedPlan, options: RunOptions, clock: Clock
) -> tuple[Target | TargetError, Permission | None]:
    """Return the target as it can be reached, or why it can't, and the leave to load it.

    A run of a target that is not there is evidence too. Where a consent is wanted, the request for it is the first
    thing that is sent; without one, and with an order, nothing is sent before everything is known to be permitted.

    Raises:
        NotAuthorisedError: it may not be loaded.
        UsageError: it can't be reached as the plan says from this machine: a source address or the client's
            certificate is at fault.
    """
    plan = loaded.plan
    try:
        target = resolve(plan, loaded.base)
    except TargetError as error:
        return error, None
    keys = [signer.public_key for signer in options.signers]
    asked = Asked(
        target.beyond,
        highest_rate(plan),
        sum(stage.profile.duration_ns for at, trial in enumerate(plan.trials) for stage in trial.stages(at, plan)),
        _sources(target),
        tuple(public_fingerprint(key.keytype, key.keyval["public"]) for key in keys),
    )
    permission = _permission(loaded, options, target, asked, clock)
    if permission is None and asked.beyond:
        first = asked.beyond[0]
        raise NotAuthorisedError(
            f"{first.why} and nothing shows that it may be loaded",
            value=first.place,
            remedy="Give the authority's test order (--order FILE --trust FILE), or have its owner serve a consent "
            "(--consent).",
        )
    try:
        return probe(target, plan.transport), permission
    except TargetError as error:
        return error, permission


def highest_rate(plan: Plan) -> float:
    """Return the most requests per second that a plan offers, in the mean; infinity where nothing bounds it.

    That is the highest rate of arrivals of any stage, times the most requests that a journey makes, in the mean over
    the journeys' weights. Every retry that a step may make counts. Redirects and a page's resources do not: how many
    there are is the service's to say.
    """
    each = [
        most_requests(journey.steps, lambda step: 1 + (step.retry.most if step.retry is not None else 0))
        if journey.python is None
        else len(journey.labels)
        for journey in plan.journeys.values()
    ]
    mean = sum(weight * count for weight, count in zip(plan.weights, each, strict=True)) / sum(plan.weights)
    return max(stage.peak for at, trial in enumerate(plan.trials) for stage in trial.stages(at, plan)) * mean


def refuse_beyond(terms: Terms, asked: Asked, now: datetime, length_ns: int) -> None:
    """Refuse what the terms do not permit.

    Args:
        terms: Of the order or the consent.
        asked: What is asked for.
        now: The present.
        length_ns: How long the load still lasts at the longest.

    Raises:
        NotAuthorisedError: something is not permitted; the message says what.
    """
    for why, place in asked.beyond:
        if not terms.covers(place):
            raise NotAuthorisedError(
                f"{why}, and is not among the targets that may be loaded",
                value=f"{place}; permitted: {', '.join(terms.targets[:10])}",
                remedy="Ask for a permission that names it.",
            )
    window = f"{to_rfc3339(terms.not_before)} to {to_rfc3339(terms.not_after)}"
    ends = now + timedelta(microseconds=length_ns / 1000)
    if not terms.not_before <= now < terms.not_after or ends > terms.not_after:
        outside = "the present is outside the permitted window"
        if terms.not_before <= now < terms.not_after:
            outside = f"the plan's load lasts until {to_rfc3339(ends)}, beyond the permitted window"
        raise NotAuthorisedError(outside, value=window, remedy="Run it within the window, or ask for another.")
    if asked.rate > terms.max_per_second * (1 + 1e-9):
        raise NotAuthorisedError(
            "the plan offers more requests than are permitted",
            value=f"{asked.rate:g}/s > {terms.max_per_second:g}/s",
            remedy="Lower the trials' levels, give users a ramp and pacing, or ask for a higher rate.",
        )
    if strangers := terms.strangers(asked.sources):
        raise NotAuthorisedError(
            "the load would come from an address that it may not come from",
            value=f"{', '.join(strangers)}; permitted: {', '.join(terms.sources[:10])}",
            remedy="Set source_addresses in the plan, or ask for a permission that names them.",
        )


def refuse_testers(testers: Collection[str], asked: Asked) -> None:
    """Refuse evidence that would be sealed by nobody, or by a key that the permission does not name.

    Raises:
        NotAuthorisedError: it would be; a permission that names no key is content with any.
    """
    if testers and (not asked.testers or not set(asked.testers) <= set(testers)):
        raise NotAuthorisedError(
            "the permission is another tester's: it names the keys that must seal the evidence",
            value=", ".join(asked.testers) or "no --key was given",
            remedy="Give the key that it names as --key.",
        )


def permitted_pages(loaded: LoadedPlan, permission: Permission | None) -> Mapping[str, Page]:
    """Return the addresses that the service's own figures are read from.

    Raises:
        NotAuthorisedError: one may not be asked.
        UsageError: one does not resolve.
        TargetError: the CA file can't be read.
    """
    if loaded.plan.telemetry is None:
        return {}
    from seatrial.trials.telemetry import open_pages

    return open_pages(loaded.plan, loaded.base, () if permission is None else permission.terms.targets)


def _permission(
    loaded: LoadedPlan, options: RunOptions, target: Target, asked: Asked, clock: Clock
) -> Permission | None:
    if options.order is not None and options.consent:
        raise UsageError("--order and --consent are two permissions", remedy="Give the one that the load stands on.")
    if options.order is not None:
        return _ordered(options.order, options, asked, clock)
    if not options.consent:
        return None
    from seatrial.trials.consent import fetch_consent

    document, consent = fetch_consent(loaded.plan, target, loaded.base.resolve())
    now, now_ns = clock.now(), time.monotonic_ns()
    refuse_testers(consent.testers, asked)
    refuse_beyond(consent.terms, asked, now, asked.length_ns)
    who = f"consent served by {target.host_port}, for {consent.tester}"
    return Permission("consent", document, who, consent.terms, consent.abort_contact, asked, now, now_ns)


def _ordered(document: bytes, options: RunOptions, asked: Asked, clock: Clock) -> Permission:
    if options.trust is None:
        raise UsageError("a test order needs a trust file", remedy="Give --trust, which says who may sign orders.")
    now, now_ns = clock.now(), time.monotonic_ns()
    try:
        order = read_order(document, options.trust, now)
    except EvidenceError as error:
        raise NotAuthorisedError(error.what, value=error.value, remedy=error.remedy) from error
    refuse_testers(order.testers, asked)
    if order.plan_seal is not None and (options.seal is None or sha256_hex(options.seal) != order.plan_seal):
        raise NotAuthorisedError(
            "the order permits runs under one seal of the plan, and this is not it",
            value=order.plan_seal,
            remedy="Give the seal that the order names as --seal.",
        )
    refuse_beyond(order.terms, asked, now, asked.length_ns)
    who = f"test order {order.order_id}, case {order.case}"
    return Permission("order", document, who, order.terms, order.abort_contact, asked, now, now_ns)


def _sources(target: Target) -> tuple[str, ...]:
    """Return the addresses that connections come from: the plan's, or those that the system's routes lead to.

    A datagram socket that is connected has its address chosen as a connection's would be, and sends nothing.
    """
    if target.sources:
        return target.sources
    found: dict[str, None] = {}
    for family, at in target.addresses:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.connect(at)
                found[str(one.getsockname()[0])] = None
        except OSError:
            continue  # no route leads there, so no load goes there either
    return tuple(found)
