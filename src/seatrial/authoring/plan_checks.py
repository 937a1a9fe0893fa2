"""What a plan means, beyond its structure: whether what it names exists, and whether it can be run.

Every check works on the parts that could be read. A part that could not is reported by the validation and passed over
here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.authoring.counts import count_sessions, is_countable
from seatrial.authoring.feeders import FeedTable, read_feed
from seatrial.authoring.files import check_stop_file, check_tls
from seatrial.authoring.forecasts import check_forecast
from seatrial.authoring.journey_checks import JourneyCheck
from seatrial.authoring.problems import ProblemList
from seatrial.authoring.scopes import Scope
from seatrial.authoring.step_checks import check_headers
from seatrial.authoring.step_nodes import step_labels
from seatrial.authoring.validation import did_you_mean, part
from seatrial.authoring.yaml_source import Node
from seatrial.errors import PlanError
from seatrial.model.journey import Feed
from seatrial.model.objective import Metric, parse_objective
from seatrial.model.plan import Demand, Plan
from seatrial.model.profile import Arrivals, Stage
from seatrial.model.trial import Trial

__all__ = ["PlanChecks"]

_SKETCH = Plan.model_validate(
    {
        "seatrial": 1,
        "title": "sketch",
        "target": "http://127.0.0.1",
        "demand": {"peak": "1/s"},
        "journeys": {"sketch": {"steps": [{"get": "/"}]}},
        "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
    }
)


_OF_FAILURE = (Metric.ERRORS, Metric.GOODPUT, Metric.GOODPUT_RATE)


@dataclass
class PlanChecks:
    """The checks of one plan.

    Attributes:
        root: The plan as written.
        base: Its folder.
        digest: SHA-256 of its source, which keys the schedule.
        problems: Where problems go.
        tables: Feed tables read so far, by journey and variable; None where one could not be read.
    """

    root: Node
    base: Path
    digest: str
    problems: ProblemList
    tables: dict[tuple[str, str], FeedTable | None] = field(default_factory=dict)
    _read: dict[tuple[str, str], FeedTable] = field(default_factory=dict)

    def run(self) -> None:
        """Add every problem of meaning."""
        given = self._phase("set_up", None)
        self._phase("tear_down", given)
        self._happenings(given)
        journeys = self.root.get("journeys")
        for name, journey in journeys.entries.items() if journeys else ():
            feeds = self._feeds(name, journey)
            columns = {variable: table.columns if table else None for variable, table in feeds.items()}
            JourneyCheck(journey, self.base, columns, self.problems, given).run()
        if (headers := self.root.get("headers")) is not None:
            check_headers(headers, self.problems, templates=False)
        check_tls(self.root.get("tls"), self.base, self.problems)
        check_stop_file(self.root.get("stop", "file"), self.base, self.problems)
        check_forecast(self.root.get("demand"), self.base, self.problems)
        self._scopes()
        trials = self._trials()
        self._sessions(trials)

    def _phase(self, name: str, given: Scope | None) -> Scope | None:
        """Add every problem of set-up or tear-down; return the variables that it leaves behind."""
        node = self.root.get(name)
        if node is None:
            return given
        check = JourneyCheck(node, self.base, {}, self.problems, given)
        check.run()
        return check.scope

    def _happenings(self, given: Scope | None) -> None:
        """Add every problem of the requests by which a trial breaks the service or changes its size."""
        trials = self.root.get("trials")
        for trial in trials.items if trials else ():
            sizes = trial.get("sizes")
            phases = [trial.get("fault", "begin"), trial.get("fault", "end")]
            for phase in [*phases, *(size.get("set") for size in (sizes.items if sizes else ()))]:
                if phase is not None:
                    JourneyCheck(phase, self.base, {}, self.problems, given).run()

    def _feeds(self, journey: str, node: Node) -> Mapping[str, FeedTable | None]:
        feeds = node.get("feed")
        found: dict[str, FeedTable | None] = {}
        for variable, written in feeds.entries.items() if feeds else ():
            found[variable] = None
            feed: Feed | None = part(Feed, written)
            if feed is not None:
                try:
                    found[variable] = self._table(feed)
                except PlanError as error:
                    for problem in error.problems:
                        self.problems.add_elsewhere(written.line, problem)
            self.tables[journey, variable] = found[variable]
        return found

    def _table(self, feed: Feed) -> FeedTable:
        """Return the table of a feed; a file that several journeys name is read once."""
        key = (os.path.normpath(feed.path), "" if feed.jsonl else feed.encoding)
        if key not in self._read:
            self._read[key] = read_feed(feed, self.base)
        return self._read[key]

    def _scopes(self) -> None:
        journeys = self.root.get("journeys")
        if journeys is None or journeys.kind != "mapping":
            return
        steps = sorted({label for journey in journeys.entries.values() for label, _ in step_labels(journey)})
        known = set(steps)
        trials = self.root.get("trials")
        for trial in trials.items if trials else ():
            limits = trial.get("objectives")
            for limit in limits.items if limits else ():
                objective = _objective(limit)
                if objective is None or self.problems.is_full:
                    continue
                step, journey = objective
                if step is not None and step not in known:
                    self.problems.add(limit.line, "no step has this name", step, did_you_mean(step, steps))
                if journey is not None and journey not in journeys.entries:
                    remedy = did_you_mean(journey, journeys.entries)
                    self.problems.add(limit.line, "no journey has this name", journey, remedy)

    def _trials(self) -> list[tuple[Node, tuple[Stage, ...]]]:
        """Return each trial that could be read, with its stages; none when the demand could not be."""
        demand: Demand | None = part(Demand, self.root.get("demand"))
        trials = self.root.get("trials")
        if demand is None or trials is None:
            return []
        arrivals = self.root.get("arrivals")
        spread: Arrivals = "even" if arrivals is not None and arrivals.scalar == "even" else "poisson"
        found: list[tuple[Node, tuple[Stage, ...]]] = []
        for index, node in enumerate(trials.items):
            trial: Trial | None = part(Trial, node)
            if trial is not None:
                self._failing_is_limited(node, trial)
                # The load of its stages depends on the demand and the spread only; the rest of the plan may be wrong.
                sketch = _SKETCH.model_copy(update={"demand": demand, "arrivals": spread})
                found.append((node, trial.stages(index, sketch)))
        return found

    def _failing_is_limited(self, node: Node, trial: Trial) -> None:
        """Refuse a trial that limits times alone: a service that fails at once answers fast."""
        whole = [o for o in trial.objectives if o.of_records and o.step is None and o.journey is None]
        refusals = any(o.metric is Metric.REFUSALS for o in whole)
        # A service that refuses everybody keeps whatever is asked of those whom it admits.
        if not any(o.metric in _OF_FAILURE and (refusals or not o.admitted) for o in whole):
            limits = node.get("objectives")
            self.problems.add(
                limits.line if limits else node.line,
                "a trial that limits neither errors nor goodput, so that failing quickly would pass",
                trial.title,
                "Add a limit for all steps, for example errors <= 0.1%.",
            )

    def _sessions(self, trials: list[tuple[Node, tuple[Stage, ...]]]) -> None:
        """Add every journey that no session of some trial takes, and every feed that some trial would exhaust."""
        journeys = self.root.get("journeys")
        trials = self._open(trials)
        if journeys is None or journeys.kind != "mapping" or not journeys.entries or not trials:
            return
        weights = [_weight(journey) for journey in journeys.entries.values()]
        proportions = tuple(float(weight) for weight in weights if weight is not None)
        if len(proportions) < len(weights):
            return
        seed = self.root.get("seed")
        number = seed.scalar if seed and isinstance(seed.scalar, int) else 1
        exactly = is_countable([stage for _, stages in trials for stage in stages])
        counts = [
            count_sessions(self.digest, number, stages, proportions, exactly=exactly).per_journey
            for _, stages in trials
        ]
        for (trial, _), per_journey in zip(trials, counts, strict=True):
            for name, count in zip(journeys.entries, per_journey, strict=True):
                if not count:
                    remedy = "Hold it longer, or give the journey more weight."
                    self.problems.add(trial.line, "a trial in which no session takes a journey", name, remedy)
        most = dict(zip(journeys.entries, (max(column) for column in zip(*counts, strict=True)), strict=True))
        self._unique_feeds(most)

    def _open(self, trials: list[tuple[Node, tuple[Stage, ...]]]) -> list[tuple[Node, tuple[Stage, ...]]]:
        """Return the trials whose sessions can be counted beforehand; add what is wrong with those of users.

        How many iterations users come to depends on the service, so nobody knows how many rows they need.
        """
        closed = [(node, stages[0].users) for node, stages in trials if stages[0].users is not None]
        cap = self.root.get("max_sessions")
        most = (
            cap.scalar if cap is not None and isinstance(cap.scalar, int) else Plan.model_fields["max_sessions"].default
        )
        for node, users in closed:
            written = node.get("users")
            if users.count > most:
                remedy = "Raise max_sessions, or take fewer users."
                self.problems.add(
                    node.line,
                    f"more users than the {most:,} sessions permitted",
                    written.written if written else None,
                    remedy,
                )
        for name, variable in self.tables if closed else ():
            feed = self.root.get("journeys", name, "feed", variable)
            if feed is not None and self._is_unique(name, variable):
                what = "rows that are each to be used once, for users who begin again and again"
                self.problems.add(feed.line, what, feed.written or None, "Write order: cycle or order: random.")
        return [(node, stages) for node, stages in trials if stages[0].users is None]

    def _unique_feeds(self, most: Mapping[str, int]) -> None:
        """Add every feed of unique rows that has fewer than the ``most`` sessions of its journey in a trial."""
        for (name, variable), table in self.tables.items():
            written = self.root.get("journeys", name, "feed", variable)
            if table is None or written is None or not self._is_unique(name, variable):
                continue
            if len(table.rows) < most[name]:
                what = f"{len(table.rows)} rows, each to be used once, for {most[name]} sessions of {name}"
                remedy = f"Give the file {most[name]} rows, or write order: cycle or order: random."
                self.problems.add(written.line, what, written.written or None, remedy)

    def _is_unique(self, journey: str, variable: str) -> bool:
        feed: Feed | None = part(Feed, self.root.get("journeys", journey, "feed", variable))
        return feed is not None and feed.order == "unique"


def _objective(limit: Node) -> tuple[str | None, str | None] | None:
    """Return the (step, journey) of an objective; None when it can't be read."""
    try:
        objective = parse_objective(str(limit.scalar))
    except ValueError:
        return None
    return objective.step, objective.journey


def _weight(journey: Node) -> float | None:
    """Return a journey's weight; None when it is no number above zero."""
    node = journey.get("weight")
    if node is None:
        return 1.0
    value = node.scalar
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
