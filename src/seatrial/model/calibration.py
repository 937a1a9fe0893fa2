"""A calibration: how much load this machine's generator was shown to offer while keeping its own rules.

It is measured against a server that does nothing (``seatrial calibrate``), so every figure is the generator's. A run
may cite it: it then stands in the bundle as ``calibration.json``, and the verdict compares it with the load.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from seatrial.model.document import Strict

__all__ = ["Calibration", "CalibrationCase", "CalibrationLimits", "CalibrationTiming", "StoppedBy"]

StoppedBy: TypeAlias = Literal["unsent", "cpu", "send lag", "answers", "time"]
"""What kept a rate from holding: a rule of the generator's; answers that the null server did not give; or nothing, and
the time for looking was over."""

_Figure: TypeAlias = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
_Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]


class CalibrationLimits(Strict):
    """The generator's own rules, which every proven rate kept.

    Attributes:
        generator_cpu: Each worker was busy for less than this share of its time.
        send_lag_p99_ns: p99 of send lag was no more than this.
        unsent: No larger share of steps was left unsent; 0 for none.
    """

    generator_cpu: Annotated[float, Field(gt=0, le=1)]
    send_lag_p99_ns: _Count
    unsent: Annotated[float, Field(ge=0, le=1)]


class CalibrationCase(Strict):
    """One kind of load.

    Attributes:
        requests: Requests in each session.
        connections: A fresh connection per session, or shared ones.
        sessions_per_s: Highest rate of sessions that was offered and kept every rule; 0 when none did.
        steps_per_s: The same in requests.
        stopped_by: What kept the next higher rate from holding.
        cpu_us_per_request: CPU time of the workers per request at that rate, user and system.
        generator_cpu: Share of its time in which the busiest worker was busy there.
        server_cpu: Share of a core that the null server used there: near 1, the server was the limit.
        send_lag_p50_ns: Median send lag at half of that rate.
        send_lag_p99_ns: p99 of send lag at half of that rate.
    """

    requests: Annotated[int, Field(ge=1, le=1000)]
    connections: Literal["session", "shared"]
    sessions_per_s: _Figure
    steps_per_s: _Figure
    stopped_by: StoppedBy
    cpu_us_per_request: _Figure | None
    generator_cpu: _Figure
    server_cpu: _Figure
    send_lag_p50_ns: _Count | None
    send_lag_p99_ns: _Count | None


class CalibrationTiming(Strict):
    """What the generator reports of a server whose delay is known.

    Attributes:
        delay_ns: What the server was told to wait.
        held_p50_ns: The median time it waited in truth, by its own clock; None where it could not say.
        reported_p50_ns: Median response time by the records.
        error_ns: ``reported_p50_ns`` less ``delay_ns``.
        requests: How many the median is of.
    """

    delay_ns: _Count
    held_p50_ns: _Count | None
    reported_p50_ns: _Count
    error_ns: Annotated[int, Field(ge=-(2**53), le=2**53)]
    requests: Annotated[int, Field(ge=1)]


class Calibration(Strict):
    """A whole calibration.

    Attributes:
        format: Version of this grammar.
        measured_at: RFC 3339, UTC.
        seatrial: Version of the load engine.
        python: Version of Python.
        platform: Operating system and its version.
        processor: As the kernel names it.
        cores: That the process could use.
        memory_bytes: Of the machine.
        host: The machine's name.
        workers: Worker processes; every rate is theirs together.
        proof_s: How long each proven rate was offered, in seconds.
        limits: The rules that were kept.
        cases: What was measured.
        timing: The error of reported times.
    """

    format: Literal["seatrial-calibration/1"]
    measured_at: str
    seatrial: str
    python: str
    platform: str
    processor: str
    cores: Annotated[int, Field(ge=1)]
    memory_bytes: _Count
    host: str
    workers: Annotated[int, Field(ge=1)]
    proof_s: Annotated[float, Field(gt=0, le=3600)]
    limits: CalibrationLimits
    cases: tuple[CalibrationCase, ...] = Field(min_length=1)
    timing: CalibrationTiming
