"""Every case, by its name, in the order of the page."""

from tests.truth.cases import load, soak, stress
from tests.truth.harness import Case

ALL: tuple[Case, ...] = (*load.CASES, *stress.CASES, *soak.CASES)
CASES = {case.name: case for case in ALL}
