"""The kinds by their names in a plan."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.verdict.kinds.base import Kind, keeps_limits
from seatrial.verdict.kinds.disturbed import RECOVERY, SPIKE
from seatrial.verdict.kinds.scalability import SCALABILITY
from seatrial.verdict.kinds.soak import SOAK
from seatrial.verdict.kinds.stress import STRESS

__all__ = ["KINDS"]

KINDS: Mapping[str, Kind] = {
    "load": Kind(keeps_limits),
    "stress": STRESS,
    "spike": SPIKE,
    "soak": SOAK,
    "recovery": RECOVERY,
    "scalability": SCALABILITY,
}
