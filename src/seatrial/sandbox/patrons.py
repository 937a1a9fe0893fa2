"""The citizens who may sign in, all derived from their number.

The rule is public, so that a load test can be fed without asking the service:

    id   = "P" and the number in six digits           P000123
    pin  = (7919 × number + 674) mod 10000, four digits    4711
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.sandbox.problems import SandboxError

__all__ = ["MAX_PATRONS", "Patron", "patron", "patrons", "patrons_csv"]

MAX_PATRONS = 999_999

_FAMILY = (
    ("Chan", "陳"), ("Wong", "黃"), ("Lee", "李"), ("Lam", "林"), ("Cheung", "張"), ("Ho", "何"),
    ("Ng", "吳"), ("Leung", "梁"), ("Yip", "葉"), ("Tsang", "曾"), ("Mak", "麥"),
)  # fmt: skip
_GIVEN = (
    ("Ka Yan", "嘉欣"), ("Chi Ming", "志明"), ("Mei Ling", "美玲"), ("Wai Man", "慧敏"), ("Tsz Hin", "子軒"),
    ("Hoi Ching", "凱晴"), ("Chun Kit", "俊傑"), ("Siu Fong", "小芳"), ("Kwok Keung", "國強"),
    ("Sze Wing", "思穎"), ("Yat Long", "逸朗"), ("Lai Wah", "麗華"), ("Pui Shan", "佩珊"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patron:
    """One citizen: ``id`` such as P000123, a four-digit ``pin``, and a ``name`` in English or Chinese."""

    id: str
    pin: str
    name: str


def patron(number: int) -> Patron:
    """Return the citizen with this number, 1 to 999,999; odd numbers have Chinese names.

    Raises:
        SandboxError: the number is out of range.
    """
    if not 1 <= number <= MAX_PATRONS:
        raise SandboxError("no such patron number", value=number, remedy=f"Use 1 to {MAX_PATRONS}.")
    family, given = _FAMILY[number % len(_FAMILY)], _GIVEN[number % len(_GIVEN)]
    name = family[1] + given[1] if number % 2 else f"{given[0]} {family[0]}"
    return Patron(f"P{number:06d}", f"{(7919 * number + 674) % 10_000:04d}", name)


def patrons(count: int) -> Iterator[Patron]:
    """Return an iterator over the first ``count`` citizens, 1 to 999,999 of them.

    Raises:
        SandboxError: ``count`` is out of range. Raised at the call, not at the first item.
    """
    if not 1 <= count <= MAX_PATRONS:
        raise SandboxError("no such number of patrons", value=count, remedy=f"Use 1 to {MAX_PATRONS}.")
    return (patron(number) for number in range(1, count + 1))


def patrons_csv(count: int) -> str:
    """Return the first ``count`` citizens as CSV text with the header ``id,pin,name`` and bare line feeds.

    Raises:
        SandboxError: ``count`` is out of range.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "pin", "name"))
    writer.writerows((p.id, p.pin, p.name) for p in patrons(count))
    return out.getvalue()
