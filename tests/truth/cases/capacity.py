"""Stress trials that search: capacity as an estimate with its 95 % interval, against the analytic value."""

from __future__ import annotations

from collections.abc import Callable

from tests.truth.cases.judged import APART, judged, letters_of, yes
from tests.truth.cases.load import errors, percentile
from tests.truth.cases.stress import PLACES, wanted
from tests.truth.harness import Case, Figure, Letters
from tests.truth.services import exact, queues
from tests.verdict.made import Law, make, plan_of

GROUP = "Stress trials that search: how much does the service carry?"
NEAR = 0.05

FIGURES = (
    Figure("covered", "+", "the 95 % interval holds the true capacity", least=0.92, most=0.98),
    Figure("near", "=", "estimate within 5 % of the true capacity", least=0.95),
    Figure("near", "<", "estimate more than 5 % too low"),
    Figure("near", ">", "estimate more than 5 % too high"),
    Figure("10% beyond", "P", "false PASS, capacity wanted 10 % above the true one", most=0.01),
    Figure("10% inside", "F", "false FAIL, capacity wanted 10 % below the true one", most=0.02),
    Figure("10% beyond", "F", "FAIL, capacity wanted 10 % above"),
    Figure("10% inside", "P", "PASS, capacity wanted 10 % below"),
    Figure("bounded", "+", "the interval has both ends"),
)


def case(
    name: str, service: str, law: Law, capacity: float, limit: str, *, hold_s: int = 60, settle_s: int = 10
) -> Case:
    """Return a case: the search begins at about half the true capacity and rises by a quarter of it."""
    first, step = round(0.53 * capacity, 1), round(0.23 * capacity, 1)

    def trial(seed: int) -> Letters:
        kind = {"kind": "stress", "from": f"{first}/s", "to": f"{first + 5 * step:.1f}/s", "step": f"{step}/s"}
        kind |= {"hold": f"{hold_s}s", "settle": f"{settle_s}s", "within": f"{0.05 * capacity:.2f}/s"}
        plan = plan_of(kind | {"objectives": [limit, *wanted(capacity)]}, seed=seed)
        verdict = judged(make(plan, law, seed=APART * (seed + 1)))
        return letters_of(verdict, tuple(PLACES)) | estimated(verdict.capacity, capacity)

    plan = f"{limit}, levels of {hold_s} s, the first {settle_s} s of each not judged; true capacity {capacity:.1f}/s"
    return Case(name, GROUP, service, plan, trial, FIGURES, quick=2)


def estimated(found: object, capacity: float) -> Letters:
    """Return how a capacity that was found lies to the true one."""
    estimate, lower, upper = (getattr(found, part, None) for part in ("estimate", "lower", "upper"))
    held = (lower is None or lower <= capacity) and (upper is None or upper >= capacity)
    off = 0.0 if estimate is None else estimate / capacity - 1
    near = "?" if estimate is None else "=" if abs(off) <= NEAR else "<" if off < 0 else ">"
    return {"covered": yes(held), "near": near, "bounded": yes(lower is not None and upper is not None)}


def _where(tail: Callable[[float], exact.Tail], limit_s: float, most: float) -> float:
    """Return the rate at which p95 is ``limit_s``."""
    return exact.load_at(lambda rate: exact.quantile_of(tail(rate), 0.95, limit_s), limit_s, most)


_P95 = percentile(95)
CASES = (
    case(
        "search-mm1",
        "M/M/1, 100/s",
        queues.mm1(100),
        _where(lambda rate: exact.mm1_tail(rate, 100), 0.15, 100),
        _P95(0.15),
    ),
    case(
        "search-mmc",
        "M/M/4, 25/s each",
        queues.mmc(25, 4),
        _where(lambda rate: exact.mmc_tail(rate, 25, 4), 0.2, 100),
        _P95(0.2),
    ),
    case(
        "search-md1",
        "M/D/1, 100/s",
        queues.md1(100),
        _where(lambda rate: exact.md1_tail(rate, 100), 0.08, 100),
        _P95(0.08),
    ),
    case(
        "search-sharing",
        "M/M/1 processor sharing, 100/s",
        queues.processor_sharing(100),
        _where(lambda rate: exact.sharing_tail(rate, 100), 0.2, 100),
        _P95(0.2),
    ),
    case(
        "search-shedding",
        "M/M/1/10, 100/s, which refuses with 503",
        queues.bounded(100, 10),
        exact.load_at(lambda rate: exact.blocking(rate, 100, 10), 0.02, 100),
        errors(0.02),
    ),
)
