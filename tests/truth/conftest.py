"""Let the tests of this room import its own modules, and the other rooms', as ``tests.…``."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)
