"""The verdict, as it stands in the evidence and in ``--json``.

A verdict is data: codes and figures. The sentences that people read are made from the codes, in one place, in
English and Traditional Chinese (:mod:`seatrial.model.reasons`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, computed_field, model_serializer, model_validator

from seatrial.model.attempt import Attempt
from seatrial.model.document import Strict
from seatrial.model.reasons import sentence
from seatrial.model.telemetry_result import TelemetryResult
from seatrial.model.verdict_capacity import Collapse, Knee, Pace, ScalingLaw, Tail
from seatrial.model.verdict_parts import Bounded, DriftLine, PeriodResult, Recovery, SizeResult

__all__ = [
    "Bounded",
    "Capacity",
    "ObjectiveResult",
    "Reason",
    "Retries",
    "RunVerdict",
    "StageResult",
    "TrialVerdict",
    "Verdict",
    "WarmUp",
    "worst",
]


class Verdict(StrEnum):
    """What a trial showed. Only PASS is success."""

    PASS = "PASS"  # noqa: S105 -- a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2, Verdict.INVALID: 3}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that outranks the others: INVALID, then FAIL, INCONCLUSIVE, PASS; INVALID for none."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.INVALID)


class Reason(Strict):
    """Why, in one sentence.

    Attributes:
        code: Stable name of the rule, for example ``objective.broken``.
        params: The figures in the sentence, already formatted for people.
    """

    code: str
    params: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _text_is_derived(cls, value: object) -> object:
        return {k: v for k, v in value.items() if k != "text"} if isinstance(value, dict) else value

    @computed_field  # type: ignore[prop-decorator]
    @property
    def text(self) -> str:
        """Return the English sentence."""
        return sentence(self.code, self.params, "en")


class _Brief(Strict):
    """A part from whose document a figure that does not apply is left out, as if there were no such figure."""

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = write(self)
        return {key: value for key, value in document.items() if value is not None or key not in _LEFT_OUT}


_OF_STAGES = ("users", "retries", "warm_up", "pace", "periods", "telemetry")
_OF_LIMITS = ("from_send", "worst_at_ns", "tail", "error")
_OF_TRIALS = ("recovery", "drift", "sizes", "method", "knee", "collapse", "usl")
_LEFT_OUT = frozenset((*_OF_STAGES, *_OF_LIMITS, *_OF_TRIALS))


class ObjectiveResult(_Brief):
    """One limit against the data.

    Attributes:
        objective: As the plan writes it.
        verdict: PASS when the pessimistic bound keeps the limit, FAIL when the optimistic bound breaks it.
        value: In ``unit``, with bounds.
        limit: In ``unit``.
        unit: ``ns``, ``share``, ``P``, ``/s``, ``B`` (bytes) or ``number``.
        samples: Records it was computed from.
        undecided: Why it is INCONCLUSIVE, else None. ``no_samples``: nothing was recorded. ``hidden``: requests
            without an answer hide it. ``length``: a longer trial would decide. ``close``: too close to its limit
            for any trial of practical length. ``levels``: the levels offered do not decide a capacity. ``cut``: the
            stage was ended early, because another limit was hopeless. ``thin``: a window holds too few records.
        longer: How many times as long the trial would have to be; None unless ``undecided`` is ``length``.
        best_case: Whether ``value`` is over the whole stage with all that was still to come taken as perfect, when
            the stage was ended early.
        from_send: Of a percentile of response time: the same percentile from the actual send, over the steps that were
            sent, in ``unit``. None for other limits, and where steps without an answer hide it.
        tail: At a level of a stress trial: how many records lie beyond a limit on a percentile or a share. None for
            other limits, and where there are no records.
        error: Likewise of a mean: its standard error, in ``unit``.
        worst_at_ns: Of a limit on windows: where the worst begins, from the beginning of the judged time. ``value`` is
            its figure. None for other limits, and where there was no window.
    """

    objective: str
    verdict: Verdict
    value: Bounded
    limit: float
    unit: Literal["ns", "share", "P", "/s", "B", "number"]
    samples: int
    undecided: Literal["no_samples", "hidden", "length", "close", "levels", "cut", "thin"] | None = None
    longer: float | None = None
    best_case: bool = False
    from_send: float | None = None
    tail: Tail | None = None
    error: float | None = None
    worst_at_ns: int | None = None


class Retries(Strict):
    """Attempts that impatient people gave up to try again, which are no steps of their own.

    Attributes:
        count: How many there were.
        per_step: For each intended step.
        requests_per_s: Requests that the service met per second of judged time, these attempts included.
        amplification: Requests that it met for each step that was sent; 1 where nobody tried again.
    """

    count: int
    per_step: float
    requests_per_s: float
    amplification: float


class WarmUp(Strict):
    """A beginning of the judged time that is unlike the rest (:mod:`seatrial.stats.warmup`). It is judged all the same.

    Attributes:
        length_ns: How long it lasted.
        before_ns: Mean response time in it; of steps without an answer, what was waited.
        after_ns: Likewise of the rest.
    """

    length_ns: int
    before_ns: float
    after_ns: float


class StageResult(_Brief):
    """What one stage of a trial showed.

    Attributes:
        index: From 0.
        name: For example ``1.25 P``.
        rate: Offered journeys per second, as planned.
        duration_ns: Judged time.
        intended: Steps intended.
        sent: Steps sent.
        ok: Steps that ended ok.
        outcomes: Outcome label to count, zeros left out.
        offered_per_s: Steps intended per second of judged time.
        achieved_per_s: Steps sent per second of judged time.
        goodput_per_s: Steps that ended ok per second of judged time.
        p50_ns: Median response time over all records; None when censored records hide it.
        p95_ns: Likewise.
        p99_ns: Likewise.
        service_p50_ns: Median time from the actual send, over the steps that were sent: what a tool shows that does not
            know when a step was meant to start. None when censored records hide it.
        service_p95_ns: Likewise.
        service_p99_ns: Likewise.
        held: True when every limit but capacity is PASS; False when one is FAIL, or when more was unsent than the
            policy allows; None when neither is shown.
        objectives: Each limit but capacity against this stage.
        refused: Answers with status 429 or 503: the service refused clearly.
        users: In a closed model, how many users there were; ``rate`` is then what they began. None in an open one.
        retries: Attempts beside the steps; None where no step of the plan is retried.
        warm_up: Of a load trial that holds a level: the warm-up that is still in the judged time; None where none is
            found, or the time is too short to tell.
        telemetry: What each series of the service's own figures showed; None where the plan reads none.
        pace: Of a stress trial: goodput and mean response time; None for others, and without records.
        periods: Of a stage with periods, what each showed; None for others.
    """

    index: int
    name: str
    rate: float
    duration_ns: int
    intended: int
    sent: int
    ok: int
    outcomes: dict[str, int]
    offered_per_s: float
    achieved_per_s: float
    goodput_per_s: float
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    held: bool | None
    objectives: tuple[ObjectiveResult, ...]
    service_p50_ns: float | None = None
    service_p95_ns: float | None = None
    service_p99_ns: float | None = None
    refused: int = 0
    users: int | None = None
    retries: Retries | None = None
    warm_up: WarmUp | None = None
    telemetry: tuple[TelemetryResult, ...] | None = None
    pace: Pace | None = None
    periods: tuple[PeriodResult, ...] | None = None


class Capacity(_Brief):
    """The highest load that held. A level that is not decided counts for neither bound.

    Of a search it is an interval at the policy's confidence, where one can be fitted (:mod:`seatrial.stats.crossing`).

    Attributes:
        estimate: Highest level up to which every level held or, not being decided, kept every limit in its
            measured figure; in ``unit``; None when the lowest did not.
        lower: Highest level that held with every level below it; None when the lowest did not.
        upper: Lowest level that broke; None when none did (capacity lies above what was offered).
        unit: ``P`` or ``/s`` (journeys).
        method: Of a search: ``fit`` where the load at which a limit is just met was fitted to its levels, ``bracket``
            where they show no such load and these are levels that held and broke. None of rising steps.
    """

    estimate: float | None
    lower: float | None
    upper: float | None
    unit: Literal["P", "/s"]
    method: Literal["fit", "bracket"] | None = None


class TrialVerdict(_Brief):
    """What one trial showed.

    ``objectives`` are the limits that the verdict rests on: all of a load trial's; the capacity of a stress trial
    that limits it (its other limits then say which level held, and stand in ``stages``); else each limit at the
    level where it did worst. ``retries`` are those of all stages; None where no step of the plan is retried.
    ``knee``, ``collapse`` and ``usl`` are a stress trial's, each None where its levels do not show it.
    ``recovery``, of a spike or recovery trial: one for each disturbance. ``drift``, of a soak: a line for each limit on
    a drift. ``sizes``, of a scalability trial: one for each size that was offered load.
    """

    name: str
    kind: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = Field(min_length=1)
    objectives: tuple[ObjectiveResult, ...]
    capacity: Capacity | None = None
    stages: tuple[StageResult, ...] = ()
    retries: Retries | None = None
    knee: Knee | None = None
    collapse: Collapse | None = None
    usl: ScalingLaw | None = None
    recovery: tuple[Recovery, ...] | None = None
    drift: tuple[DriftLine, ...] | None = None
    sizes: tuple[SizeResult, ...] | None = None


class RunVerdict(Strict):
    """What the whole run showed: the worst of its trials, and never PASS without any.

    ``attempt`` says which attempt on its seal the run was, and what became of those before; None where the criteria
    were not sealed before the trial. It says nothing about the service, and no verdict depends on it.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...] = Field(min_length=1)
    trials: tuple[TrialVerdict, ...]
    attempt: Attempt | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        return self.model_dump(mode="json")
