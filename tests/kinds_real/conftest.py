"""The runs that the tests of this room look at: those of the collected tests, a few at the same time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

_ROOT = str(Path(__file__).parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tests.kinds_real.cases import CASES, Ended, run_case  # noqa: E402 -- found by the line above

# The services wait more than they work: six runs at a time keep two cores half busy.
_AT_A_TIME = 6


@pytest.fixture(scope="session")
def _runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    asked = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    wanted = [name for name in dict.fromkeys(asked) if name in CASES]
    # The longest first, or the end would wait for one of them alone.
    wanted.sort(key=lambda name: -CASES[name].seconds)
    root = tmp_path_factory.mktemp("kinds")
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        yield {name: pool.submit(run_case, CASES[name], root / name) for name in wanted}


@pytest.fixture
def ended(case: str, _runs: dict[str, Future[Ended]]) -> Ended:
    """Return how the run of the test's case ended."""
    return _runs[case].result(timeout=110)
