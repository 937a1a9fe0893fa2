"""Let the tests of this room build evidence as its neighbour's tests do."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "evidence")]
