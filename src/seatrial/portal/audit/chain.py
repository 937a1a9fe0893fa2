"""Writing the record and walking it.

Appending takes a lock that lasts until the transaction ends, so numbers have no gap and the chain no fork: on
PostgreSQL an advisory lock, on SQLite the database's one writer. What is rolled back was never recorded, and what is
recorded can't be without what it records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import canonical_bytes, parse_json, sha256_hex
from seatrial.portal.accounts.models import User
from seatrial.portal.audit.models import AuditEntry

__all__ = ["Head", "append", "head", "verify"]

FIRST_PREVIOUS = "0" * 64
_LOCK = 0x5EA7_41A1  # an arbitrary number that nothing else in this database locks


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the record.

    Attributes:
        sequence: Number of the last entry; 0 where there is none.
        hash: Its hash; 64 zeros where there is none.
    """

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @staticmethod
    def parse(text: str) -> Head:
        """Read ``NUMBER:HASH``.

        Raises:
            EvidenceError: It is neither.
        """
        number, _, digest = text.partition(":")
        if not number.isascii() or not number.isdigit() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise EvidenceError("this is no head of an audit trail", value=text, remedy="Give NUMBER:HASH.")
        return Head(int(number), digest)


def append(
    what: str,
    *,
    by: User | None,
    on: object = None,
    particulars: Mapping[str, Any] | None = None,
    actor_name: str = "",
) -> AuditEntry:
    """Add an entry to the record, within the transaction of what it records.

    Args:
        what: A dotted name, as ``case.confirm``.
        by: Who did it; None for a machine or a stranger, who is then named by ``actor_name``.
        on: What it was done to: a row of the database.
        particulars: Whatever JSON can hold.
        actor_name: Who it was, where there is no account.

    Raises:
        EvidenceError: The particulars can't be written as canonical JSON.
    """
    with transaction.atomic():
        _lock()
        last = head()
        fields = {
            "sequence": last.sequence + 1,
            "at": timezone.now().astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": by.pk if by else None,
            "actor_name": (str(by) if by else actor_name)[:150],
            "what": what,
            "object_kind": type(on).__name__ if on is not None else "",
            "object_id": str(getattr(on, "pk", "")) if on is not None else "",
            "particulars": canonical_bytes(dict(particulars or {})).decode(),
            "previous": last.hash,
        }
        return AuditEntry.objects.create(**fields, hash=_hash(fields))


def _lock() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    # SQLite: every transaction of ours begins IMMEDIATE, so whoever is here is the only writer.


def head() -> Head:
    """Return the end of the record."""
    last = AuditEntry.objects.order_by("-sequence").values_list("sequence", "hash").first()
    return Head(*last) if last else Head(0, FIRST_PREVIOUS)


_HASHED = ("sequence", "at", "actor", "actor_name", "what", "object_kind", "object_id", "particulars", "previous")


def _hash(fields: Mapping[str, Any]) -> str:
    return sha256_hex(canonical_bytes({name: fields[name] for name in _HASHED}))


def verify(known: Head | None = None) -> Head:
    """Walk the whole record and return its end.

    Args:
        known: A head seen earlier, kept elsewhere: the record must still contain it.

    Raises:
        EvidenceError: An entry is missing, changed or out of line: the first such one is named.
    """
    last = Head(0, FIRST_PREVIOUS)
    for fields in _walk():
        number = fields["sequence"]
        if number != last.sequence + 1:
            raise _broken(f"entry {last.sequence + 1} is missing", number)
        if fields["previous"] != last.hash:
            raise _broken(f"entry {number} does not follow entry {last.sequence}", fields["previous"])
        parse_json(fields["particulars"].encode(), f"the particulars of entry {number}")
        if _hash(fields) != fields["hash"]:
            raise _broken(f"entry {number} was changed", fields["hash"])
        last = Head(number, fields["hash"])
        if known and known.sequence == number and known.hash != last.hash:
            raise _broken(f"entry {number} is not the one that was seen", last.hash)
    if known and known.sequence > last.sequence:
        raise _broken(f"the record was cut off: entry {known.sequence} was seen", last.sequence)
    return last


def _walk() -> Iterator[dict[str, Any]]:
    rows = AuditEntry.objects.order_by("sequence").values(*_HASHED, "hash")
    yield from rows.iterator(chunk_size=5_000)


def _broken(what: str, value: object) -> EvidenceError:
    return EvidenceError(
        f"the audit trail is broken: {what}", value=str(value), remedy="Keep the database as it is, and investigate."
    )
