"""Test windows on a calendar, and what stands in the way of one. Intervals are half-open: [start, end)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from seatrial.errors import UsageError
from seatrial.model.selection import Words

__all__ = ["HOLIDAYS", "LONGEST", "Booking", "Clash", "Freeze", "Kind", "clashes"]

LONGEST = timedelta(days=3)
"""A window is three days at most: a soak of the longest service window fits."""

_HONG_KONG = ZoneInfo("Asia/Hong_Kong")

# Hong Kong's general holidays, as gazetted: https://www.gov.hk/en/about/abouthk/holiday/2026.htm
HOLIDAYS: Mapping[date, Words] = {
    date(2026, 1, 1): Words(en="The first day of January", zh="一月一日"),
    date(2026, 2, 17): Words(en="Lunar New Year's Day", zh="農曆年初一"),
    date(2026, 2, 18): Words(en="The second day of Lunar New Year", zh="農曆年初二"),
    date(2026, 2, 19): Words(en="The third day of Lunar New Year", zh="農曆年初三"),
    date(2026, 4, 3): Words(en="Good Friday", zh="耶穌受難節"),
    date(2026, 4, 4): Words(en="The day following Good Friday", zh="耶穌受難節翌日"),
    date(2026, 4, 6): Words(en="The day following Ching Ming Festival", zh="清明節翌日"),
    date(2026, 4, 7): Words(en="The day following Easter Monday", zh="復活節星期一翌日"),
    date(2026, 5, 1): Words(en="Labour Day", zh="勞動節"),
    date(2026, 5, 25): Words(en="The day following the Birthday of the Buddha", zh="佛誕翌日"),
    date(2026, 6, 19): Words(en="Tuen Ng Festival", zh="端午節"),
    date(2026, 7, 1): Words(en="Establishment Day", zh="香港特別行政區成立紀念日"),
    date(2026, 9, 26): Words(en="The day following the Mid-Autumn Festival", zh="中秋節翌日"),
    date(2026, 10, 1): Words(en="National Day", zh="國慶日"),
    date(2026, 10, 19): Words(en="The day following Chung Yeung Festival", zh="重陽節翌日"),
    date(2026, 12, 25): Words(en="Christmas Day", zh="聖誕節"),
    date(2026, 12, 26): Words(en="The first weekday after Christmas Day", zh="聖誕節後第一個周日"),
}


@dataclass(frozen=True, slots=True)
class Booking:
    """A window in which a case is put to trial.

    Attributes:
        case: Whose.
        department: Of the system.
        start: Aware.
        end: Aware, later than ``start``.
        generators: Names of the machines that make the load.
    """

    case: int
    department: int
    start: datetime
    end: datetime
    generators: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None or self.start >= self.end:
            raise UsageError(
                "this is no window",
                value=f"{self.start} to {self.end}",
                remedy="It begins before it ends, with a zone.",
            )


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which a department changes and loads nothing.

    Attributes:
        department: Whose.
        start: Aware.
        end: Aware.
        why: As the department says.
    """

    department: int
    start: datetime
    end: datetime
    why: str


class Kind(StrEnum):
    """What stands in the way."""

    GENERATOR = "generator"
    SAME_CASE = "same_case"
    FREEZE = "freeze"
    HOLIDAY = "holiday"
    NO_CALENDAR = "no_calendar"
    PAST = "past"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Clash:
    """One thing in the way of a window.

    Attributes:
        kind: Which.
        is_refused: Whether it rules the window out; otherwise it is booked with reasons.
        words: For people.
    """

    kind: Kind
    is_refused: bool
    words: Words


def clashes(
    wanted: Booking, bookings: Iterable[Booking], freezes: Iterable[Freeze], now: datetime
) -> tuple[Clash, ...]:
    """Return all that stands in the way of a window, in the order: itself, others, freezes, the calendar."""
    found: list[Clash] = []
    if wanted.start <= now:
        found.append(_refused(Kind.PAST, "It begins in the past.", "開始時間已過。"))
    if wanted.end - wanted.start > LONGEST:
        found.append(_refused(Kind.TOO_LONG, "It is longer than three days.", "時段長於三日。"))
    for other in bookings:
        if not (wanted.start < other.end and other.start < wanted.end):
            continue
        if other.case == wanted.case:
            found.append(_refused(Kind.SAME_CASE, "The case has a window then.", "本個案在該時段已有測試。"))
        for name in sorted(wanted.generators & other.generators):
            en, zh = f"The generator {name} is taken.", f"負載產生器 {name} 已被佔用。"
            found.append(_refused(Kind.GENERATOR, en, zh))
    for freeze in freezes:
        if freeze.department == wanted.department and wanted.start < freeze.end and freeze.start < wanted.end:
            en, zh = f"The department's freeze: {freeze.why}.", f"部門凍結期:{freeze.why}。"
            found.append(_refused(Kind.FREEZE, en, zh))
    found += _days(wanted)
    return tuple(dict.fromkeys(found))


def _days(wanted: Booking) -> list[Clash]:
    """Return the public holidays within a window, by the days of Hong Kong."""
    found = []
    day = wanted.start.astimezone(_HONG_KONG).date()
    last = (wanted.end - timedelta(microseconds=1)).astimezone(_HONG_KONG).date()
    known = {holiday.year for holiday in HOLIDAYS}
    for offset in range(min((last - day).days, LONGEST.days + 1) + 1):
        on = day + timedelta(days=offset)
        if on.year not in known:
            words = Words(en=f"There is no calendar of holidays for {on.year}.", zh=f"沒有 {on.year} 年的公眾假期曆。")
            found.append(Clash(Kind.NO_CALENDAR, is_refused=False, words=words))
        elif on in HOLIDAYS:
            name = HOLIDAYS[on]
            words = Words(
                en=f"{on.isoformat()} is a holiday: {name.en}.", zh=f"{on.isoformat()} 為公眾假期:{name.zh}。"
            )
            found.append(Clash(Kind.HOLIDAY, is_refused=False, words=words))
    return found


def _refused(kind: Kind, en: str, zh: str) -> Clash:
    return Clash(kind, is_refused=True, words=Words(en=en, zh=zh))
