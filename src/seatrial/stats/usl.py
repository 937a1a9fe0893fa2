"""The Universal Scalability Law: how throughput grows with what is in progress, or with the size of a service.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))          (Gunther, *Guerrilla Capacity Planning* (2007), 4)

N        load: sessions or steps in progress, users, or units of the service; above zero
X        throughput at it, per second
lambda   throughput of one, above zero
sigma    contention: the share that has to wait in turn, zero or more
kappa    crosstalk: what everybody costs everybody else, zero or more; with kappa > 0 throughput has a peak and falls
         beyond it

With y = N / X it is linear, y = c_0 + c_1 (N - 1) + c_2 N (N - 1), where c_0 = 1/lambda, c_1 = sigma/lambda and
c_2 = kappa/lambda. The fit is that of least squares on y, each point weighted by 1/var(y) = (X^2 / (N s))^2 for a
standard error s of X, with all three coefficients at least zero: of the eight ways to set some of them to zero the one
with the least sum of squares among those whose others are above it (there are so few that an active-set method would
be longer). Uncertainty is by the covariance of the coefficients, scaled by the residuals where these are larger than
the errors that were given, with Student's t at n - 3 degrees of freedom; a coefficient at its bound of zero keeps the
standard error that it has when it is free, so that its upper bound is not zero for certain. The peak and the
predictions have theirs by the delta method, on the logarithm.

Nothing is predicted beyond twice the largest N that was measured: a curve through points that bend a little says
nothing of where it turns (:class:`Refused`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

__all__ = ["FARTHEST", "Parameter", "Prediction", "Refused", "Scaling", "ThroughputAt", "fit_scaling"]

FARTHEST = 2.0
"""A prediction reaches no farther than so many times the largest N of the data."""

FEWEST = 4
"""Points at different N that a fit needs: one more than it has parameters."""

_DIGITS = 9
_LEAST_ERROR = 1e-3

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ThroughputAt:
    """One measured point.

    Attributes:
        load: N, above zero.
        throughput: X, above zero, per second.
        error: Standard error of X, zero or more; counted as a thousandth of X at least.
    """

    load: float
    throughput: float
    error: float

    def __post_init__(self) -> None:
        if not (self.load > 0 and self.throughput > 0 and self.error >= 0):
            raise ValueError(f"not a point of throughput: {self}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """An estimate with its bounds; ``upper`` None where there is none."""

    estimate: float
    lower: float
    upper: float | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Throughput at a load, per second, with bounds."""

    load: float
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A prediction that is not made.

    Attributes:
        load: What was asked for.
        farthest: The largest load for which one is made.
    """

    load: float
    farthest: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """A fitted law.

    Attributes:
        throughput: lambda.
        contention: sigma.
        crosstalk: kappa.
        peak: The load of the highest throughput, sqrt((1 - sigma) / kappa); None where kappa is not shown to be above
            zero, where it would lie beyond twice the data, or where throughput falls from the first.
        largest: The largest N of the data.
        points: How many there were.
    """

    throughput: Parameter
    contention: Parameter
    crosstalk: Parameter
    peak: Parameter | None
    largest: float
    points: int
    _coefficients: tuple[float, float, float]
    _covariance: tuple[tuple[float, float, float], ...]
    _t: float

    def predict(self, load: float) -> Prediction | Refused:
        """Return the throughput at a load, or a refusal beyond twice the data.

        Raises:
            ValueError: a load of zero or less.
        """
        if not load > 0:
            raise ValueError(f"no throughput at a load of {load}; it lies above 0")
        if load > FARTHEST * self.largest * (1 + 1e-12):
            return Refused(load, FARTHEST * self.largest)
        row = _row(load)
        y = math.fsum(c * r for c, r in zip(self._coefficients, row, strict=True))
        spread = self._t * math.sqrt(_form(row, self._covariance)) / y
        x = load / y
        return Prediction(load, _short(x), _short(x * math.exp(-spread)), _short(x * math.exp(spread)))


#: A throughput of one that may as well be e to this power times as high or as low is not known at all.
_UNKNOWN = 10.0


def fit_scaling(points: Sequence[ThroughputAt], confidence: float) -> Scaling | None:
    """Return the law that fits best; None with fewer than four different loads, or where no throughput fits.

    Args:
        points: In any order; the same load may come several times.
        confidence: Of every bound, two-sided, in (0, 1).

    Raises:
        ValueError: ``confidence`` outside its range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"no confidence: {confidence}")
    if len({point.load for point in points}) < FEWEST:
        return None
    x = np.array([_row(point.load) for point in points])
    y = np.array([point.load / point.throughput for point in points])
    error = [max(p.error, _LEAST_ERROR * p.throughput) * p.load / p.throughput**2 for p in points]
    weight = 1 / np.array(error) ** 2
    found = _least_squares(x, y, weight)
    if found is None or found[0] <= 0:
        return None
    freedom = len(points) - x.shape[1]
    squares = math.fsum((weight * (y - x @ found) ** 2).tolist())
    covariance = _inverse(x, weight) * max(1.0, squares / freedom)
    t = float(stdtrit(freedom, (1 + confidence) / 2))
    base, sigma, kappa = found[0], found[1] / found[0], found[2] / found[0]
    largest = max(point.load for point in points)
    of_one = t * math.sqrt(covariance[0, 0]) / base
    if of_one > _UNKNOWN:
        return None
    crosstalk = _ratio(found, covariance, 2, t)
    return Scaling(
        throughput=Parameter(_short(1 / base), _short(math.exp(-of_one) / base), _short(math.exp(of_one) / base)),
        contention=_ratio(found, covariance, 1, t),
        crosstalk=crosstalk,
        peak=_peak(found, covariance, t, FARTHEST * largest) if crosstalk.lower > 0 and sigma < 1 else None,
        largest=largest,
        points=len(points),
        _coefficients=(float(base), float(sigma * base), float(kappa * base)),
        _covariance=tuple((float(row[0]), float(row[1]), float(row[2])) for row in covariance),
        _t=t,
    )


def _row(load: float) -> tuple[float, float, float]:
    return 1.0, load - 1, load * (load - 1)


def _form(row: Sequence[float], matrix: Sequence[Sequence[float]]) -> float:
    """Return row' M row, not below zero."""
    terms = [row[i] * matrix[i][j] * row[j] for i in range(len(row)) for j in range(len(row))]
    return max(0.0, math.fsum(terms))


def _inverse(x: Matrix, weight: Matrix) -> Matrix:
    scale = np.abs(x).max(axis=0)
    scaled = x / scale
    return np.asarray(np.linalg.pinv(scaled.T @ (scaled * weight[:, None])) / np.outer(scale, scale))


def _least_squares(x: Matrix, y: Matrix, weight: Matrix) -> Matrix | None:
    """Return the coefficients, all at least zero, with the least weighted sum of squares."""
    best: Matrix | None = None
    least = math.inf
    for free in product((True, False), repeat=x.shape[1]):
        chosen = np.array(free)
        if not chosen.any():
            continue
        part = x[:, chosen]
        solved = _inverse(part, weight) @ (part.T @ (weight * y))
        if (solved < 0).any():
            continue
        whole = np.zeros(x.shape[1])
        whole[chosen] = solved
        squares = math.fsum((weight * (y - x @ whole) ** 2).tolist())
        if squares < least * (1 - 1e-9):
            best, least = whole, squares
    return best


def _ratio(found: Matrix, covariance: Matrix, place: int, t: float) -> Parameter:
    """Return c_place / c_0 with bounds by the delta method, not below zero."""
    value = found[place] / found[0]
    slope = [0.0, 0.0, 0.0]
    slope[0], slope[place] = -value / found[0], 1 / found[0]
    half = t * math.sqrt(_form(slope, covariance.tolist()))
    return Parameter(_short(value), _short(max(0.0, value - half)), _short(value + half))


def _peak(found: Matrix, covariance: Matrix, t: float, farthest: float) -> Parameter | None:
    """Return sqrt((c_0 - c_1) / c_2) with bounds on its logarithm; None beyond ``farthest``."""
    gap = found[0] - found[1]
    peak = math.sqrt(gap / found[2])
    if peak > farthest or peak <= 1:
        return None
    slope = [1 / (2 * gap), -1 / (2 * gap), -1 / (2 * found[2])]
    half = t * math.sqrt(_form(slope, covariance.tolist()))
    upper = peak * math.exp(half) if half < math.log(1e6) else math.inf
    return Parameter(_short(peak), _short(peak * math.exp(-half)), _short(upper) if upper <= farthest else None)


def _short(value: float) -> float:
    """Return a figure of nine significant digits: the last bits differ between builds of the linear algebra."""
    return float(f"{value:.{_DIGITS}g}")
