"""What may be loaded, when, how fast and from where: the terms of a test order and of an owner's consent."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import EnvelopeError, EvidenceError
from seatrial.evidence.canonical import parse_rfc3339

__all__ = ["ANY", "TERMS", "Terms", "parse_terms", "refuse_odd_fields", "text_of"]

ANY = "any"
"""As the only source: load may come from everywhere."""

_MOST_ENTRIES = 1000
_MOST_RATE = 1e9
_TARGET = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]+\]):[0-9]{1,5}")
_REMEDY = "Write it as docs/how-to/authorisation.md says."


@dataclass(frozen=True, slots=True)
class Terms:
    """What is permitted.

    Attributes:
        targets: ``host:port`` of everything that may be loaded, in lower case; at least one.
        not_before: First permitted moment, UTC.
        not_after: First moment after the window, UTC; later than ``not_before``.
        max_per_second: Most requests in a second; above 0.
        sources: Addresses or networks (CIDR) that load may come from, or :data:`ANY` alone; at least one.

    Raises:
        EvidenceError: one of these is not so.
    """

    targets: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    max_per_second: float
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        for what, entries in (("targets", self.targets), ("sources", self.sources)):
            if not 0 < len(entries) <= _MOST_ENTRIES or len(set(entries)) < len(entries):
                said = f"the permission's {what} are none, more than {_MOST_ENTRIES}, or one stands twice"
                raise EvidenceError(said, value=len(entries), remedy=_REMEDY)
        for target in self.targets:
            if not _TARGET.fullmatch(target) or not 0 < int(target.rpartition(":")[2]) < 65536:
                raise EvidenceError("a permitted target is not host:port in lower case", value=target, remedy=_REMEDY)
        if self.sources != (ANY,):
            for source in self.sources:
                _network(source)
        if self.not_after <= self.not_before:
            span = f"{to_rfc3339(self.not_before)} to {to_rfc3339(self.not_after)}"
            raise EvidenceError("the permitted window ends before it begins", value=span, remedy=_REMEDY)
        if not (math.isfinite(self.max_per_second) and 0 < self.max_per_second <= _MOST_RATE):
            raise EvidenceError(
                "the highest rate is not a number of requests per second", value=self.max_per_second, remedy=_REMEDY
            )

    def covers(self, place: str) -> bool:
        """Return whether ``host:port`` is among the targets."""
        return place.lower() in self.targets

    def strangers(self, sources: Iterable[str]) -> tuple[str, ...]:
        """Return those of the source addresses that load may not come from."""
        if self.sources == (ANY,):
            return ()
        allowed = [_network(source) for source in self.sources]
        found = {source: ipaddress.ip_address(source.partition("%")[0]) for source in sources}
        return tuple(source for source, at in found.items() if not any(at in network for network in allowed))

    def to_object(self) -> dict[str, Any]:
        """Return the terms as JSON-ready data."""
        return {
            "targets": list(self.targets),
            "notBefore": to_rfc3339(self.not_before),
            "notAfter": to_rfc3339(self.not_after),
            "maxRequestsPerSecond": self.max_per_second,
            "sources": list(self.sources),
        }


TERMS = frozenset({"targets", "notBefore", "notAfter", "maxRequestsPerSecond", "sources"})


def parse_terms(document: Mapping[str, Any]) -> Terms:
    """Read the terms out of a document whose other fields its own reader looks at.

    Raises:
        EnvelopeError: A field is missing, of the wrong type, or out of range.
    """
    missing = TERMS - document.keys()
    if missing:
        raise EnvelopeError("the permission lacks fields", value=", ".join(sorted(missing)), remedy=_REMEDY)
    rate = document["maxRequestsPerSecond"]
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise EnvelopeError("maxRequestsPerSecond is no number", value=repr(rate), remedy=_REMEDY)
    try:
        return Terms(
            _texts(document["targets"], "targets"),
            parse_rfc3339(document["notBefore"], "notBefore"),
            parse_rfc3339(document["notAfter"], "notAfter"),
            rate,
            _texts(document["sources"], "sources"),
        )
    except EvidenceError as error:
        raise EnvelopeError(error.what, value=error.value, remedy=error.remedy) from error


def text_of(value: object, what: str) -> str:
    """Return a text that people read: not empty, printable, at most 500 characters.

    Raises:
        EnvelopeError: It is something else.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 500:
        raise EnvelopeError(f"{what} is empty or not printable text", value=repr(value)[:200], remedy=_REMEDY)
    return value


def refuse_odd_fields(document: object, needed: Collection[str], may: Collection[str], what: str) -> dict[str, Any]:
    """Return a JSON object that has the fields it needs and no unknown one.

    Raises:
        EnvelopeError: It has not.
    """
    if not isinstance(document, dict) or not set(needed) <= document.keys() <= set(needed) | set(may):
        odd = document.keys() ^ set(needed) if isinstance(document, dict) else {type(document).__name__}
        raise EnvelopeError(
            f"{what} has fields missing or unknown", value=", ".join(sorted(map(str, odd)))[:200], remedy=_REMEDY
        )
    return document


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise EnvelopeError(f"the permission's {what} are no list of texts", value=repr(value)[:200], remedy=_REMEDY)
    texts: Sequence[str] = value
    return tuple(texts)


def _network(source: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(source)
    except ValueError as error:
        raise EvidenceError(
            "a permitted source is neither an address nor a network such as 192.0.2.0/24",
            value=source,
            remedy=f"{_REMEDY[:-1]}, or 'any' alone.",
        ) from error
