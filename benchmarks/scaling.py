"""The part ``scaling``: two workers against one, and what can be said of it on the cores there are.

Two workers can do twice the work of one where each has a core of its own and the server keeps up on others. With two
cores in all, the second worker shares its core with the server, so the rate can't show it. What can be shown there:
that a request costs no more CPU time with two workers than with one, each offering the same (nothing is exchanged
between workers while they run); and how near two workers come to what two cores can give client and server together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.runner import Runner
from benchmarks.tools import TOOLS
from benchmarks.window import Steady, steady

__all__ = ["Scaling", "cores_for", "scaling"]

_KIND = "journey"


def cores_for(cores: Sequence[int], workers: int) -> tuple[int, ...]:
    """Return the cores of the generator with so many workers; the server has the first.

    Where there are enough, each worker has one of its own beside the server's; else all share all.
    """
    own = tuple(cores[1 : 1 + workers])
    return own if len(own) == workers else tuple(cores[:workers])


@dataclass(frozen=True, slots=True)
class Scaling:
    """What was measured.

    Attributes:
        free: Whether each of two workers had a core of its own.
        one_rps: Requests a second of one worker at saturation.
        two_rps: The same of two.
        one_cpu_us: Client CPU a request of one worker, below saturation, µs.
        two_cpu_us: The same of two, each of which offers what the one did.
        server_cpu_us: Server CPU a request with two workers at saturation, µs.
        client_cpu_us: Client CPU a request with two workers at saturation, µs.
    """

    free: bool
    one_rps: float
    two_rps: float
    one_cpu_us: float
    two_cpu_us: float
    server_cpu_us: float
    client_cpu_us: float

    def __post_init__(self) -> None:
        if min(self.one_rps, self.two_rps, self.one_cpu_us, self.two_cpu_us, self.client_cpu_us) <= 0:
            raise ValueError(f"nothing was measured: {self}")

    @property
    def measured(self) -> float:
        """Return the ratio of the rates as measured."""
        return self.two_rps / self.one_rps

    @property
    def by_cost(self) -> float:
        """Return 2 · c1 / c2: the ratio that the CPU times allow where both workers have cores of their own."""
        return 2 * self.one_cpu_us / self.two_cpu_us

    @property
    def ceiling_rps(self) -> float:
        """Return 2 / (c + s) requests a second: what two cores can give a client and its server together."""
        return 2e6 / (self.client_cpu_us + self.server_cpu_us)

    def as_document(self) -> dict[str, Any]:
        """Return the figures with what they mean."""
        said = (
            "Each worker had a core of its own: the measured ratio stands."
            if self.free
            else "Two cores in all: the second worker shared its core with the server, so the measured ratio is no "
            "ratio of the generator. What the CPU times allow on free cores is the ratio by cost."
        )
        return {
            "free_cores": self.free,
            "measured_ratio": self.measured,
            "ratio_by_cost": self.by_cost,
            "ceiling_rps": self.ceiling_rps,
            "share_of_ceiling": self.two_rps / self.ceiling_rps,
            "meaning": said,
        }


def scaling(runner: Runner, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the journey with one worker and with two: at saturation, and with a third of one's each."""
    one = _saturation(runner, 1)
    two = _saturation(runner, 2)
    repeats = range(runner.settings.repeats)
    at_one = [_part(runner, 1, one * 1.05) for _ in repeats]
    at_two = [_part(runner, 2, two * 1.05) for _ in repeats]
    # The same for each worker, not the same in all: what a request costs depends on how busy its worker is. In turn,
    # for the machine has its moods; a third, so that the server has room beside the second worker.
    pairs = [(_part(runner, 1, one / 3), _part(runner, 2, 2 * one / 3)) for _ in repeats]
    free = len(set(cores_for(runner.settings.cores, 2)) - {runner.settings.server_core}) == 2
    found = Scaling(
        free=free,
        one_rps=median(part.rps for part in at_one),
        two_rps=median(part.rps for part in at_two),
        one_cpu_us=median(first.cpu_us for first, _ in pairs),
        two_cpu_us=median(second.cpu_us for _, second in pairs),
        server_cpu_us=median(part.server_share / part.rps * 1e6 for part in at_two),
        client_cpu_us=median(part.cpu_us for part in at_two),
    )
    say(f"two workers: {found.measured:.2f} x one as measured, {found.by_cost:.2f} x by cost")
    offered = {"fixed_sessions_per_s_each": one / 3, "saturation_one": one, "saturation_two": two}
    return {name: getattr(found, name) for name in Scaling.__slots__} | found.as_document() | offered


def _saturation(runner: Runner, workers: int) -> float:
    with runner.job(_KIND, 0.0, workers=workers, cores=cores_for(runner.settings.cores, workers)) as job:
        finished, _, _ = runner.run(TOOLS["ours"], job, count=False, parse=False, limit_s=90)
    return float(json.loads(finished.out)["saturation"])


def _part(runner: Runner, workers: int, rate: float) -> Steady:
    with runner.job(_KIND, rate, workers=workers, cores=cores_for(runner.settings.cores, workers)) as job:
        finished, _, _ = runner.run(TOOLS["ours"], job, count=True)
    return steady(finished.samples)
