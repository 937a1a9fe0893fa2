"""What the generator and its machine went through, in a few lines: no limit stands against it; nothing is judged."""

from __future__ import annotations

from typing import cast

import polars as pl

from seatrial.model.health import LAG_COLUMNS, LAG_EDGES_NS, LONG_TURN_NS, UNKNOWN
from seatrial.reports.texts import Say
from seatrial.units import format_duration

__all__ = ["strain_rows"]


def strain_rows(health: pl.DataFrame | None, say: Say) -> list[tuple[str, str]]:
    """Return (name, figures) pairs of a trial's health rows; none where there are no rows.

    Counts of the machine are those of the worker that counted longest, for every worker counts the same machine.
    """
    if health is None or health.is_empty():
        return []
    turns = say(
        "strain.turns_text",
        longest=format_duration(_most(health, "stall_ns")),
        count=f"{_total(health, 'long_turns'):,}",
        limit=format_duration(LONG_TURN_NS),
    )
    memory = say(
        "strain.memory_text",
        most=f"{_most(health, 'rss_bytes') / 1e6:,.0f} MB",
        time=format_duration(_total(health, "gc_ns")),
    )
    network = say(
        "strain.network_text",
        again=_of_machine(health, "tcp_retransmits", say),
        away=_of_machine(health, "listen_drops", say),
        lost=_of_machine(health, "udp_errors", say),
    )
    return [
        (say("strain.lags"), _lags(health, say)),
        (say("strain.turns"), turns),
        (say("strain.memory"), memory),
        (say("strain.network"), network),
    ]


def _lags(health: pl.DataFrame, say: Say) -> str:
    """Return the send-lag histogram; empty buckets are left out."""
    edges = ["0", *(format_duration(edge) for edge in LAG_EDGES_NS)]
    shown = []
    for place, column in enumerate(LAG_COLUMNS):
        if count := _total(health, column):
            key = "strain.lags_between" if place < len(LAG_EDGES_NS) else "strain.lags_above"
            high = edges[min(place + 1, len(LAG_EDGES_NS))]
            shown.append(say(key, low=edges[place], high=high, count=f"{count:,}"))
    return say("strain.and").join(shown) or say("page.dash")


def _total(health: pl.DataFrame, column: str) -> int:
    return int(cast("int", health[column].cast(pl.Int64).sum()))


def _most(health: pl.DataFrame, column: str) -> int:
    return int(cast("int", health[column].max()))


def _of_machine(health: pl.DataFrame, column: str, say: Say) -> str:
    known = health.filter(pl.col(column) != UNKNOWN)
    if known.is_empty():
        return say("strain.unknown")
    return f"{cast('int', known.group_by('worker').agg(pl.col(column).sum())[column].max()):,}"
