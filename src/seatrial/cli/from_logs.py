"""``seatrial plan from-logs``: from access logs to rates, journeys, think times and a draft of a plan."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.demand import write_files

if TYPE_CHECKING:
    from seatrial.authoring.draft_plan import Draft
    from seatrial.authoring.log_summary import LogSummary

__all__ = ["from_logs"]


def from_logs(
    logs: Annotated[list[Path], typer.Argument(help="Access logs, plain or gzip, the oldest first.")],
    out: Annotated[Path | None, typer.Option(help="A folder for plan.yaml and arrivals.csv.")] = None,
    width: Annotated[str | None, typer.Option("--bin", help="Width of a bin, such as 1min.")] = None,
    gap: Annotated[str, typer.Option(help="Silence that ends a session.")] = "30min",
    bad_lines: Annotated[str, typer.Option(help="Highest share of lines in no known form.")] = "1%",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read access logs (Common, Combined, JSON lines) and draft a plan from them. Nothing personal is written.

    Raises:
        PlanError: a log can't be read, is none, or says too little.
        UsageError: a wrong option, or a file to be written is there already.
    """
    from seatrial.authoring.draft_plan import draft_plan
    from seatrial.authoring.log_summary import summarise_log
    from seatrial.errors import UsageError
    from seatrial.units import SECOND, parse_duration, parse_share

    def option(name: str, text: str, parse: object) -> float:
        from seatrial.authoring.problems import split_message

        try:
            value = parse(text)  # type: ignore[operator]
        except ValueError as error:
            what, remedy = split_message(str(error))
            raise UsageError(what, value=f"{name} {text}", remedy=remedy) from error
        return float(value)

    gap_s = option("--gap", gap, parse_duration) / SECOND
    bin_s = None if width is None else option("--bin", width, parse_duration) / SECOND
    if gap_s <= 0:
        raise UsageError("a gap of no time", value=f"--gap {gap}", remedy="Write for example 30min.")
    if bin_s is not None and (bin_s < 1 or bin_s != int(bin_s)):
        raise UsageError("not whole seconds", value=f"--bin {width}", remedy="Write for example 10s or 1min.")
    most_bad = option("--bad-lines", bad_lines, parse_share)
    summary = summarise_log(logs, bin_s=None if bin_s is None else int(bin_s), gap_s=gap_s, most_bad=most_bad)
    draft = draft_plan(summary, ", ".join(path.name for path in logs[:3]) + (", …" if len(logs) > 3 else ""))
    written = write_files(out, draft.files) if out is not None else []
    if as_json:
        document = {**asdict(summary), "peak_per_s": draft.peak, "coverage": draft.coverage}
        document |= {"plan": draft.files["plan.yaml"], "written": [str(path) for path in written]}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    for line in _lines(summary, draft):
        typer.echo(line)
    if written:
        typer.echo(f"Written: {', '.join(str(path) for path in written)}")
    else:
        typer.echo(f"\n{draft.files['plan.yaml']}", nl=False)


def _lines(summary: LogSummary, draft: Draft) -> list[str]:
    from datetime import UTC, datetime

    from seatrial.authoring.problems import shorten
    from seatrial.units import SECOND, format_duration, format_number, format_rate, format_share

    begun = datetime.fromtimestamp(summary.begun_s, UTC)
    lines = [
        f"{summary.lines:,} lines from {begun:%Y-%m-%d %H:%M:%S} UTC, {format_duration(summary.lasted_s * SECOND)}",
        f"  not taken as pages: {summary.bad:,} in no known form, {summary.without_request:,} without a request, "
        f"{summary.robots:,} of robots, {summary.assets:,} of styles, pictures and the like, "
        f"{summary.missing:,} for what was not there",
    ]
    if summary.late or summary.cut:
        lines.append(f"  {summary.late:,} requests out of order; {summary.cut:,} sessions ended early")
    width = format_duration(summary.bin_s * SECOND)
    highest = [format_rate(max(rates)) for rates in (summary.requests_per_s, summary.sessions_per_s)]
    mean = format_duration(summary.mean_duration_s * SECOND)
    lines += [
        f"{summary.sessions:,} sessions of {summary.pages:,} pages, {mean} each on average",
        f"  busiest {width}: {highest[0]} of requests, {highest[1]} of sessions begun",
    ]
    if summary.think is not None:
        median = format_duration(summary.think.median_s * SECOND)
        lines.append(
            f"  think times: median {median}, sigma {format_number(summary.think.sigma)} ({summary.think.gaps:,} gaps)"
        )
    lines.append("Pages:")
    for method, path, number in summary.paths[:10]:
        lines.append(f"  {format_share(number / summary.pages)}  {method} {shorten(path)}")
    lines.append("Journeys:" if summary.journeys else "No sequence of pages returned: the draft takes single pages.")
    for journey in summary.journeys[:10]:
        steps = " → ".join(f"{method} {path}" for method, path in journey.steps)
        lines.append(f"  {format_share(journey.sessions / summary.sessions)}  {steps}")
    kept = format_share(draft.coverage)
    what = "sessions" if draft.whole else "pages"
    lines.append(f"P = {format_rate(draft.peak)} as recorded; the draft's journeys stand for {kept} of {what}.")
    return lines
