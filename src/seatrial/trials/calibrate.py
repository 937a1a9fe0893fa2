"""What this machine's load generator can do: its saturation and its timing error, against a server that does nothing.

For each kind of load (sessions of one request and of three, fresh and shared connections):

- short scouting: the offered rate is raised until a rule breaks, then the gap between the highest rate that held and
  the lowest that did not is halved;
- proof: the highest rate that held is offered for longer (with the usual 30 s in all, for more than a second, so that
  what a worker does once a second is in it), and a fifth less each time that it does not hold. Only what holds here
  is proven;
- half of what was proven is offered, for the send lag of a generator at ease.

A rate holds when

1. no step was left unsent,
2. each worker was busy for less of its time than the policy allows,
3. p99 of send lag was within the policy's floor,
4. every request was answered: else the null server was the limit, and what the generator would have done with more
   answers is not known.

The load goes through the same backend, workers, driver and recorder as a trial's. The null server is a process of the
same machine and takes its share of the cores, so a proven rate is what the generator could do beside it: a lower bound.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from seatrial.backends.base import Backend
from seatrial.backends.local import LocalBackend
from seatrial.clock import Clock, to_rfc3339
from seatrial.engine.http.target import resolve
from seatrial.engine.null_server import NullServer
from seatrial.engine.worker import Tick, WorkerSpec
from seatrial.errors import EngineError, UsageError
from seatrial.model.calibration import (
    Calibration,
    CalibrationCase,
    CalibrationLimits,
    CalibrationTiming,
    StoppedBy,
)
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.profile import Stage, constant
from seatrial.model.sample import NEVER, Outcome
from seatrial.samples.codec import ROW_DTYPE, read_frames
from seatrial.trials.workspace import environment_of
from seatrial.units import MS, SECOND

__all__ = ["CASES", "Case", "Probe", "calibrate", "prove", "search"]

_SCOUTS: Final = 6
_SCOUT_S: Final = 0.25
_PROOFS: Final = 5
_LESS: Final = 0.8
_OVERHEAD_S: Final = 0.15
"""Of every rate: the lead of its stage, reading its records."""
_START_S: Final = 0.8
"""Of every case: processes that start and end."""
_SHORTEST_PROOF_S: Final = 0.3
_LONGEST_PROOF_S: Final = 10.0
_FIRST_RATE: Final = 2_000.0
_HIGHEST_RATE: Final = 200_000.0
_CLOSE: Final = 1.15
_DRAIN_NS: Final = SECOND // 2
_MOST_SESSIONS: Final = 2_000
_TIMING_DELAY_NS: Final = 20 * MS
_TIMING_RATE: Final = 100.0

_VISIT: tuple[dict[str, Any], ...] = ({"get": "/", "name": "look"},)
_BOOKING: tuple[dict[str, Any], ...] = (
    {"post": "/session", "name": "sign in", "form": {"card": "A1234563"}, "extract": {"token": {"json": "$.token"}}},
    {"get": "/courts", "name": "list", "headers": {"authorization": "Bearer ${token}"}},
    {"post": "/bookings", "name": "book", "json": {"court": 7, "token": "${token}"}},
)


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of load: the journey's steps as a plan has them, and how sessions are connected."""

    steps: tuple[dict[str, Any], ...]
    connections: Literal["session", "shared"]


CASES: Final = (
    Case(_VISIT, "session"),
    Case(_VISIT, "shared"),
    Case(_BOOKING, "session"),
    Case(_BOOKING, "shared"),
)
"""One request and three (sign in and take a token, list with it, book), fresh connections and shared ones."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one offered rate showed.

    Attributes:
        rate: Sessions per second offered, by all workers.
        steps: Steps intended.
        unsent: Of these, not sent.
        not_ok: Of these, sent and not ended ok.
        cpu: Share of its time in which the busiest worker was busy.
        cpu_ns: CPU time of all workers.
        server_cpu: Share of a core that the null server used.
        lag_p50_ns: Median send lag; NEVER when nothing was sent.
        lag_p99_ns: p99 of send lag; NEVER when nothing was sent.
    """

    rate: float
    steps: int
    unsent: int
    not_ok: int
    cpu: float
    cpu_ns: float
    server_cpu: float
    lag_p50_ns: int
    lag_p99_ns: int

    def broken(self, limits: CalibrationLimits) -> StoppedBy | None:
        """Return the first rule that did not hold; None when all did. Nothing sent is never held."""
        if not self.steps or self.lag_p99_ns == NEVER or self.unsent > limits.unsent * self.steps:
            return "unsent"
        if self.cpu >= limits.generator_cpu:
            return "cpu"
        if self.lag_p99_ns > limits.send_lag_p99_ns:
            return "send lag"
        return "answers" if self.not_ok else None


def search(
    offer: Callable[[float], Probe], limits: CalibrationLimits, first_rate: float, probes: int
) -> tuple[float, StoppedBy]:
    """Return the highest rate that held, or a third of the lowest that did not, and what kept the next from holding.

    The first rate tells what a session costs; from there the next is where the CPU limit should lie, at most five
    times as high. Once a rate is broken the geometric mean of both sides is next, until they are within 15 %.

    Args:
        offer: Offers sessions per second and says what happened.
        limits: The rules.
        first_rate: Where to begin.
        probes: Most rates to offer, at least one.
    """
    held = broken_at = 0.0
    stopped: StoppedBy = "time"
    rate = first_rate
    for _ in range(probes):
        probe = offer(rate)
        rule = probe.broken(limits)
        if rule is None:
            held = rate
        else:
            broken_at, stopped = rate, rule
        if not held:
            rate /= 3
        elif not broken_at:
            forecast = rate * limits.generator_cpu / max(probe.cpu, 1e-3)
            rate = min(max(rate * 1.25, forecast), rate * 5, _HIGHEST_RATE)
        elif broken_at / held < _CLOSE:
            break
        else:
            rate = (held * broken_at) ** 0.5
    return held or rate, stopped


def prove(
    offer: Callable[[float], Probe], limits: CalibrationLimits, rate: float, stopped: StoppedBy, probes: int
) -> tuple[Probe | None, StoppedBy]:
    """Return the probe of the highest rate that holds for longer, and what broke the one above it.

    Each rate is a fifth below the last until one holds. Where nothing broke above the first, and that holds, each is
    a quarter above the last until one does not.

    Args:
        offer: Offers sessions per second, for long enough.
        limits: The rules.
        rate: Where to begin.
        stopped: What broke the rate above the first; ``time`` when nothing did.
        probes: Most rates to offer; None is returned when none of them holds.
    """
    best: Probe | None = None
    for _ in range(probes):
        probe = offer(rate)
        rule = probe.broken(limits)
        if rule is None:
            best = probe
            if stopped != "time" or rate >= _HIGHEST_RATE:
                break
            rate = min(rate / _LESS, _HIGHEST_RATE)
        else:
            stopped = rule
            if best is not None:
                break
            rate *= _LESS
    return best, stopped


def calibrate(
    workers: int,
    seconds: float,
    policy: Policy,
    clock: Clock,
    on_case: Callable[[CalibrationCase], object] = lambda case: None,
    cases: Sequence[Case] = CASES,
) -> Calibration:
    """Measure this machine's generator. Loads nothing but a server of its own on 127.0.0.1.

    Args:
        workers: Worker processes, at least one.
        seconds: About how long it may take; never less than some fifteen.
        policy: Whose rules for the generator a rate must keep.
        clock: Wall-clock time, for provenance.
        on_case: Told each case as it is measured.
        cases: What to measure, at least one.

    Raises:
        UsageError: no workers, no cases or no time.
        EngineError: the null server or a worker does not come up, or nothing at all was answered.
    """
    if workers < 1 or not seconds > 0 or not cases:
        value = f"{workers} workers, {seconds:g} s, {len(cases)} cases"
        raise UsageError("a calibration needs workers, time and a case", value=value, remedy="Leave them out.")
    limits = CalibrationLimits(
        generator_cpu=policy.validity.generator_cpu, send_lag_p99_ns=policy.validity.send_lag_floor, unsent=0.0
    )
    each_s = seconds / (len(cases) + 0.5)
    left_s = each_s - _START_S - _SCOUTS * (_SCOUT_S + _OVERHEAD_S)
    proof_s = left_s / 2.5 - _OVERHEAD_S  # a second attempt is needed every other time, and then the half
    proof_s = round(min(max(proof_s, _SHORTEST_PROOF_S), _LONGEST_PROOF_S), 3)
    measured = []
    for case in cases:
        measured.append(_measure(case, workers, proof_s, limits))
        on_case(measured[-1])
    timing = _timing(min(max(each_s / 2 - _START_S, 0.5), _LONGEST_PROOF_S))
    facts = environment_of(
        plan_digest="", policy_digest="", plan_name="", command=(), workers=workers, backend="local",
        started=clock.now(), feeds={}, addresses=(),
    )  # fmt: skip
    machine = {name: facts[name] for name in Calibration.model_fields if name in facts and name != "format"}
    return Calibration(
        format="seatrial-calibration/1",
        measured_at=to_rfc3339(clock.now()),
        proof_s=proof_s,
        limits=limits,
        cases=tuple(measured),
        timing=timing,
        **machine,
    )


def _measure(case: Case, workers: int, proof_s: float, limits: CalibrationLimits) -> CalibrationCase:
    with NullServer() as server, _Bench(case, server, workers) as bench:

        def proof(rate: float) -> Probe:
            return bench.offer(rate, proof_s)

        rate, stopped = search(lambda rate: bench.offer(rate, _SCOUT_S), limits, _FIRST_RATE * workers, _SCOUTS)
        best, stopped = prove(proof, limits, rate, stopped, _PROOFS)
        half = None if best is None else proof(best.rate / 2)
    told = half if half is not None and half.lag_p99_ns != NEVER else None
    return CalibrationCase(
        requests=len(case.steps),
        connections=case.connections,
        sessions_per_s=0.0 if best is None else round(best.steps / len(case.steps) / proof_s, 1),
        steps_per_s=0.0 if best is None else round(best.steps / proof_s, 1),
        stopped_by=stopped,
        cpu_us_per_request=None if best is None else round(best.cpu_ns / best.steps / 1000, 2),
        generator_cpu=0.0 if best is None else round(best.cpu, 3),
        server_cpu=0.0 if best is None else round(best.server_cpu, 3),
        send_lag_p50_ns=None if told is None else told.lag_p50_ns,
        send_lag_p99_ns=None if told is None else told.lag_p99_ns,
    )


def _timing(seconds: float) -> CalibrationTiming:
    """Return what is reported of a server that holds each answer for 20 ms: even arrivals, one worker, little load."""
    with NullServer(_TIMING_DELAY_NS) as server, _Bench(Case(_VISIT, "shared"), server, 1) as bench:
        rows = bench.rows_of(_TIMING_RATE, seconds, "even")
    answered = rows[rows["outcome"] == Outcome.OK]
    if not len(answered):
        raise EngineError("the null server answered nothing", remedy="Look at the machine: is 127.0.0.1 filtered?")
    reported = int(np.median(answered["done_ns"] - answered["intended_ns"]))
    return CalibrationTiming(
        delay_ns=_TIMING_DELAY_NS,
        held_p50_ns=server.held_p50_ns,
        reported_p50_ns=reported,
        error_ns=reported - _TIMING_DELAY_NS,
        requests=len(answered),
    )


class _Bench:
    """Workers that offer one case to a null server, rate after rate."""

    def __init__(
        self, case: Case, server: NullServer, workers: int, new_backend: Callable[[], Backend] = LocalBackend
    ) -> None:
        self._server = server
        self._workers = workers
        self._plan = _plan(case, server.url)
        self._backend = new_backend()
        self._folder = tempfile.TemporaryDirectory(prefix="seatrial-calibrate-")
        self._stages = 0
        self._cpu_ns, self._busy_ns = [0.0] * workers, [0.0] * workers
        self._row_at_ns = [0] * workers

    def __enter__(self) -> _Bench:
        base = Path(self._folder.name)
        target = resolve(self._plan, base)
        digest = hashlib.sha256(self._plan.model_dump_json().encode()).hexdigest()
        specs = [
            WorkerSpec(
                plan=self._plan, plan_digest=digest, base=base, target=target, trial=0, worker=worker,
                workers=self._workers, spool=base, feeds=({},),
            )
            for worker in range(self._workers)
        ]  # fmt: skip
        try:
            self._backend.__enter__()
            self._backend.start(specs)
        except BaseException:
            self.__exit__()
            raise
        self._row_at_ns = [time.monotonic_ns()] * self._workers
        return self

    def __exit__(self, *exc: object) -> None:
        self._backend.__exit__(None, None, None)
        self._folder.cleanup()

    def offer(self, rate: float, seconds: float) -> Probe:
        """Offer ``rate`` sessions per second for so long and return what happened."""
        self._cpu_ns, self._busy_ns = [0.0] * self._workers, [0.0] * self._workers
        server_ns = self._server.cpu_ns
        rows = self.rows_of(rate, seconds, "poisson")
        lag = (rows["sent_ns"] - rows["intended_ns"])[rows["sent_ns"] != NEVER]
        p50, p99 = (int(np.quantile(lag, q)) if len(lag) else NEVER for q in (0.5, 0.99))
        unsent = int((rows["sent_ns"] == NEVER).sum())
        return Probe(
            rate=rate,
            steps=len(rows),
            unsent=unsent,
            not_ok=int((rows["outcome"] != Outcome.OK).sum()) - unsent,
            cpu=max(self._busy_ns) / seconds / SECOND,
            cpu_ns=sum(self._cpu_ns),
            server_cpu=(self._server.cpu_ns - server_ns) / seconds / SECOND,
            lag_p50_ns=p50,
            lag_p99_ns=p99,
        )

    def rows_of(self, rate: float, seconds: float, arrivals: Any) -> Any:
        """Offer a rate and return its records as a structured array (see ``seatrial.samples.codec``)."""
        stage = Stage(
            trial=0, index=self._stages, name=f"{rate:.0f}/s", profile=constant(rate, round(seconds * SECOND)),
            arrivals=arrivals, judged_from_ns=0, drain_ns=_DRAIN_NS,
        )  # fmt: skip
        self._stages += 1
        run = self._backend.run_stage(stage, lambda start_ns: None, self._on_tick)
        rows = [frame for path in run.spools for frame in read_frames(path, ROW_DTYPE)]
        for path in run.spools:
            path.unlink()
        return np.concatenate(rows) if rows else np.empty(0, ROW_DTYPE)

    def _on_tick(self, tick: Tick) -> None:
        at_ns = int(tick.health["at_ns"])
        since_ns = at_ns - self._row_at_ns[tick.worker]
        self._cpu_ns[tick.worker] += tick.health["cpu_share"] * since_ns
        self._busy_ns[tick.worker] += tick.health["busy_share"] * since_ns
        self._row_at_ns[tick.worker] = at_ns


def _plan(case: Case, url: str) -> Plan:
    return Plan.model_validate(
        {
            "seatrial": 1,
            "title": "Calibration",
            "target": url,
            "demand": {"peak": "1/s"},
            "connections": case.connections,
            "max_sessions": _MOST_SESSIONS,
            "deadlines": {"connect": "1s", "response": "2s"},
            "journeys": {"visit": {"steps": list(case.steps)}},
            "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
        }
    )
