"""What the project asks of its engine, held against what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["TARGETS_HEAD", "Target", "target_rows", "targets"]

TARGETS_HEAD = ["asked", "limit", "measured", ""]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that is asked for.

    Attributes:
        name: What is asked.
        limit: Its bound.
        most: Whether the bound is the most allowed; else the least.
        measured: None where it was not measured in this run.
        unit: For people.
        digits: Decimals shown.
    """

    name: str
    limit: float
    most: bool
    measured: float | None
    unit: str
    digits: int = 1

    @property
    def said(self) -> str:
        """Return ``met``, ``missed`` or ``not measured``."""
        if self.measured is None:
            return "not measured"
        met = self.measured <= self.limit if self.most else self.measured >= self.limit
        return "met" if met else "missed"


def target_rows(found: list[Target]) -> list[list[str]]:
    """Return the cells of the table of targets."""
    return [
        [
            target.name,
            f"{'≤' if target.most else '≥'} {target.limit:,g} {target.unit}".rstrip(),
            "" if target.measured is None else f"{target.measured:,.{target.digits}f} {target.unit}".rstrip(),
            target.said,
        ]
        for target in found
    ]


def _maybe(value: Callable[[], float | None]) -> float | None:
    """Return a value of the document; None where that part or tool is not in it."""
    try:
        found = value()
    except (KeyError, ZeroDivisionError):
        return None
    return None if found is None else float(found)


def _speed(document: Row, kind: str, tool: str, key: str) -> float:
    row = next((row for row in document["speed"][kind] if row["tool"] == tool), None)
    if row is None:
        raise KeyError(tool)
    return float(row[key]["median"])


def _ratio(document: Row, kind: str, key: str, peer: str) -> float | None:
    return _maybe(lambda: _speed(document, kind, "ours", key) / _speed(document, kind, peer, key))


def _speeds(document: Row) -> list[Target]:
    journey, rate = "three-step journey", "requests/s"
    own = _maybe(lambda: _speed(document, "journey", "ours", "cpu_us"))
    tls = _maybe(lambda: _speed(document, "tls", "ours", "cpu_us"))
    found = [
        Target(f"{journey}: client CPU a request", 15, True, own, "µs"),
        Target(f"{journey}: {rate} against Locust", 8, False, _ratio(document, "journey", "rps", "locust"), "×"),
        Target(f"{journey}: {rate} against k6", 3, False, _ratio(document, "journey", "rps", "k6"), "×"),
        Target(f"{journey}: CPU a request against wrk", 2.5, True, _ratio(document, "journey", "cpu_us", "wrk"), "×"),
    ]  # fmt: skip
    found += [
        Target(f"{journey}: {rate} against {peer}", 1, False, _ratio(document, "journey", "rps", peer), "×", 2)
        for peer in ("autocannon", "gatling")
    ]
    found += [
        Target(f"GET: {rate} against {peer}", 1, False, _ratio(document, "get", "rps", peer), "×", 2)
        for peer in ("hey", "autocannon", "vegeta", "gatling")
    ]
    return [*found, Target("GET by TLS 1.3, kept alive: client CPU a request", 28, True, tls, "µs")]


def _sizes(document: Row) -> list[Target]:
    sessions, connections = document.get("sessions") or [], document.get("connections") or []
    enough = [row for row in sessions if row.get("sessions", 0) >= 100_000]
    each = _maybe(lambda: max(row["bytes_each"] for row in enough) if enough else None)
    whole = _maybe(lambda: max(row["generator_bytes"] for row in enough) / 1e9 if enough else None)
    held = _maybe(lambda: min(row["seen_by_server"] for row in connections) if connections else None)
    return [
        Target("100,000 sessions in think time: memory each", 2_000, True, each, "bytes", 0),
        Target("100,000 sessions in think time: the whole generator", 1.5, True, whole, "GB", 2),
        Target("open connections held", 20_000, False, held, "", 0),
    ]


def _times(document: Row) -> list[Target]:
    start, scaling, lag = (document.get(key) or {} for key in ("start", "scaling", "send_lag"))
    counts = [start[key]["seconds"]["median"] for key in ("workers_1", "workers_2") if key in start]
    ratio = _maybe(lambda: scaling["measured_ratio" if scaling["free_cores"] else "ratio_by_cost"])
    begun = _maybe(lambda: max(counts) if counts else None)
    free = "" if scaling.get("free_cores", True) else ", by cost: no free cores here"
    return [
        Target("send lag p50 at half of saturation", 0.3, True, _maybe(lambda: lag["lag_p50_ms"]["median"]), "ms", 3),
        Target("send lag p99 at half of saturation", 2, True, _maybe(lambda: lag["lag_p99_ms"]["median"]), "ms", 3),
        Target("from the command to the first request", 1.5, True, begun, "s", 2),
        Target(f"two workers against one{free}", 1.8, False, ratio, "×", 2),
    ]  # fmt: skip


def _truths(document: Row) -> list[Target]:
    delay, freeze = (_of_ours(document.get(key) or []) for key in ("known_delay", "freeze"))
    off = _maybe(lambda: delay["median_error_ms"]["median"])
    p95 = _maybe(lambda: abs(freeze["p95"]["relative_error"]) * 100)
    p99 = _maybe(lambda: abs(freeze["p99"]["relative_error"]) * 100)
    return [
        Target("known delay: the reported median is off by", 0.3, True, off, "ms", 3),
        Target("freeze drill: p95 against arithmetic", 5, True, p95, "%"),
        Target("freeze drill: p99 against arithmetic", 5, True, p99, "%"),
    ]


def _assessments(document: Row) -> list[Target]:
    by_size = {round(row["records"], -6): row for row in document.get("assess") or []}
    ten, hundred = by_size.get(10_000_000, {}), by_size.get(100_000_000, {})
    return [
        Target("assess 10 million records: time", 15, True, _maybe(lambda: ten["wall_s"]), "s"),
        Target("assess 10 million records: memory", 1, True, _maybe(lambda: ten["peak_bytes"] / 1e9), "GB", 2),
        Target("assess 100 million records: memory", 1, True, _maybe(lambda: hundred["peak_bytes"] / 1e9), "GB", 2),
    ]


def _verifications(document: Row) -> list[Target]:
    rows: list[Row] = document.get("verify") or [{}, {}]
    tenth, whole = rows
    of_a_gigabyte = whole if whole.get("bundle_bytes", 0) >= 0.95e9 else {}
    grown = _maybe(lambda: of_a_gigabyte["peak_bytes"] / tenth["peak_bytes"])
    return [
        Target("verify a bundle of 1 GB: time", 20, True, _maybe(lambda: of_a_gigabyte["wall_s"]), "s"),
        Target("verify a bundle of 1 GB: memory against 0.1 GB", 1.5, True, grown, "×", 2),
    ]


def _of_ours(rows: list[Row]) -> Row:
    return next((row for row in rows if row["tool"] == "ours"), {})


def targets(document: Row) -> list[Target]:
    """Return every figure that is asked for, with what this run measured of it."""
    return [
        *_speeds(document),
        *_times(document),
        *_sizes(document),
        *_truths(document),
        *_assessments(document),
        *_verifications(document),
    ]
