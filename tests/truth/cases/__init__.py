"""Every case, by its name, in the order of the page."""

from tests.truth.cases import capacity, load, recovery, soak, stress
from tests.truth.harness import Case

ALL: tuple[Case, ...] = (*load.CASES, *stress.CASES, *capacity.CASES, *recovery.CASES, *soak.CASES)
CASES = {case.name: case for case in ALL}
