"""The step on the chain of parts: what the run brought in, in order and to its end, is what is here."""

from __future__ import annotations

from seatrial.errors import BundleError
from seatrial.evidence.bundle import read_part
from seatrial.evidence.chain import CHAIN, chain_problems, parse_chain
from seatrial.evidence.checks.base import Check, listed

__all__ = ["parts_chain_is_whole"]

_MAX_NAMED = 20


def parts_chain_is_whole(check: Check) -> str:
    """Compare the parts, with the digests of what lies in the bundle, with the chain; and see that it is closed."""
    listed(check)
    data = read_part(check.directory, CHAIN)
    chain = parse_chain(data)
    found = chain_problems(chain, check.found)
    if found:
        rest = len(found) - _MAX_NAMED
        named = "; ".join(found[:_MAX_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
        raise BundleError(named, remedy="Take the bundle from its source again, or recover the run that was killed.")
    ending = "closed when a run that was killed was recovered" if chain.recovered else "closed by the run"
    return f"{len(chain.parts)} parts in order, {ending}"
