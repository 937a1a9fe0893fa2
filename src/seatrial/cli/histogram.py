"""``seatrial histogram``: times for tools that read HdrHistogram's interval logs, and such logs summed up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seatrial.cli.bundles import invalid_where_unreadable
from seatrial.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from seatrial.stats.histogram import Histogram

__all__ = ["register"]

_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("histogram")(histogram)


def histogram(
    source: Annotated[Path, typer.Argument(help="A bundle, or an interval log (.hlog) of any tool.")],
    out: Annotated[Path | None, typer.Option(help="Write the bundle's interval log here.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a bundle's times as an HdrHistogram interval log, or sum up a bundle or a log. Nothing is judged."""
    from seatrial.reports.histograms import bundle_intervals, totals

    if not source.exists():
        raise UsageError("there is nothing here", value=source, remedy="Give a bundle or an interval log.")
    with invalid_where_unreadable():
        if source.is_file() and source.suffix == ".hlog":
            if out is not None:
                raise UsageError("this is an interval log already", value=source, remedy="Leave out --out.")
            sums = _of_log(source)
        else:
            from seatrial.evidence.bundle import open_bundle

            with open_bundle(source) as folder:
                if out is not None:
                    count = _write(source, folder, out)
                    print(
                        json.dumps({"file": str(out), "intervals": count}) if as_json else f"{out}  {count:,} intervals"
                    )
                    return
                sums = totals(bundle_intervals(folder))
    print(json.dumps({"tags": _document(sums)}, indent=2) if as_json else _table(sums))


def _of_log(path: Path) -> dict[str, Histogram]:
    from seatrial.reports.histograms import totals
    from seatrial.stats.hdr_log import read_log

    try:
        with path.open(encoding="utf-8") as file:
            return totals(read_log(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the log can't be read", value=f"{path}: {error}", remedy="Give a file in UTF-8.") from error
    except ValueError as error:
        raise EvidenceError("its intervals do not add up", value=error, remedy="Sum them up one by one.") from error


def _write(source: Path, folder: Path, out: Path) -> int:
    from seatrial.reports.histograms import write_bundle_log

    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError("the file would lie in the bundle itself", value=out, remedy="Name a place outside of it.")
    draft = out.with_name(out.name + ".draft")
    try:
        try:
            with draft.open("w", encoding="utf-8") as file:
                count = write_bundle_log(folder, file)
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            "the log can't be written", value=f"{out}: {error.strerror}", remedy="Name another."
        ) from error
    return count


def _document(sums: Mapping[str, Histogram]) -> list[dict[str, Any]]:
    return [
        {
            "tag": tag,
            "count": one.total,
            "mean_ns": one.mean,
            **{f"{name.replace('.', '_')}_ns": one.quantile(quantile) for name, quantile in _QUANTILES},
            "max_ns": one.max,
            "relative_error": one.layout.relative_error,
        }
        for tag, one in sums.items()
    ]


def _table(sums: Mapping[str, Histogram]) -> str:
    from seatrial.units import format_duration

    rows = [["tag", "count", *(name for name, _ in _QUANTILES), "max"]]
    for tag, one in sums.items():
        values = [*(one.quantile(quantile) for _, quantile in _QUANTILES), one.max]
        shown = ["–" if value is None else format_duration(value) for value in values]
        rows.append([_shown(tag), f"{one.total:,}", *shown])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = (
        row[0].ljust(widths[0])
        + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )
    return "\n".join(lines)


def _shown(tag: str) -> str:
    """Return a tag for people. It may come from anywhere: what would steer a terminal is not printed."""
    from seatrial.stats.hdr_log import tag_parts

    text = " / ".join(tag_parts(tag)) or "–"
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
