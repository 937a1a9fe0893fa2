"""The words of a derivation of demand, in English and Traditional Chinese."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.demand import Derivation, Line
from seatrial.model.reasons import Language
from seatrial.units import SECOND, format_duration, format_number, format_share, write_number

__all__ = ["TERMS", "ShownLine", "case_name", "concurrency_note", "show_line"]

TERMS: dict[str, tuple[str, str]] = {
    "registered": ("Registered users", "已登記用戶"),
    "population": ("Population", "人口"),
    "growth": ("Growth until then", "屆時的增長"),
    "coming": ("Share that comes on the busiest day", "最繁忙一日使用服務的比例"),
    "visitors": ("V: visitors on the busiest day", "V：最繁忙一日的使用人數"),
    "peak_hour": ("Share of these in the busiest hour", "其中於最繁忙一小時使用的比例"),
    "in_the_hour": ("H: visitors in the busiest hour", "H：最繁忙一小時的使用人數"),
    "retries": ("Retries: further journeys per person", "重試：每人額外的流程"),
    "bots": ("Bots' share of all arrivals", "機械人佔所有到達的比例"),
    "arrivals": ("A: arrivals in the busiest hour", "A：最繁忙一小時的到達數目"),
    "mean_rate": ("Mean rate of that hour", "該小時的平均速率"),
    "busiest_minute": ("Busiest minute over the hour's mean", "最繁忙一分鐘相對該小時平均的倍數"),
    "rush": ("Opening rush: share of the hour come by {name}", "開放時的人潮：至 {name} 已到達的比例"),
    "rate": ("Rate until {name}", "至 {name} 為止的速率"),
    "rate_after": ("Rate in the rest of the hour", "該小時餘下時間的速率"),
    "highest_rate": ("Highest rate", "最高速率"),
    "peak": ("P: the highest rate, rounded up to three figures", "P：最高速率，向上取至三位有效數字"),
    "lasts": ("Mean duration of the journey {name}", "流程「{name}」的平均時間"),
    "mean_duration": ("R: mean duration of a journey", "R：流程的平均時間"),
    "concurrency": ("N: sessions in progress at P (Little's law)", "N：在 P 時同時進行的工作階段（利特爾法則）"),
}

_UNITS: dict[str, tuple[str, str]] = {
    "people": ("people", "人"),
    "journeys": ("journeys", "個流程"),
    "journeys/s": ("journeys/s", "個流程／秒"),
    "journeys per person": ("journeys per person", "個流程／人"),
    "sessions": ("sessions", "個工作階段"),
    "times": ("times", "倍"),
}
_CASES = {"base": ("base case", "基本情況"), "high": ("high case", "高需求情況")}
_TIMES = ("× {times} in this case: {source}", "此情況 × {times}：{source}")
_NOTES = {
    True: (
        "N holds while the service answers in its usual time; a service that slows down has more in progress.",
        "N 以服務維持正常回應時間為前提；服務變慢時，同時進行的工作階段會更多。",
    ),
    False: (
        "The rate P lasts {lasts}, less than a journey does ({mean}): N is an upper bound unless journeys take longer.",
        "速率 P 維持 {lasts}，短於一個流程所需的時間（{mean}）：除非流程需時更長，否則 N 為上限。",
    ),
}


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of a derivation in one language.

    Attributes:
        term: What it is.
        figure: With its unit.
        formula: How it follows; empty for an assumption.
        source: Where it comes from; empty for a result.
    """

    term: str
    figure: str
    formula: str
    source: str


def _in(pair: tuple[str, str], language: Language) -> str:
    return pair[0 if language == "en" else 1]


def case_name(case: str, language: Language) -> str:
    """Return a case's name for people; that of a case of the author's own as it is."""
    return _in(_CASES.get(case, (case, case)), language)


def show_line(line: Line, language: Language) -> ShownLine:
    """Return a line in one language."""
    if line.unit == "share":
        figure = format_share(line.value)
    elif line.unit == "s":
        figure = format_duration(line.value * SECOND)
    else:
        figure = f"{format_number(line.value)} {_in(_UNITS[line.unit], language)}"
    said = [
        each.source
        if each.times is None
        else _in(_TIMES, language).format(times=write_number(each.times), source=each.source)
        for each in line.assumptions
    ]
    return ShownLine(_in(TERMS[line.term], language).format(name=line.name), figure, line.formula, "; ".join(said))


def concurrency_note(derivation: Derivation, language: Language) -> str:
    """Return what must be known beside N."""
    note = _in(_NOTES[derivation.is_sustained], language)
    lasts, mean = (format_duration(ns) for ns in (derivation.peak_lasts_ns, derivation.mean_s * SECOND))
    return note.format(lasts=lasts, mean=mean)
