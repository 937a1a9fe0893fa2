"""What each tool says of its own run, brought to one form. Pure: text in, :class:`Said` out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["PARSERS", "Said", "UnreadableReportError"]

_TO_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class UnreadableReportError(ValueError):
    """A tool's report that does not say what it should."""


@dataclass(frozen=True, slots=True)
class Said:
    """A tool's own report.

    Attributes:
        requests: Requests it counts.
        errors: Failed requests and unexpected statuses it counts.
        p50_ms: Median latency, ms; None where it gives none. The same for the others.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
    """

    requests: int
    errors: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise UnreadableReportError(f"no {pattern!r} in a report of {len(text)} characters: {text[-200:]!r}")
    return match[1]


def _maybe(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return None if match is None else match[1]


def _sum(pattern: str, text: str) -> int:
    return sum(int(number) for number in re.findall(pattern, text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UnreadableReportError(f"not JSON: {text[-200:]!r}") from error


def _duration_ms(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:
        raise UnreadableReportError(f"not a duration: {text!r}")
    return float(match[1]) * _TO_MS[match[2]]


def wrk(text: str) -> Said:
    """Read wrk's text with ``--latency``; it gives no 95th percentile."""
    errors = sum(map(int, re.findall(r"\d+", _maybe(r"Socket errors: (.*)", text) or "")))
    return Said(
        requests=int(_find(r"(\d+) requests in", text)),
        errors=errors + int(_maybe(r"Non-2xx or 3xx responses: (\d+)", text) or 0),
        p50_ms=_duration_ms(_maybe(r"\s50%\s+(\S+)", text)),
        p99_ms=_duration_ms(_maybe(r"\s99%\s+(\S+)", text)),
    )


def h2load(text: str) -> Said:
    """Read h2load's text; it gives a mean and no percentiles."""
    done = int(_find(r"(\d+) done", text))
    failed = _sum(r"(\d+) failed", text) + _sum(r"(\d+) [45]xx", text)
    return Said(requests=done, errors=failed)


def hey(text: str) -> Said:
    """Read hey's summary."""
    good, bad = _sum(r"\[2\d\d\]\t(\d+) responses", text), _sum(r"\[[1345]\d\d\]\t(\d+) responses", text)
    lost = _sum(r"\[(\d+)\]\t(?!\d+ responses)", _maybe(r"(?s)Error distribution:(.*)", text) or "")

    def percentile(percent: int) -> float | None:
        seconds = _maybe(rf"{percent}%+ in ([\d.]+) secs", text)
        return None if seconds is None else float(seconds) * 1e3

    if not good + bad + lost:
        raise UnreadableReportError(f"no responses in hey's report: {text[-200:]!r}")
    return Said(good + bad + lost, bad + lost, percentile(50), percentile(95), percentile(99))


def ab(text: str) -> Said:
    """Read ab's text; its percentiles are whole milliseconds."""

    def percentile(percent: int) -> float | None:
        found = _maybe(rf"\s{percent}%\s+(\d+)", text)
        return None if found is None else float(found)

    errors = int(_find(r"Failed requests:\s+(\d+)", text)) + int(_maybe(r"Non-2xx responses:\s+(\d+)", text) or 0)
    complete = int(_find(r"Complete requests:\s+(\d+)", text))
    return Said(complete, errors, percentile(50), percentile(95), percentile(99))


def locust(text: str) -> Said:
    """Read Locust's ``_stats.csv``: the row of all requests."""
    for row in csv.DictReader(io.StringIO(text)):
        if row["Name"] == "Aggregated":
            count = int(row["Request Count"])
            times = [None if row[name] in ("N/A", "") else float(row[name]) for name in ("50%", "95%", "99%")]
            return Said(count, int(row["Failure Count"]), *times)
    raise UnreadableReportError(f"no row of all requests in Locust's CSV: {text[:200]!r}")


def autocannon(text: str) -> Said:
    """Read autocannon's JSON; it has p97.5 and no p95."""
    document = _json(text)
    latency = document["latency"]
    errors = document["errors"] + document["non2xx"] + document["timeouts"]
    return Said(document["requests"]["total"], errors, float(latency["p50"]), None, float(latency["p99"]))


def artillery(text: str) -> Said:
    """Read Artillery's JSON report."""
    total = _json(text)["aggregate"]
    counters, times = total["counters"], total["summaries"].get("http.response_time", {})
    bad = sum(n for name, n in counters.items() if re.fullmatch(r"http\.codes\.[45]\d\d|errors\..*", name))
    quantiles = [times.get(name) for name in ("median", "p95", "p99")]
    return Said(int(counters.get("http.requests", 0)), int(bad), *quantiles)


def k6(text: str) -> Said:
    """Read what ``scripts/k6.js`` writes: k6's own metrics; arrivals it dropped count as errors."""
    document = _json(text[text.index("{") :] if "{" in text else text)
    took = document["http_req_duration"]["values"]
    failed = document["http_req_failed"]["values"]["passes"]
    unchecked = document.get("checks", {}).get("values", {}).get("fails", 0)
    dropped = document.get("dropped_iterations", {}).get("values", {}).get("count", 0)
    count = int(document["http_reqs"]["values"]["count"])
    return Said(count, int(max(failed, unchecked) + dropped), took["med"], took["p(95)"], took["p(99)"])


def vegeta(text: str) -> Said:
    """Read ``vegeta report -type=json``."""
    document = _json(text)
    good = sum(count for code, count in document["status_codes"].items() if code.startswith("2"))
    latency = [document["latencies"][name] / 1e6 for name in ("50th", "95th", "99th")]
    return Said(document["requests"], document["requests"] - good, *latency)


def oha(text: str) -> Said:
    """Read oha's JSON; what it gave up at the deadline is no error."""
    document = _json(text)
    codes, errors = document["statusCodeDistribution"], document["errorDistribution"]
    bad = sum(count for code, count in codes.items() if not code.startswith("2"))
    lost = sum(count for name, count in errors.items() if "deadline" not in name)
    times = document["latencyPercentiles"]
    latency = [None if times[name] is None else times[name] * 1e3 for name in ("p50", "p95", "p99")]
    return Said(sum(codes.values()) + lost, bad + lost, *latency)


def gatling(text: str) -> Said:
    """Read the summary that Gatling prints: columns for all, those that were OK and those that were KO."""

    def numbers(label: str) -> list[float]:
        lines = re.findall(rf"(?m)^> {label}[^|]*\|(.*)$", text)
        if not lines:
            raise UnreadableReportError(f"no {label!r} in Gatling's summary: {text[-300:]!r}")
        cells = [cell.strip().replace(",", "") for cell in lines[-1].split("|")]
        return [0.0 if cell == "-" else float(cell) for cell in cells]

    total, _, failed = numbers("request count")
    return Said(int(total), int(failed), *(numbers(f"response time {p}th percentile")[0] for p in (50, 95, 99)))


def ours(text: str) -> Said:
    """Read what ``benchmarks.ours`` prints; unsent arrivals are no errors of the service and are shown apart."""
    document = _json(text)
    wrong = sum(n for name, n in document["outcomes"].items() if name not in ("ok", "unsent"))
    latency = [document[f"response_p{percent}_ms"] for percent in (50, 95, 99)]
    return Said(document["requests"], wrong, *latency)


PARSERS: dict[str, Callable[[str], Said]] = {
    "ours": ours,
    "wrk": wrk,
    "h2load": h2load,
    "hey": hey,
    "ab": ab,
    "locust": locust,
    "autocannon": autocannon,
    "artillery": artillery,
    "k6": k6,
    "vegeta": vegeta,
    "oha": oha,
    "gatling": gatling,
}
