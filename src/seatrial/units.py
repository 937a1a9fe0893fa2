"""Quantities as people write them, and as the house keeps them.

Durations are kept in integer nanoseconds, rates in events per second, shares as fractions of one. A quantity
without its unit is refused: ``10`` could be seconds or milliseconds.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Literal, TypeAlias

__all__ = [
    "MS",
    "SECOND",
    "AmountUnit",
    "format_amount",
    "format_duration",
    "format_number",
    "format_rate",
    "format_share",
    "parse_amount",
    "parse_duration",
    "parse_rate",
    "parse_share",
    "write_amount",
    "write_duration",
    "write_number",
    "write_rate",
]

MS = 1_000_000
SECOND = 1_000_000_000

AmountUnit: TypeAlias = Literal["share", "B", "number"]
"""What an amount counts: a fraction of one, bytes, or anything else."""

_MINUTE = 60 * SECOND
_UNIT_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": MS, "s": SECOND}  # both letters that look like mu
_UNIT_NS |= {"min": _MINUTE, "m": _MINUTE, "h": 60 * _MINUTE}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|μs|ms|min|s|m|h)\s*", re.ASCII)
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|sec|min|m|h)\s*", re.ASCII)
_RATE_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*", re.ASCII)
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%|B|[kKMGT]B|[KMGT]iB)?\s*", re.ASCII)
_AMOUNT_SIZE = {"": 1.0, "%": 0.01, "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_AMOUNT_SIZE |= {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
_LONGEST_NS = 31 * 24 * 3600 * SECOND  # no trial lasts longer than a month
_HIGHEST_RATE = 10_000_000.0  # per second; far above what any fleet of generators offers, far below overflow


def parse_duration(text: str) -> int:
    """Return the nanoseconds in a duration such as ``90s``, ``1h30m``, ``250ms``.

    Raises:
        ValueError: no unit, an unknown unit, or more than 31 days.
    """
    stripped = text.strip()
    position, total = 0, 0.0
    while position < len(stripped):
        match = _DURATION.match(stripped, position)
        if match is None:
            raise ValueError("not a duration; write a number and a unit: 250ms, 30s, 10m, 1h30m")
        total += float(match[1]) * _UNIT_NS[match[2]]
        position = match.end()
    if not stripped:
        raise ValueError("empty duration; write a number and a unit: 250ms, 30s, 10m, 1h30m")
    if total > _LONGEST_NS:
        raise ValueError("a duration of more than 31 days; write a shorter one")
    return round(total)


def format_duration(ns: float) -> str:
    """Return a short duration for people: ``1.52 s``, ``12 ms``, ``850 µs``, ``10 min``, ``1 h 30 min``."""
    if math.isinf(ns):
        return "unbounded"
    if ns < 0:
        return "-" + format_duration(-ns)
    if ns >= 60 * SECOND:
        seconds = round(ns / SECOND)
        hours, rest = divmod(seconds, 3600)
        minutes, seconds = divmod(rest, 60)
        parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
        return " ".join(f"{n} {unit}" for n, unit in parts if n)
    if ns >= SECOND:
        return f"{format_number(ns / SECOND)} s"
    if ns >= MS:
        return f"{format_number(ns / MS)} ms"
    return f"{format_number(ns / 1000)} µs"


def write_duration(ns: int) -> str:
    """Return a duration that :func:`parse_duration` reads back exactly: ``90s``, ``250ms``, ``7ns``."""
    for unit, size in (("s", SECOND), ("ms", MS), ("us", 1000)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"


def format_number(value: float) -> str:
    """Return a number in three significant digits, or as a whole number from 1000 up: ``1,234``, ``0.52``."""
    if math.isinf(value) or math.isnan(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{round(value):,}"
    return write_number(float(f"{value:.3g}"))


def parse_rate(text: str) -> float:
    """Return events per second from ``40/s``, ``2400/min`` or ``9000/h``.

    Raises:
        ValueError: not of that form, or more than ten million per second.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("not a rate; write events per unit of time: 40/s, 2400/min")
    rate = float(match[1]) / _RATE_SECONDS[match[2]]
    if rate > _HIGHEST_RATE:
        raise ValueError("a rate of more than 10,000,000/s; write a lower one")
    return rate


def format_rate(per_second: float) -> str:
    """Return a rate for people: ``40/s``."""
    return f"{format_number(per_second)}/s"


def write_rate(per_second: float) -> str:
    """Return a rate that :func:`parse_rate` reads back exactly: ``40/s``, ``0.0002777777777777778/s``."""
    return f"{write_number(per_second)}/s"


def write_number(value: float) -> str:
    """Return the shortest decimal, without an exponent, that reads back as the same float: ``40``, ``0.00001``."""
    text = f"{Decimal(repr(float(value))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_share(text: str) -> float:
    """Return the fraction of one in ``0.1%``, ``99 %``.

    Raises:
        ValueError: no percent sign, or more than 100 %.
    """
    match = _SHARE.fullmatch(text)
    if match is None:
        raise ValueError("not a share; write a percentage: 0.1%, 99%")
    share = float(match[1]) / 100
    if share > 1:
        raise ValueError("a share of more than 100 %; write at most 100%")
    return share


def format_share(share: float) -> str:
    """Return a share for people: ``0.12 %``, ``99.5 %``; small shares keep two significant digits."""
    percent = share * 100
    if percent and abs(percent) < 0.01:
        return f"{percent:.2g} %"
    return f"{round(percent, 2):g} %"


def parse_amount(text: str) -> tuple[float, AmountUnit]:
    """Return an amount of whatever a service measures of itself: ``2 GB``, ``512 MiB``, ``70%``, ``1024``.

    Bytes are counted in powers of ten (kB, MB, GB, TB) or of two (KiB, MiB, GiB, TiB). Of several cores more than
    100 % may be used.

    Returns:
        The value, a percentage as a share of one and bytes as bytes; and which of these it is.

    Raises:
        ValueError: not a number, an unknown unit, or not finite.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("not an amount; write a number, a percentage or bytes: 1024, 70%, 2 GB, 512 MiB")
    value = float(match[1]) * _AMOUNT_SIZE[match[2] or ""]
    if match[2] == "%":
        value = float(Decimal(match[1]).scaleb(-2))  # 70 % is 0.7 and no neighbour of it
    if math.isinf(value):
        raise ValueError("an amount that no machine holds; write a lower one")
    if match[2] is None:
        return value, "number"
    return value, "share" if match[2] == "%" else "B"


def format_amount(value: float, unit: AmountUnit) -> str:
    """Return an amount for people: ``1.5 GB``, ``70 %``, ``1,024``.

    Args:
        value: The amount.
        unit: Which kind of amount it is.
    """
    if unit == "share":
        return format_share(value)
    if unit == "B":
        for name, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if abs(value) >= size:
                return f"{format_number(value / size)} {name}"
        return f"{format_number(value)} B"
    return format_number(value)


def write_amount(value: float, unit: AmountUnit) -> str:
    """Return an amount that :func:`parse_amount` reads back exactly: ``2000000000 B``, ``70%``, ``1024``.

    Args:
        value: The amount.
        unit: As for :func:`format_amount`.
    """
    if unit == "share":
        percent = f"{Decimal(repr(float(value))).scaleb(2):f}"
        return f"{percent.rstrip('0').rstrip('.') if '.' in percent else percent}%"
    return f"{write_number(value)}{' B' if unit == 'B' else ''}"
