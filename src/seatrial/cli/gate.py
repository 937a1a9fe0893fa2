"""The gate's own entrance: ``seatrial gate`` without the command-line framework.

typer builds its options with pydantic, for every command of the program, before any command runs. A pipeline that asks
for ALLOW or DENY need not wait for that, so the program's entry hands the gate's arguments to :func:`main` here, which
reads them with the standard library. Exit codes: 0 ALLOW, 1 DENY, 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from seatrial.clock import SystemClock
from seatrial.confirmation.gate import Decision, decide, deny
from seatrial.errors import SeatrialError
from seatrial.evidence.canonical import read_document

__all__ = ["answer", "main"]


def answer(
    confirmation: Path,
    deployed: Path,
    trust: Path,
    revocations: Path | None = None,
    *,
    least_sequence: int = 1,
    as_json: bool = False,
) -> int:
    """Print ALLOW or DENY with every reason, and return the exit code.

    Args:
        confirmation: The confirmation's envelope.
        deployed: The release manifest of what is about to be deployed.
        trust: The trust file.
        revocations: The revocation list; None looks at none.
        least_sequence: The lowest number the list may have.
        as_json: Print one JSON object instead of lines.
    """
    files = {"confirmation": confirmation, "deployed": deployed, "trust": trust, "revocations": revocations}
    decision = _decide(files, least_sequence)
    if as_json:
        print(json.dumps(decision.to_object(), ensure_ascii=False))
    else:
        # One line each: whatever a reason quotes, no line but the first can read ALLOW.
        shown = ["".join(c if c.isprintable() else " " for c in reason) for reason in decision.reasons]
        print("\n- ".join([str(decision.answer), *shown]))
    return 0 if decision.allowed else 1


def _decide(files: dict[str, Path | None], least_sequence: int) -> Decision:
    """Read the files and decide; what can't be read is a DENY like any other doubt."""
    found: dict[str, bytes] = {}
    unreadable = []
    for name, path in files.items():
        if path is not None:
            try:
                found[name] = read_document(path.resolve())  # a mounted file is a link
            except (SeatrialError, OSError, RuntimeError, ValueError) as e:
                unreadable.append(f"--{name}: {e}")
    if unreadable:
        return deny(*unreadable)
    return decide(
        found["confirmation"],
        found["deployed"],
        found["trust"],
        SystemClock().now(),
        found.get("revocations"),
        least_sequence=least_sequence,
    )


def main(arguments: Sequence[str]) -> int:
    """Run the gate on command-line arguments (those after ``gate``) and return the exit code.

    Raises:
        SystemExit: With 2 on bad usage, with 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog="seatrial gate",
        description="Say whether the release may be rolled out: ALLOW or DENY, with every reason.",
        allow_abbrev=False,
    )
    required = {
        "confirmation": "the confirmation's envelope",
        "deployed": "release manifest of what is about to be deployed",
        "trust": "trust file: which key holds which role, and when",
    }
    for name, text in required.items():
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=text)
    parser.add_argument("--revocations", type=Path, metavar="FILE", help="the authority's revocation list")
    parser.add_argument(
        "--least-sequence", type=int, default=1, metavar="N", help="lowest number the revocation list may have"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    return answer(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
