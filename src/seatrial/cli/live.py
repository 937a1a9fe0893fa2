"""The live view of a run: a small table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seatrial.engine.worker import Tick
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.verdict import RunVerdict, StageResult
from seatrial.model.verdict_parts import PeriodResult
from seatrial.reports.texts import say_in
from seatrial.trials.observer import SilentObserver
from seatrial.trials.snapshots import Snapshot, Snapshots
from seatrial.units import SECOND, format_duration, format_number, format_rate, format_share

__all__ = ["LiveView", "OnlyFailures"]

_BAR = 30


class LiveView:
    """Shows a run on standard error, so that standard output stays what the command answers.

    See :class:`seatrial.trials.observer.Observer`.

    Args:
        label: Put before the trial's name, for example the release on trial.
    """

    def __init__(self, label: str = "") -> None:
        self._label = f"{label} · " if label else ""
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._plan: Plan | None = None
        self._workers = 1
        self._snapshots: Snapshots | None = None
        self._say = say_in("en")

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Show what is about to be done."""
        self._plan, self._workers = plan, workers
        noun = "worker" if workers == 1 else "workers"
        line = Text(f"{self._label}{plan.title}: {plan.target}, {workers} {noun}, evidence in {bundle}")
        self._console.print(line, soft_wrap=True)  # a path that is broken in two can't be copied

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Begin a table for the stage."""
        self._snapshots = Snapshots(stage, self._workers)
        if self._console.is_terminal:
            table = self._table(trial, stage, None)  # from the first moment, so that nothing jumps when reports come
            self._live = Live(table, console=self._console, refresh_per_second=4, transient=True)
            self._live.start(refresh=True)

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Redraw once all workers have reported."""
        second = None if self._snapshots is None else self._snapshots.take(tick)
        if second is not None and self._live is not None:
            self._live.update(self._table(trial, stage, second))

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Print one line that stays."""
        self._end_live()
        word, style = {True: ("held", "green"), False: ("broke", "red"), None: ("undecided", "yellow")}[result.held]
        p95 = "hidden" if result.p95_ns is None else format_duration(result.p95_ns)
        errors = 1 - result.ok / result.intended if result.intended else 1.0
        rate = f" ({format_rate(stage.rate)} journeys)" if stage.rate else ""  # users have none beforehand
        line = Text(f"{self._label}{self._name(trial)} at {stage.name}{rate}: ")
        line.append(word, style=style)
        line.append(
            f"; {format_number(result.goodput_per_s)} of {format_number(result.offered_per_s)} steps/s ok, "
            f"p95 {p95}, errors {format_share(errors)}"
        )
        self._console.print(line, soft_wrap=True)
        for period in result.periods or ():
            self._console.print(Text(f"  {_period_line(period)}"), soft_wrap=True)

    def stopping(self) -> None:
        """Say at once that the wish was heard: who hears nothing asks again, and that costs the verdict."""
        self._end_live()
        self._console.print(
            "Stopping: requests under way have a few seconds to finish, then the evidence is sealed. "
            "Asking again ends the run at once, without a verdict.",
            soft_wrap=True,
        )

    def noted(self, sentence: str) -> None:
        """Print one line that stays, above the table where there is one."""
        self._console.print(Text(f"{self._label}{sentence}"), soft_wrap=True)

    def failed(self, sentence: str) -> None:
        """Print why the run can't go on."""
        self._end_live()
        self._console.print(Text(f"seatrial: {sentence}", style="red"), soft_wrap=True)

    def run_ended(self, verdict: RunVerdict) -> None:
        """Leave the terminal as it was."""
        self._end_live()
        sys.stderr.flush()

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _name(self, trial: int) -> str:
        return self._plan.trial_names()[trial] if self._plan else str(trial)

    def _table(self, trial: int, stage: Stage, second: Snapshot | None) -> Group:
        profile = stage.profile
        elapsed_ns = max(0, second.elapsed_ns) if second else 0
        done = min(1.0, elapsed_ns / profile.duration_ns)
        head = Text(f"{self._label}{self._name(trial)} at {stage.name}  ", style="bold")
        head.append("█" * round(done * _BAR) + "░" * (_BAR - round(done * _BAR)), style="cyan")
        seconds = min(elapsed_ns, profile.duration_ns) // SECOND
        phase = _period_at(stage, elapsed_ns) or (second.phase if second and second.phase != "judged" else "")
        head.append(f"  {seconds} of {format_duration(profile.duration_ns)}  {phase}")
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for row in self._rows(second):
            table.add_row(*row)
        return Group(head, table)

    def _rows(self, second: Snapshot | None) -> list[tuple[str, str, str, str]]:
        if second is None:
            offered = _offered(self._snapshots.first_offered, None) if self._snapshots else ("", "")
            return [(*offered, "in progress", "0"), *[("", "", "", "")] * 4]
        kinds = [f"{count:,} {self._say(f'outcome.{kind.label}')}" for kind, count in second.errors_so_far.items()]
        return [
            (*_offered(second.offered_per_s, second.due_per_s), "in progress", f"{second.sessions:,}"),
            ("answered", _rate(second.achieved_per_s, "steps"), "ended ok", _rate(second.goodput_per_s, "steps")),
            ("response time p50", _time(second.p50_ns), "p95, p99", f"{_time(second.p95_ns)}, {_time(second.p99_ns)}"),
            ("errors so far", ", ".join(kinds) or "0", "", ""),
            ("send lag p99", _time(second.lag_p99_ns), "generator CPU", format_share(second.cpu)),
        ]


class OnlyFailures(SilentObserver):
    """Says on standard error why a run can't go on, and nothing else: for programs that read standard output."""

    def failed(self, sentence: str) -> None:
        """Print why the run can't go on."""
        print(f"seatrial: {sentence}", file=sys.stderr, flush=True)


def _period_at(stage: Stage, elapsed_ns: int) -> str:
    """Return the name of the period that a stage is in; empty outside any."""
    return next((period.name for period in stage.periods if period.from_ns <= elapsed_ns < period.to_ns), "")


def _period_line(period: PeriodResult) -> str:
    refused = f", {period.refused:,} refused" if period.refused else ""
    p95 = "hidden" if period.p95_ns is None else format_duration(period.p95_ns)
    return (
        f"{period.name}: {format_number(period.goodput_per_s)} of {format_number(period.offered_per_s)} steps/s ok, "
        f"p95 {p95}{refused}"
    )


def _time(ns: float | None) -> str:
    return "–" if ns is None else format_duration(ns)


def _offered(offered_per_s: float | None, due_per_s: float | None) -> tuple[str, str]:
    """Return what is offered by plan; for users who begin again as they come back, what they began."""
    if offered_per_s is None:
        return "begun", _rate(due_per_s, "journeys")
    return "offered", _rate(offered_per_s, "journeys")


def _rate(per_second: float | None, of: str) -> str:
    return "–" if per_second is None else f"{format_rate(per_second)} {of}"
