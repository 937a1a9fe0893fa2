"""From what was sampled while a generator ran to the numbers of its steady part. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Sample", "Spread", "Steady", "spread", "steady"]

_EDGE_SHARE = 0.15
_LEAST_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the clock, the server's request counter and the CPU time spent so far.

    Attributes:
        at_s: Seconds on the monotonic clock.
        requests: Requests the server has taken in all, the harness's own left out.
        client_cpu_s: User and system time of the generator's process tree, seconds.
        server_cpu_s: The same of the server's worker.
        steal_s: Time the hypervisor took from all cores, seconds.
        core_busy_s: Time that the generator's core was not idle, whoever used it, seconds.
    """

    at_s: float
    requests: int
    client_cpu_s: float
    server_cpu_s: float
    steal_s: float
    core_busy_s: float


@dataclass(frozen=True, slots=True)
class Steady:
    """A generator's steady part.

    Attributes:
        rps: Requests a second, counted by the server.
        cpu_us: Client CPU, microseconds a request.
        client_share: Share of one core that the generator took.
        server_share: Share of one core that the server's worker took.
        steal_share: Stolen time as a share of one core.
        others_share: Share of the generator's core that others took, who kept it waiting.
        seconds: Length of the part.
    """

    rps: float
    cpu_us: float
    client_share: float
    server_share: float
    steal_share: float
    others_share: float
    seconds: float


def steady(samples: Sequence[Sample]) -> Steady:
    """Return the numbers of the steady part: from the first request to the last, 15 % cut off at either end.

    Counting from the server's own counter leaves out what a tool spends on starting up and on its report, alike for
    all tools, and does not rest on any tool's word.

    Raises:
        ValueError: too few samples with requests between them; nothing was measured.
    """
    busy = [index for index in range(1, len(samples)) if samples[index].requests > samples[index - 1].requests]
    if not busy:
        raise ValueError("the server saw no request")
    first, last = samples[busy[0] - 1].at_s, samples[busy[-1]].at_s
    edge = (last - first) * _EDGE_SHARE
    inside = [sample for sample in samples if first + edge <= sample.at_s <= last - edge]
    if len(inside) < _LEAST_SAMPLES:
        raise ValueError(f"only {len(inside)} samples in the steady part; measure for longer")
    begin, end = inside[0], inside[-1]
    seconds, requests = end.at_s - begin.at_s, end.requests - begin.requests
    if requests <= 0:
        raise ValueError("the server saw no request in the steady part")
    cpu_s = end.client_cpu_s - begin.client_cpu_s
    return Steady(
        rps=requests / seconds,
        cpu_us=cpu_s / requests * 1e6,
        client_share=cpu_s / seconds,
        server_share=(end.server_cpu_s - begin.server_cpu_s) / seconds,
        steal_share=(end.steal_s - begin.steal_s) / seconds,
        others_share=max(0.0, (end.core_busy_s - begin.core_busy_s - cpu_s) / seconds),
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """Repeats of one number: the median is reported, the least and the most are shown."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no repeats to summarise")
    return Spread(statistics.median(values), min(values), max(values))
