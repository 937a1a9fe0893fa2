"""The step on the permission: whether the load stands on a test order or a consent, and kept within it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError
from seatrial.evidence.bundle import ENVIRONMENT, PLAN, read_part
from seatrial.evidence.canonical import parse_rfc3339, sha256_hex
from seatrial.evidence.checks.base import CannotRunError, Check, NotApplicableError, listed
from seatrial.evidence.consent import CONSENT, parse_consent
from seatrial.evidence.order import ORDER, read_order
from seatrial.evidence.plan_seal import SEAL
from seatrial.evidence.terms import Terms
from seatrial.model.reach import Beyond, beyond_loopback, host_port, is_loopback

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

__all__ = ["MOST_LATE_SECONDS", "load_was_authorised"]

MOST_LATE_SECONDS: Final = 5
"""A run looks for the window's end about once a second; what its workers send until they hear of it is let pass."""

_MOST_NS = 2**53
_SOURCE = "Do not rely on this load: ask the tester for the permission that it stood on."


class _Given(NamedTuple):
    """A permission in a bundle: what it is, as people say it, what it asks for, and when it was issued, if it says."""

    said: str
    terms: Terms
    testers: tuple[str, ...]
    seal: str | None
    issued_at: datetime | None


def load_was_authorised(check: Check) -> str:
    """Compare the load with the test order or the consent that the bundle holds.

    Times are those that the tester's environment and records state; the rate is counted over every record.
    """
    plan, environment = _document(check, PLAN), _document(check, ENVIRONMENT)
    found = [name for name in (ORDER, CONSENT) if os.path.lexists(check.directory / name)]
    parts = sorted((check.directory / "records").glob("*/part-*.parquet"))
    beyond = (*_beyond(plan, environment), *_asked_besides(plan))
    if not found:
        if not beyond:
            raise NotApplicableError("the target is this machine's own loopback, which needs nobody's word")
        if not parts:
            raise NotApplicableError("nothing was sent")
        raise BundleError(
            f"{beyond[0].why}, and the bundle holds neither {ORDER} nor {CONSENT}",
            value=beyond[0].place,
            remedy=_SOURCE,
        )
    if len(found) > 1:
        raise BundleError(f"the bundle holds both {ORDER} and {CONSENT}", remedy=_SOURCE)
    given = _read(check, found[0])
    stated = environment.get("permission")
    stated = stated if isinstance(stated, dict) else {}
    problems = [
        *_not_the_one(check, found[0], stated),
        *(f"{why}, and {place} is not among the targets" for why, place in beyond if not given.terms.covers(place)),
        *_from_elsewhere(given.terms, stated, bool(parts)),
        *_by_another(check, given),
    ]
    seconds, last_ns = _sent(parts)
    problems += _outside(given, _started(environment), last_ns)
    problems += _too_fast(given.terms, seconds)
    if problems:
        raise BundleError("; ".join(problems), remedy=_SOURCE)
    busiest = int(seconds.max()) if len(seconds) else 0
    return f"{given.said}; at most {given.terms.max_per_second:g} requests/s, busiest second {busiest:,}"


def _document(check: Check, name: str) -> Mapping[str, Any]:
    document = check.documents.get(name)
    if not isinstance(document, dict):
        raise CannotRunError(f"{name} can't be read")
    return document


def _beyond(plan: Mapping[str, Any], environment: Mapping[str, Any]) -> tuple[Beyond, ...]:
    target, proxy = plan.get("target"), plan.get("proxy")
    if not isinstance(target, str) or not isinstance(proxy, str | None):
        raise CannotRunError(f"{PLAN} names no target")
    addresses = environment.get("target_addresses", [])
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        raise CannotRunError(f"{ENVIRONMENT} has no list of addresses")
    if proxy is None and (literal := _literal(target)) is not None:
        addresses = [*addresses, literal]  # an address leads to itself, whatever the environment says
    found = beyond_loopback(target, proxy, addresses)
    # Where no address is stated, the plan's own words must say that it is loopback: a name could have led anywhere.
    if not addresses and all(is_loopback(place.rpartition(":")[0].strip("[]")) for _, place in found):
        return ()
    return found


def _literal(target: str) -> str | None:
    """Return the address that a target is written as; None for a name, and for what is no target."""
    try:
        host = urlsplit(target).hostname or ""
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return host if not is_loopback(host) else None


def _asked_besides(plan: Mapping[str, Any]) -> Sequence[Beyond]:
    """Return the addresses beyond loopback that figures were read from: neither the target's host nor this machine.

    A run resolves their names; the bundle does not hold what they led to, so here the name alone decides.
    """
    telemetry = plan.get("telemetry")
    sources = telemetry.get("sources") if isinstance(telemetry, dict) else None
    own = urlsplit(str(plan.get("target"))).hostname or ""
    found = []
    for name, source in sources.items() if isinstance(sources, dict) else ():
        page = source.get("prometheus") if isinstance(source, dict) else None
        host = (urlsplit(page).hostname or "") if isinstance(page, str) else own
        if host != own and not is_loopback(host):
            found.append(Beyond(f"the telemetry {name} is beyond this machine", host_port(str(page))))
    return found


def _read(check: Check, name: str) -> _Given:
    data = read_part(check.directory, name)
    entry = listed(check).entry(name)
    if entry is None or entry.sha256 != sha256_hex(data):
        raise BundleError(f"{name} is not the one that the manifest lists", remedy=_SOURCE)
    if name == ORDER:
        order = read_order(data, check.trust, check.now)
        said = f"test order {order.order_id}, case {order.case}, issued {to_rfc3339(order.issued_at)}"
        return _Given(said, order.terms, order.testers, order.plan_seal, order.issued_at)
    consent = parse_consent(data)
    said = f"an unsigned consent that the target served for {consent.tester}"
    return _Given(said, consent.terms, consent.testers, None, None)


def _not_the_one(check: Check, name: str, stated: Mapping[str, Any]) -> Sequence[str]:
    entry = listed(check).entry(name)
    if entry is not None and stated.get("sha256") == entry.sha256:
        return ()
    return (f"{ENVIRONMENT} names another permission than {name}",)


def _from_elsewhere(terms: Terms, stated: Mapping[str, Any], sent: bool) -> Sequence[str]:
    sources = stated.get("source_addresses")
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources) or sent > bool(sources):
        return (f"{ENVIRONMENT} does not say where the load came from",)
    try:
        strangers = terms.strangers(sources)
    except ValueError:
        return (f"{ENVIRONMENT} has source addresses that are none",)
    return (f"the load came from {', '.join(strangers)}, from where it may not",) if strangers else ()


def _by_another(check: Check, given: _Given) -> Sequence[str]:
    problems = []
    sealed = {key.fingerprint for key in check.sealed_by}
    if given.testers and not (sealed and sealed <= set(given.testers)):
        problems.append("the bundle is not sealed by the keys that the permission names")
    if given.seal is not None:
        entry = listed(check).entry(SEAL)
        if entry is None or entry.sha256 != given.seal:
            problems.append("the run was not made under the plan's seal that the order names")
    return problems


def _started(environment: Mapping[str, Any]) -> datetime:
    return parse_rfc3339(environment.get("started_at"), f"started_at of {ENVIRONMENT}")


def _outside(given: _Given, started: datetime, last_ns: int) -> Sequence[str]:
    last, terms = started + timedelta(microseconds=last_ns / 1000), given.terms
    problems = []
    if given.issued_at is not None and given.issued_at > started:
        problems.append(
            f"the order was issued at {to_rfc3339(given.issued_at)}, after the run began at {to_rfc3339(started)}"
        )
    if not terms.not_before <= started < terms.not_after:
        problems.append(f"the run began at {to_rfc3339(started)}, outside the permitted window")
    elif last > terms.not_after + timedelta(seconds=MOST_LATE_SECONDS):
        problems.append(f"requests were sent until {to_rfc3339(last)}, beyond the permitted window")
    return problems


def _too_fast(terms: Terms, seconds: npt.NDArray[np.int64]) -> Sequence[str]:
    from seatrial.stats.rate_limit import excess

    found = excess(seconds, terms.max_per_second)
    return (f"more was sent than the permitted {terms.max_per_second:g} requests/s: {found}",) if found else ()


def _sent(parts: Sequence[Path]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the requests sent in each second from the run's epoch, and when the last one was, in ns from there.

    The records are read lazily, one part after the other: memory holds one part and one number for each second.
    """
    # Here and not above: what reads records is large, and a verification without records does not need it.
    import numpy as np
    import polars as pl

    from seatrial.evidence.recompute import check_file
    from seatrial.model.sample import NEVER
    from seatrial.samples.merge import PART_ROWS
    from seatrial.units import SECOND
    from seatrial.verdict.inputs import RECORD_SCHEMA, guarded

    counts, last_ns = np.zeros(0, np.int64), 0
    for part in parts:
        check_file(part, RECORD_SCHEMA, PART_ROWS)
        lazy = pl.scan_parquet(part, glob=False).select("sent_ns").filter(pl.col("sent_ns") != NEVER)
        sent = guarded(part.name, partial(_numbers, lazy))
        if not len(sent):
            continue
        if sent.min() < 0 or sent.max() > _MOST_NS:
            raise BundleError("a record was sent at no time that a run has", value=part.name, remedy=_SOURCE)
        last_ns = max(last_ns, int(sent.max()))
        found = np.bincount(sent // SECOND)
        if len(found) > len(counts):
            counts = np.concatenate((counts, np.zeros(len(found) - len(counts), np.int64)))
        counts[: len(found)] += found
    return counts, last_ns


def _numbers(lazy: pl.LazyFrame) -> npt.NDArray[np.int64]:
    return lazy.collect().to_series().to_numpy()
