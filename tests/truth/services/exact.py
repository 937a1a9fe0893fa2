"""What the services of this room answer in the long run: formulas, or numbers that are exact but for rounding.

Rates are per second, times in seconds. l is the rate of arrivals, m that of service, r = l/m, T the response time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq
from scipy.stats import gamma

Tail = Callable[[float], float]
"""From a time in seconds to the share of requests that take longer."""


def quantile_of(tail: Tail, quantile: float, scale_s: float) -> float:
    """Return the time within which ``quantile`` of all requests end; ``scale_s`` is some time of that order."""
    high = scale_s
    while tail(high) > 1 - quantile:
        high *= 2
    return float(brentq(lambda t: tail(t) - (1 - quantile), 0.0, high, xtol=1e-12))


def load_at(quantile: Callable[[float], float], limit_s: float, most: float) -> float:
    """Return the rate of arrivals, from 5 to 95 % of ``most``, at which ``quantile`` of it is ``limit_s``."""
    return float(brentq(lambda rate: quantile(rate) - limit_s, 0.05 * most, 0.95 * most, xtol=1e-6 * most))


def mm1_tail(arrivals: float, service: float) -> Tail:
    """M/M/1, first come, first served: P(T > t) = exp(-(m - l) t) (Kleinrock, *Queueing Systems* I (1975), 5.118)."""
    return lambda t: math.exp(-(service - arrivals) * t)


def erlang_c(arrivals: float, service: float, servers: int) -> float:
    """Return the share of requests that wait in M/M/c (Kleinrock I (1975), 3.40), from Erlang B by its recursion."""
    load, blocked = arrivals / service, 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mmc_tail(arrivals: float, service: float, servers: int) -> Tail:
    """M/M/c: nobody waits with probability 1 - C; else the wait is exponential at rate h = c m - l.

    P(T > t) = (1 - C) exp(-m t) + C (h exp(-m t) - m exp(-h t)) / (h - m)
    """
    waits, rate = erlang_c(arrivals, service, servers), servers * service - arrivals
    if math.isclose(rate, service):
        return lambda t: math.exp(-service * t) * (1 + waits * service * t)
    return lambda t: (
        (1 - waits) * math.exp(-service * t)
        + waits * (rate * math.exp(-service * t) - service * math.exp(-rate * t)) / (rate - service)
    )


def md1_tail(arrivals: float, service: float) -> Tail:
    """M/D/1, first come, first served, with work D = 1/m.

    P(W <= t) = (1 - r) sum_{k=0}^{floor(t/D)} (l (k D - t))^k / k! exp(-l (k D - t))      T = W + D

    (Erlang 1909; Tijms, *A First Course in Stochastic Models* (2003), 9.6.16). The terms alternate and cancel, so they
    are summed with 150 digits.
    """

    def tail(t: float) -> float:
        if t < 1 / service:
            return 1.0
        with localcontext() as context:
            context.prec = 150
            rate, work = Decimal(arrivals), 1 / Decimal(service)
            wait = Decimal(t) - work
            total = Decimal(0)
            for k in range(int(wait / work) + 1):
                part = rate * (k * work - wait)
                total += (part**k if k else Decimal(1)) / math.factorial(k) * (-part).exp()
            return 1 - float((1 - rate * work) * total)

    return tail


def sharing_tail(arrivals: float, service: float) -> Tail:
    """M/M/1 with processor sharing, from the Markov chain of one request and the n others beside it.

    Whoever comes finds n others with probability (1 - r) r^n (Coffman, Muntz and Trotter, *JACM* 17 (1970)). Beside
    it others come at rate l and end at rate m n/(n + 1), and it ends itself at rate m/(n + 1). So

        P(T > t) = p' exp(Q t) 1,   Q tridiagonal: l above, -(l + m) on, m n/(n + 1) below the diagonal

    which D = diag(sqrt(r^n (n + 1))) makes symmetric, so that its eigenvalues give every t. The chain is cut off
    where r^n < 1e-16.
    """
    load = arrivals / service
    states = math.ceil(math.log(1e-16) / math.log(load)) + 1
    n = np.arange(states)
    beside = np.sqrt(arrivals * service * (n[:-1] + 1) / (n[:-1] + 2))
    values, vectors = eigh_tridiagonal(np.full(states, -(arrivals + service)), beside)
    left = (1 - load) * load ** (n / 2) / np.sqrt(n + 1)
    right = load ** (n / 2) * np.sqrt(n + 1)
    weights = (left @ vectors) * (right @ vectors)
    return lambda t: float(weights @ np.exp(values * t))


def blocking(arrivals: float, service: float, room: int) -> float:
    """Return the share that M/M/1/K refuses: (1 - r) r^K / (1 - r^(K+1)) (Kleinrock I (1975), 3.43)."""
    load = arrivals / service
    return 1 / (room + 1) if math.isclose(load, 1) else (1 - load) * load**room / (1 - load ** (room + 1))


def bounded_tail(arrivals: float, service: float, room: int) -> Tail:
    """M/M/1/K, of those admitted: n before it with probability p_n / (1 - p_K), then a sum of n + 1 works."""
    load = arrivals / service
    found = np.array([load**n for n in range(room)])
    found /= found.sum()
    return lambda t: float(found @ gamma.sf(t, np.arange(1, room + 1), scale=1 / service))


def freeze_quantile(work_s: float, freeze_s: float, every_s: float, quantile: float) -> float:
    """Return a quantile of a prompt service that stands still for ``freeze_s`` of every ``every_s``.

    Who comes during a freeze, evenly over it, waits for its end: P(T > work + x) = (freeze - x) / every.
    """
    return work_s + max(0.0, freeze_s - (1 - quantile) * every_s)


def stampede_share(keys: int, arrivals: float, fetch_s: float, over_s: float) -> float:
    """Return the expected share of misses, of what comes in ``over_s``, when a cache of ``keys`` begins empty.

    Each key is asked for at rate a = l/keys and is there ``fetch_s`` after it was first asked for, so its misses are
    those that come in that time: 1 + a f in the mean, once it is asked for at all. With the end of the time taken
    into account, E = int_0^H a exp(-a s) (1 + a min(f, H - s)) ds, H = over_s.
    """
    rate, inner = arrivals / keys, over_s - fetch_s
    if inner < 0:
        raise ValueError("what is fetched is never there")
    early = (1 - math.exp(-rate * inner)) * (1 + rate * fetch_s)
    # s from H - f to H: int a e^{-as} (1 + a (H - s)) ds
    late = math.exp(-rate * inner) * rate * fetch_s
    return (early + late) / (rate * over_s)


def attempts_each(give_up: float, most: int) -> float:
    """Return how often each request is tried when each try is given up with probability p: (1 - p^k) / (1 - p)."""
    return (1 - give_up**most) / (1 - give_up)
