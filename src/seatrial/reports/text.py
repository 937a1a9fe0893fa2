"""The verdict as text: what a person reads on a terminal after a run, and what ``seatrial assess`` prints."""

from __future__ import annotations

from io import StringIO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seatrial.model.reasons import Language, sentence
from seatrial.model.verdict import ObjectiveResult, Reason, RunVerdict, StageResult, TrialVerdict, Verdict
from seatrial.reports.attempts import attempt_line
from seatrial.reports.tables import PartTable, part_tables
from seatrial.reports.texts import Say, say_in
from seatrial.reports.wording import (
    bounds,
    measured_of,
    objective_text,
    relied_on,
    retries_line,
    stage_name,
    stages_in_order,
)
from seatrial.units import format_duration, format_number, format_share

__all__ = ["render_text"]

STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.INVALID: "bold magenta",
}
_HELD = {True: ("✓", "held.true", "green"), False: ("✗", "held.false", "bold red"), None: ("?", "held.none", "yellow")}
_BROKEN_OFF = frozenset(
    f"validity.{how}"
    for how in (
        "interrupted",
        "target_stopped",
        "permission_ended",
        "worker_lost",
        "recording_failed",
        "target_failed",
        "ending_unknown",
    )
)


def render_text(verdict: RunVerdict, language: Language = "en", *, colour: bool = False, width: int = 110) -> str:
    """Return a verdict as text: verdict, reasons, limits, the parts of its kind, and the levels or runs.

    Words carry the meaning and colours only repeat it. Reasons are shown as they are: square brackets in a plan's
    names are not markup. There is no space at the end of a line and no newline at the end of the text.

    Args:
        verdict: What to show.
        language: Of every word but the plan's own.
        colour: Whether to add ANSI colours, for a terminal.
        width: Characters in a line.
    """
    say = say_in(language)
    word, means = say(f"verdict.{verdict.verdict}"), say(f"means.{verdict.verdict}")
    parts: list[RenderableType] = [
        Text.assemble((word, STYLES[verdict.verdict]), "  ", means),
        *_reasons(verdict.reasons, language),
    ]
    if line := attempt_line(verdict.attempt, say):
        parts.append(Text(line))
    for trial in verdict.trials:
        parts += [Text(""), *_trial(trial, language, say)]
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


def _trial(verdict: TrialVerdict, language: Language, say: Say) -> list[RenderableType]:
    trial = relied_on(verdict)
    parts: list[RenderableType] = [
        Text.assemble((trial.name, "bold"), "  ", (say(f"verdict.{trial.verdict}"), STYLES[trial.verdict])),
        *_reasons(trial.reasons, language),
    ]
    if trial.objectives:
        parts.append(Padding(_objectives(trial, say), (0, 0, 0, 2)))
    if line := retries_line(trial.retries, say):
        parts.append(Padding(Text(line), (0, 0, 0, 2)))
    for table in part_tables(trial, say):
        parts += [Padding(Text(table.title, style="dim"), (1, 0, 0, 2)), Padding(_part(table), (0, 0, 0, 2))]
    broken_off = any(reason.code in _BROKEN_OFF for reason in trial.reasons)
    if broken_off:
        parts.append(Padding(Text(say("page.finished_only" if trial.stages else "page.none_finished")), (0, 0, 0, 2)))
    if len(trial.stages) > 1 or (broken_off and trial.stages):
        parts.append(Padding(_levels(stages_in_order(trial), say), (1, 0, 0, 2)))
    return parts


def _reasons(reasons: tuple[Reason, ...], language: Language) -> list[RenderableType]:
    sentences = dict.fromkeys(sentence(reason.code, reason.params, language) for reason in reasons)
    return [Padding(Text(f"• {text}"), (0, 0, 0, 2)) for text in sentences]


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)


def _objectives(trial: TrialVerdict, say: Say) -> Table:
    table = _table()
    for key in ("objective", "measured", "bounds", "verdict"):
        table.add_column(say(f"table.{key}"))
    for result in trial.objectives:
        table.add_row(*_objective(result, say))
    return table


def _part(part: PartTable) -> Table:
    table = _table()
    for name, figures in part.head:
        table.add_column(name, justify="right" if figures else "left")
    for row in part.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _objective(result: ObjectiveResult, say: Say) -> tuple[Text, ...]:
    return (
        Text(objective_text(result.objective, say)),
        Text(measured_of(result, say), style="bold"),
        Text(bounds(result.value, result.unit, say)),
        Text(say(f"verdict.{result.verdict}"), style=STYLES[result.verdict]),
    )


def _levels(stages: tuple[StageResult, ...], say: Say) -> Table:
    table = _table()
    table.add_column(say("table.stage"))
    for key in ("offered", "goodput", "errors"):
        table.add_column(say(f"table.{key}"), justify="right")
    table.add_column("p95", justify="right")
    table.add_column(say("table.held"))
    for stage in stages:
        mark, key, style = _HELD[stage.held]
        table.add_row(
            Text(stage_name(stage.name, say)),
            Text(f"{format_number(stage.offered_per_s)}/s"),
            Text(f"{format_number(stage.goodput_per_s)}/s"),
            Text(format_share(1 - stage.ok / stage.intended) if stage.intended else say("page.dash")),
            Text(say("kept.none") if stage.p95_ns is None else format_duration(stage.p95_ns)),
            Text(f"{mark} {say(key)}", style=style),
        )
    return table
