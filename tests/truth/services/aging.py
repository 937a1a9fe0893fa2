"""Services that change with time: a leak, and a regular freeze."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter
from tests.truth.services.queues import Float64, at_once, with_work
from tests.verdict.made import Answers, Int64, Law

from seatrial.model.profile import Stage
from seatrial.units import SECOND

_KEEP = 0.98
"""Share of the noise of memory that is left after a second."""


def leaking(per_s: float, arrivals: float, growth: float, over_ns: int, from_ns: int = 0) -> Law:
    """M/M/1 whose response time grows by ``growth`` of its beginning over ``over_ns``, in a straight line.

    The mean and every percentile of M/M/1 are in proportion to 1/(m - l). So the rate of service falls as
    m(t) = l + (m - l) / (1 + growth t): slowly against the queue's own memory, so that it is in balance at any time.
    """

    def rate(at_ns: Float64) -> Float64:
        part = np.clip((at_ns - from_ns) / over_ns, 0, 1)
        return np.asarray(arrivals + (per_s - arrivals) / (1 + growth * part))

    return with_work(rate)


def memory(at_ns: Int64, begin: float, growth: float, over_ns: int, noise: float, seed: int) -> Float64:
    """Return bytes in use at each second: a straight line, with a saw of garbage and slow noise about it.

    The noise is autoregressive, and remembers for about a minute.

    Args:
        at_ns: From the stage's start.
        begin: Bytes at the start.
        growth: Share of ``begin`` that is added over ``over_ns``.
        over_ns: How long that takes.
        noise: Height of the saw, and standard deviation of the noise, as a share of ``begin``.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    saw = (at_ns / (97 * SECOND)) % 1.0 - 0.5
    slow = lfilter([math.sqrt(1 - _KEEP**2)], [1, -_KEEP], rng.standard_normal(len(at_ns)))
    spread = noise * (saw + slow)
    return np.asarray(begin * (1 + growth * at_ns / over_ns + spread))


def freezing(work_ns: float, freeze_ns: float, every_ns: float) -> Law:
    """A prompt service that stands still for the first ``freeze_ns`` of every ``every_ns``."""

    def law(at: Int64, stage: Stage, rng: np.random.Generator) -> Answers:
        return at_once(np.maximum(freeze_ns - at % every_ns, 0.0) + work_ns)

    return law
