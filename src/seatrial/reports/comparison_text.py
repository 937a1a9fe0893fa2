"""A comparison as text: what ``seatrial compare`` prints."""

from __future__ import annotations

from io import StringIO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seatrial.model.comparison import Comparison
from seatrial.model.reasons import Language, sentence
from seatrial.reports.comparison_rows import beside_rows, figure_rows
from seatrial.reports.text import STYLES
from seatrial.reports.texts import Say, say_in

__all__ = ["render_comparison"]

MOST_ROWS = 12
_COLOURS = {"worse": "bold red", "better": "green", "equal": "green", "not_worse": "green", "undecided": "yellow"}


def render_comparison(
    comparison: Comparison, language: Language = "en", *, colour: bool = False, width: int = 120
) -> str:
    """Return a comparison as text: verdict, reasons, and a short table, the worst first.

    Words carry the meaning and colours only repeat it.

    Args:
        comparison: What to show.
        language: Of every word but the plans' own.
        colour: Whether to add ANSI colours, for a terminal.
        width: Characters in a line.
    """
    say = say_in(language)
    word, means = say(f"verdict.{comparison.verdict}"), say(f"compare.means.{comparison.verdict}")
    parts: list[RenderableType] = [Text.assemble((word, STYLES[comparison.verdict]), "  ", means)]
    texts = (sentence(reason.code, reason.params, language) for reason in comparison.reasons)
    parts += [Padding(Text(f"• {text}"), (0, 0, 0, 2)) for text in texts]
    if comparison.parts:
        parts += [Text(""), Padding(_figures(comparison, say), (0, 0, 0, 2))]
        beyond = sum(len(part.figures) for part in comparison.parts) - MOST_ROWS
        if beyond > 0:
            parts.append(Padding(Text(say("compare.more", count=str(beyond))), (0, 0, 0, 2)))
    if comparison.beside:
        parts += [Text(""), Padding(_beside(comparison, say), (0, 0, 0, 2))]
    page = StringIO()
    console = Console(
        file=page,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip().splitlines())


def _table(say: Say, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for name in columns:
        table.add_column(say(f"compare.{name.lstrip('#')}"), justify="right" if name.startswith("#") else "left")
    return table


def _figures(comparison: Comparison, say: Say) -> Table:
    table = _table(say, "place", "step", "figure", "#old", "#new", "#change", "interval", "#p", "result")
    for row in figure_rows(comparison, say)[:MOST_ROWS]:
        cells = (row.place, row.step, row.what, row.old, row.new, row.change, row.interval, row.p)
        table.add_row(*map(Text, cells), Text(row.result, style=_COLOURS[row.state]))
    return table


def _beside(comparison: Comparison, say: Say) -> Table:
    table = _table(say, "place", "figure", "#old", "#new", "result")
    for row in beside_rows(comparison, say):
        cells = (row.trial, row.what, row.old, row.new)
        table.add_row(*map(Text, cells), Text(row.result, style=_COLOURS[row.state]))
    return table
