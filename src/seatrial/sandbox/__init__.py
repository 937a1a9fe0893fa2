"""A sports-facility booking service to put to trial: release A fails on opening day, release B holds.

It stands apart from the rest of Seatrial, imports none of it, and is run as a process of its own::

    python -m seatrial.sandbox serve --release a
    python -m seatrial.sandbox patrons --count 1000 > patrons.csv

From Python: :class:`seatrial.sandbox.process.Sandbox`. Importing this package loads no web framework.
"""

from __future__ import annotations

from seatrial.sandbox.patrons import Patron, patron, patrons_csv
from seatrial.sandbox.problems import SandboxError
from seatrial.sandbox.release import RELEASES, release_files

__all__ = ["RELEASES", "Patron", "SandboxError", "patron", "patrons_csv", "release_files"]
