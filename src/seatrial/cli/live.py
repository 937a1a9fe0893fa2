"""The live view of a run: a small table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seatrial.engine.worker import BUCKETS_PER_OCTAVE, Tick
from seatrial.model.plan import Plan
from seatrial.model.profile import Stage
from seatrial.model.sample import NEVER, Outcome
from seatrial.model.verdict import RunVerdict, StageResult
from seatrial.reports.texts import say_in
from seatrial.trials.observer import SilentObserver
from seatrial.units import SECOND, format_duration, format_number, format_rate, format_share

__all__ = ["LiveView", "OnlyFailures"]

_BAR = 30


class _Second:
    """The last report of every worker, added up."""

    def __init__(self) -> None:
        self.by_worker: dict[int, Tick] = {}
        self.total: Counter[int] = Counter()
        self.seconds = 0

    def take(self, tick: Tick) -> None:
        self.by_worker[tick.worker] = tick
        self.total.update(tick.outcomes)
        if tick.worker == 0:
            self.seconds += 1

    @property
    def outcomes(self) -> Counter[int]:
        merged: Counter[int] = Counter()
        for tick in self.by_worker.values():
            merged.update(tick.outcomes)
        return merged

    def quantile_ns(self, share: float) -> float | None:
        """Return a percentile of the last second's response times from the merged buckets, within 5 %."""
        merged: Counter[int] = Counter()
        for tick in self.by_worker.values():
            merged.update(tick.histogram)
        count, seen = sum(merged.values()), 0
        for bucket in sorted(merged):
            seen += merged[bucket]
            if seen >= share * count:
                return float(2 ** (bucket / BUCKETS_PER_OCTAVE) * 1000)
        return None


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
        self._second = _Second()
        self._say = say_in("en")

    def run_started(self, plan: Plan, bundle: Path, workers: int) -> None:
        """Show what is about to be done."""
        self._plan = plan
        noun = "worker" if workers == 1 else "workers"
        line = Text(f"{self._label}{plan.title}: {plan.target}, {workers} {noun}, evidence in {bundle}")
        self._console.print(line, soft_wrap=True)  # a path that is broken in two can't be copied

    def stage_started(self, trial: int, stage: Stage) -> None:
        """Begin a table for the stage."""
        self._second = _Second()
        if self._console.is_terminal:
            table = self._table(trial, stage)  # from the first moment, so that nothing jumps when reports come
            self._live = Live(table, console=self._console, refresh_per_second=4, transient=True)
            self._live.start(refresh=True)

    def tick(self, trial: int, stage: Stage, tick: Tick) -> None:
        """Redraw with one worker's report."""
        self._second.take(tick)
        if self._live is not None:
            self._live.update(self._table(trial, stage))

    def stage_ended(self, trial: int, stage: Stage, result: StageResult) -> None:
        """Print one line that stays."""
        self._end_live()
        word, style = {True: ("held", "green"), False: ("broke", "red"), None: ("undecided", "yellow")}[result.held]
        p95 = "hidden" if result.p95_ns is None else format_duration(result.p95_ns)
        errors = 1 - result.ok / result.intended if result.intended else 1.0
        line = Text(f"{self._label}{self._name(trial)} at {stage.name} ({format_rate(stage.rate)} journeys): ")
        line.append(word, style=style)
        line.append(
            f"; {format_number(result.goodput_per_s)} of {format_number(result.offered_per_s)} steps/s ok, "
            f"p95 {p95}, errors {format_share(errors)}"
        )
        self._console.print(line, soft_wrap=True)

    def stopping(self) -> None:
        """Say at once that the wish was heard: who hears nothing asks again, and that costs the verdict."""
        self._end_live()
        self._console.print(
            "Stopping: requests under way have a few seconds to finish, then the evidence is sealed. "
            "Asking again ends the run at once, without a verdict.",
            soft_wrap=True,
        )

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

    def _table(self, trial: int, stage: Stage) -> Group:
        second, profile = self._second, stage.profile
        elapsed_ns = second.seconds * SECOND
        done = min(1.0, elapsed_ns / profile.duration_ns)
        phase = (
            "draining" if elapsed_ns > profile.duration_ns else "warm-up" if elapsed_ns < stage.judged_from_ns else ""
        )
        head = Text(f"{self._label}{self._name(trial)} at {stage.name}  ", style="bold")
        head.append("█" * round(done * _BAR) + "░" * (_BAR - round(done * _BAR)), style="cyan")
        head.append(
            f"  {min(second.seconds, profile.duration_ns // SECOND)} of {format_duration(profile.duration_ns)}  {phase}"
        )
        outcomes, ticks = second.outcomes, list(second.by_worker.values())
        steps, ok = sum(outcomes.values()), outcomes[Outcome.OK]
        p50, p95 = second.quantile_ns(0.5), second.quantile_ns(0.95)
        lag = max((tick.lag_p99_ns for tick in ticks), default=NEVER)
        cpu = max((tick.health["cpu_share"] for tick in ticks), default=0.0)
        errors = second.total.total() - second.total[Outcome.OK]
        kinds = ", ".join(
            f"{count:,} {self._say(f'outcome.{Outcome(kind).label}')}"
            for kind, count in second.total.most_common()
            if kind != Outcome.OK
        )
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_row(
            "offered", f"{format_rate(stage.rate)} journeys", "in progress", f"{sum(t.active for t in ticks):,}"
        )
        table.add_row("steps ended", f"{steps:,}/s", "ended ok", f"{ok:,}/s")
        table.add_row("response time p50", _time(p50), "p95", _time(p95))
        table.add_row("errors so far", kinds or f"{errors:,}", "", "")
        table.add_row("send lag p99", _time(None if lag == NEVER else lag), "generator CPU", format_share(cpu))
        return Group(head, table)


class OnlyFailures(SilentObserver):
    """Says on standard error why a run can't go on, and nothing else: for programs that read standard output."""

    def failed(self, sentence: str) -> None:
        """Print why the run can't go on."""
        print(f"seatrial: {sentence}", file=sys.stderr, flush=True)


def _time(ns: float | None) -> str:
    return "–" if ns is None else format_duration(ns)
