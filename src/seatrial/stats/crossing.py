"""Capacity as the load at which a limit is just met, with an interval, from levels offered on both sides of it.

At each level a share p of the records lies beyond the limit, and the limit allows p_0. Near the crossing the log odds
of p are taken to be linear in the load x,

    logit p(x) = a + b x,    x* = (logit p_0 - a) / b,    b > 0

For one server with exponential times (M/M/1), log P(T > L) = -(mu - x) L is exactly linear in x; for others it bends,
which is why the fit is local. Levels count by Cleveland's tricube weight of their distance from x* (*JASA* 74 (1979)):

    w = (1 - (|x - x*| / h)^3)^3,    h = x*/4, or as much more as it takes to reach four levels

and x* is found again until it stays where it is. A mean is fitted likewise, as log m(x) = a + b x against its limit.

**How much a level says.** n records of which each is like d others count as n/d: quasi-binomial likelihood (McCullagh
and Nelder, *Generalized Linear Models* (1989), 4.5). d is measured at each level, and badly; worse, a level that by
chance had one long queue shows a large p and a large d together, so that weights by each level's own d would believe
the lucky ones. So log d is smoothed: a line in x that does not fall. What this leaves out, the bend of the curve too,
shows as residuals. With f = sum(w) - 2 degrees of freedom,

    phi = max(1, (10 + sum of squared Pearson residuals) / (10 + f))

pools them with the variance that was measured within levels, at the weight of ten degrees of freedom (Smyth,
*Statistical Applications in Genetics and Molecular Biology* 3 (2004)), and Student's t has 10 + f.

**The interval** is Fieller's (Finney, *Probit Analysis*, 3rd ed. (1971), 4.6): all x at which a + b x differs from the
limit by less than t standard errors. It is not symmetric, and unbounded where the slope is not significant; then there
is no fit. Variances are those of weighted likelihood, C (X' W w X) C with C = (X' W X)^-1 (Loader, *Local Regression
and Likelihood* (1999), 4.2).

There is no fit either with fewer than four levels, three different loads, or without levels on both sides of x*:
nothing is extrapolated. Sums are taken in order and with fsum, loops are plain Python: the same figures everywhere.

Rates of error over simulated trials stand in ``docs/operating-characteristics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

__all__ = ["Crossing", "MeanAt", "ShareAt", "crossing_of_means", "crossing_of_shares"]

_SPAN, _FEWEST, _FEWEST_LOADS = 0.25, 4, 3
_REACH = 1.3
_NEGLIGIBLE = 0.01
_KNOWN_WITHIN = 10.0
_NEAR = 0.15
_ROUNDS, _PLAIN_ROUNDS, _STEADY = 24, 6, 1e-7
_NEWTON, _STEEPEST, _CONVERGED = 60, 40.0, 1e-12
_MOST_SAID = 100.0
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class ShareAt:
    """What one level showed of a limit on a share of records.

    Attributes:
        load: x, above zero, in any unit.
        share: p, the share beyond the limit, in [0, 1].
        records: n, above zero.
        effective: n/d, in (0, n].
    """

    load: float
    share: float
    records: float
    effective: float

    def __post_init__(self) -> None:
        if not (self.load > 0 and 0 <= self.share <= 1 and 0 < self.effective <= self.records * (1 + 1e-9)):
            raise ValueError(f"not what a level shows: {self}")


@dataclass(frozen=True, slots=True)
class MeanAt:
    """What one level showed of a limit on a mean.

    Attributes:
        load: x, above zero.
        mean: Above zero.
        error: Its standard error, above zero, in the same unit.
    """

    load: float
    mean: float
    error: float

    def __post_init__(self) -> None:
        if not (self.load > 0 and self.mean > 0 and self.error > 0):
            raise ValueError(f"not what a level shows: {self}")


@dataclass(frozen=True, slots=True)
class Crossing:
    """The load at which a limit is just met.

    Attributes:
        estimate: x*, in the unit of the levels' loads.
        lower: Lower bound, zero or more.
        upper: Upper bound.
        near: How many levels lie within 15 % of the estimate.
        dispersion: phi; 1 where the curve and the measured variances fit.
    """

    estimate: float
    lower: float
    upper: float
    near: int
    dispersion: float


@dataclass(frozen=True, slots=True)
class _Line:
    """A weighted fit of eta = a + b z, with z = (x - middle) / scale."""

    a: float
    b: float
    variance: tuple[float, float, float]
    pearson: float
    weight: float


Fit = Callable[[list[int], list[float], list[float]], _Line | None]
"""From the places of the levels that count, their z and their weights, to the fit; None where there is none."""


def crossing_of_shares(levels: Sequence[ShareAt], allowed: float, confidence: float) -> Crossing | None:
    """Return the load at which the share beyond a limit is what the limit allows; None without a fit.

    Args:
        levels: In any order; the same load may come several times.
        allowed: p_0, in (0, 1).
        confidence: Of the interval, two-sided, in (0, 1).

    Raises:
        ValueError: ``allowed`` or ``confidence`` outside its range.
    """
    if not 0 < allowed < 1:
        raise ValueError(f"a share of {allowed} has no crossing; it lies between 0 and 1")
    target = math.log(allowed / (1 - allowed))

    def fit(places: list[int], z: list[float], weights: list[float]) -> _Line | None:
        chosen = [levels[i] for i in places]
        said = [min(one.records * min(one.share, 1 - one.share), _MOST_SAID) + 1e-3 for one in chosen]
        effects = [max(1.0, one.records / one.effective) for one in chosen]
        smooth = _rising(z, [math.log(d) for d in effects], [s * w for s, w in zip(said, weights, strict=True)])
        trials = [one.records / max(1.0, math.exp(d)) for one, d in zip(chosen, smooth, strict=True)]
        return _logistic(z, [one.share for one in chosen], trials, weights)

    return _crossing([one.load for one in levels], [one.share > allowed for one in levels], target, fit, confidence)


def crossing_of_means(levels: Sequence[MeanAt], limit: float, confidence: float) -> Crossing | None:
    """Return the load at which a mean meets its limit; None without a fit.

    Args:
        levels: In any order; the same load may come several times.
        limit: In the unit of the means, above zero.
        confidence: Of the interval, two-sided, in (0, 1).

    Raises:
        ValueError: ``limit`` or ``confidence`` outside its range.
    """
    if not limit > 0:
        raise ValueError(f"a mean has no limit of {limit}; it lies above 0")

    def fit(places: list[int], z: list[float], weights: list[float]) -> _Line | None:
        chosen = [levels[i] for i in places]
        smooth = _rising(z, [math.log(one.error / one.mean) for one in chosen], weights)
        return _straight(z, [math.log(one.mean) for one in chosen], [math.exp(-2 * e) for e in smooth], weights)

    beyond = [one.mean > limit for one in levels]
    return _crossing([one.load for one in levels], beyond, math.log(limit), fit, confidence)


def _crossing(loads: list[float], beyond: list[bool], target: float, fit: Fit, confidence: float) -> Crossing | None:
    if not 0 < confidence < 1:
        raise ValueError(f"no confidence: {confidence}")
    kept = [x for x, broken in zip(loads, beyond, strict=True) if not broken]
    over = [x for x, broken in zip(loads, beyond, strict=True) if broken]
    if len(loads) < _FEWEST or not kept or not over:
        return None
    settled = _settled(loads, (max(kept) + min(over)) / 2, target, fit)
    if settled is None:
        return None
    line, found, middle, scale = settled
    freedom = max(line.weight - 2, 0.0)
    phi = max(1.0, (_KNOWN_WITHIN + line.pearson) / (_KNOWN_WITHIN + freedom))
    t = float(stdtrit(_KNOWN_WITHIN + freedom, (1 + confidence) / 2))
    bounds = _fieller(line, phi * t * t, target)
    if bounds is None:
        return None
    lower, upper = (round(bound * scale + middle, _DECIMALS) for bound in bounds)
    near = sum(abs(x - found) <= _NEAR * found for x in loads)
    return Crossing(round(found, _DECIMALS), max(lower, 0.0), upper, near, round(phi, _DECIMALS))


def _settled(loads: list[float], at: float, target: float, fit: Fit) -> tuple[_Line, float, float, float] | None:
    """Return the fit whose window stands around its own crossing: the line, x*, and its middle and scale of z."""
    number, following = 0, at
    while True:
        places, weights, scale = _near(loads, at)
        chosen = [loads[i] for i in places]
        if len(set(chosen)) < _FEWEST_LOADS:
            return None
        line = fit(places, [(x - at) / scale for x in chosen], weights)
        if line is None or line.b <= 0:
            return None
        found = (target - line.a) / line.b * scale + at
        following, number = min(max(found, min(chosen)), max(chosen)), number + 1
        if abs(following - at) < _STEADY * at or number == _ROUNDS:
            return (line, found, at, scale) if min(chosen) <= found <= max(chosen) else None
        at = following if number < _PLAIN_ROUNDS else (following + at) / 2  # halved where two windows alternate


def _near(loads: list[float], at: float) -> tuple[list[int], list[float], float]:
    """Return the places of the levels that count, their weights, and the half-width of the window."""
    far = [abs(x - at) for x in loads]
    span = max(_SPAN * at, sorted(far)[_FEWEST - 1] * _REACH)
    weight = [max(0.0, 1 - (f / span) ** 3) ** 3 for f in far]
    places = [i for i, w in enumerate(weight) if w > _NEGLIGIBLE]
    return places, [weight[i] for i in places], span


def _rising(z: list[float], y: list[float], weights: list[float]) -> list[float]:
    """Return a weighted line through y at each z, of a slope of zero where it would fall."""
    total = math.fsum(weights)
    if total <= 0:
        return y
    z0 = math.fsum(w * x for w, x in zip(weights, z, strict=True)) / total
    y0 = math.fsum(w * v for w, v in zip(weights, y, strict=True)) / total
    spread = math.fsum(w * (x - z0) ** 2 for w, x in zip(weights, z, strict=True))
    common = math.fsum(w * (x - z0) * (v - y0) for w, x, v in zip(weights, z, y, strict=True))
    slope = max(0.0, common / spread) if spread > 0 else 0.0
    return [y0 + slope * (x - z0) for x in z]


def _logistic(z: list[float], share: list[float], trials: list[float], weights: list[float]) -> _Line | None:
    """Return the fit of log odds by Newton's method with halved steps."""
    counts = [m * w for m, w in zip(trials, weights, strict=True)]
    rows = list(zip(z, share, counts, strict=True))
    mean = math.fsum(p * m for _, p, m in rows) / math.fsum(counts)
    if not 0 < mean < 1:
        return None
    a, b = math.log(mean / (1 - mean)), 0.0

    def deviance(a: float, b: float) -> float:
        return -2 * math.fsum(m * (p * (a + b * x) - _softplus(a + b * x)) for x, p, m in rows)

    now = deviance(a, b)
    for _ in range(_NEWTON):
        fitted = [_share_at(a + b * x) for x in z]
        inverse = _inverse(z, [m * q * (1 - q) for m, q in zip(counts, fitted, strict=True)])
        if inverse is None:
            return None
        g0 = math.fsum(m * (p - q) for (_, p, m), q in zip(rows, fitted, strict=True))
        g1 = math.fsum(x * m * (p - q) for (x, p, m), q in zip(rows, fitted, strict=True))
        da, db = inverse[0] * g0 + inverse[1] * g1, inverse[1] * g0 + inverse[2] * g1
        while (after := deviance(a + da, b + db)) > now + _CONVERGED and abs(da) + abs(db) > _CONVERGED:
            da, db = da / 2, db / 2
        a, b, before, now = a + da, b + db, now, after
        if abs(b) > _STEEPEST:
            return None  # the two sides are separate: any steep enough slope fits
        if abs(before - now) <= _CONVERGED * (1 + abs(now)):
            break
    fitted = [_share_at(a + b * x) for x in z]
    bend = [m * q * (1 - q) for m, q in zip(counts, fitted, strict=True)]
    squares = math.fsum((p - q) ** 2 * m / (q * (1 - q)) for (_, p, m), q in zip(rows, fitted, strict=True))
    return _line(a, b, z, bend, weights, squares)


def _straight(z: list[float], y: list[float], precision: list[float], weights: list[float]) -> _Line | None:
    """Return the fit of y by weighted least squares."""
    counts = [s * w for s, w in zip(precision, weights, strict=True)]
    inverse = _inverse(z, counts)
    if inverse is None:
        return None
    g0 = math.fsum(c * v for c, v in zip(counts, y, strict=True))
    g1 = math.fsum(c * x * v for c, x, v in zip(counts, z, y, strict=True))
    a, b = inverse[0] * g0 + inverse[1] * g1, inverse[1] * g0 + inverse[2] * g1
    squares = math.fsum(c * (v - a - b * x) ** 2 for c, x, v in zip(counts, z, y, strict=True))
    return _line(a, b, z, counts, weights, squares)


def _line(a: float, b: float, z: list[float], bend: list[float], weights: list[float], pearson: float) -> _Line | None:
    """Return a fit with the variances of weighted likelihood."""
    bread = _inverse(z, bend)
    if bread is None:
        return None
    meat = [c * w for c, w in zip(bend, weights, strict=True)]
    m00, m01, m11 = (math.fsum(c * x**power for c, x in zip(meat, z, strict=True)) for power in (0, 1, 2))
    c00, c01, c11 = bread
    r00, r01 = c00 * m00 + c01 * m01, c00 * m01 + c01 * m11
    r10, r11 = c01 * m00 + c11 * m01, c01 * m01 + c11 * m11
    variance = (r00 * c00 + r01 * c01, r00 * c01 + r01 * c11, r10 * c01 + r11 * c11)
    return _Line(a, b, variance, pearson, math.fsum(weights))


def _inverse(z: list[float], counts: list[float]) -> tuple[float, float, float] | None:
    """Return the inverse of X' diag(counts) X for rows (1, z), symmetric; None where it has none."""
    s0, s1, s2 = (math.fsum(c * x**power for c, x in zip(counts, z, strict=True)) for power in (0, 1, 2))
    determinant = s0 * s2 - s1 * s1
    if determinant <= 1e-12 * max(s0 * s2, 1e-300):
        return None
    return s2 / determinant, -s1 / determinant, s0 / determinant


def _fieller(line: _Line, by: float, target: float) -> tuple[float, float] | None:
    """Return the bounds of (target - a) / b in z; None where they are not finite."""
    v00, v01, v11 = (v * by for v in line.variance)
    rest = target - line.a
    square, half, constant = line.b**2 - v11, rest * line.b + v01, rest**2 - v00
    root = half * half - square * constant
    if square <= 0 or root < 0:
        return None
    return (half - math.sqrt(root)) / square, (half + math.sqrt(root)) / square


def _share_at(eta: float) -> float:
    limited = min(max(eta, -_STEEPEST), _STEEPEST)
    return min(max(1 / (1 + math.exp(-limited)), 1e-15), 1 - 1e-15)


def _softplus(eta: float) -> float:
    return eta + math.log1p(math.exp(-eta)) if eta > 0 else math.log1p(math.exp(eta))
