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
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from seatrial.clock import SystemClock
from seatrial.confirmation.facts import FACTS_MAX_AGE
from seatrial.confirmation.gate import Decision, decide, deny
from seatrial.errors import SeatrialError
from seatrial.evidence.canonical import read_document
from seatrial.model.release import Release, parse_release
from seatrial.units import parse_duration

__all__ = ["Question", "answer", "main", "say"]


@dataclass(frozen=True, slots=True)
class Question:
    """What the gate is asked.

    Attributes:
        confirmation: The confirmation's envelope.
        deployed: The release manifest of what is about to be deployed.
        trust: The trust file.
        revocations: The revocation list; None looks at none.
        facts: The facts since the confirmation, signed or not; None where there are none.
        least_sequence: The lowest number the list may have.
        remember: File that keeps the highest number seen; None keeps none.
        facts_max_age: How old facts may be.
        evidence: The bundle that was confirmed; None does not look at it.
        log_proof: That the transparency log holds the confirmation; None does not ask.
    """

    confirmation: Path
    deployed: Path
    trust: Path
    revocations: Path | None = None
    facts: Path | None = None
    least_sequence: int = 1
    remember: Path | None = None
    facts_max_age: timedelta = FACTS_MAX_AGE
    evidence: Path | None = None
    log_proof: Path | None = None

    def ask(self, now: datetime) -> tuple[Decision, Release | None]:
        """Read each file once and decide; what can't be read is a DENY like any other doubt.

        Returns:
            The decision, and the deployed manifest that it was made on: the same bytes, so that nobody can exchange the
            file between the two. None where it can't be read.
        """
        try:
            found, unreadable = self._read()
            if unreadable:
                return deny(*unreadable), None
            decision = self._decide(found, now)
            try:
                return decision, parse_release(found["deployed"], "the deployed manifest")
            except SeatrialError:
                return (deny(*decision.reasons) if decision.allowed else decision), None
        except Exception as e:  # in doubt the gate stays shut, whatever went wrong
            return deny(f"the gate could not decide ({type(e).__name__}: {e})"), None

    def _read(self) -> tuple[dict[str, bytes], list[str]]:
        found: dict[str, bytes] = {}
        unreadable = []
        for name in ("confirmation", "deployed", "trust", "revocations", "facts", "log_proof"):
            path: Path | None = getattr(self, name)
            if path is not None:
                try:
                    found[name] = read_document(path.resolve())  # a mounted file is a link
                except (SeatrialError, OSError, RuntimeError, ValueError) as e:
                    unreadable.append(f"--{name.replace('_', '-')}: {e}")
        return found, unreadable

    def _decide(self, found: dict[str, bytes], now: datetime) -> Decision:
        return decide(
            found["confirmation"],
            found["deployed"],
            found["trust"],
            now,
            found.get("revocations"),
            least_sequence=self.least_sequence,
            remembering=self.remember,
            facts=found.get("facts"),
            facts_max_age=self.facts_max_age,
            evidence=self.evidence,
            log_proof=found.get("log_proof"),
        )


def answer(question: Question, *, as_json: bool = False) -> int:
    """Print ALLOW or DENY with every reason, and return the exit code.

    Args:
        question: What the gate is asked.
        as_json: Print one JSON object instead of lines.
    """
    decision, _ = question.ask(SystemClock().now())
    if as_json:
        print(json.dumps(decision.to_object()))  # ASCII: valid whatever a path or the terminal's encoding holds
    else:
        # One line each: whatever a reason quotes, no line but the first can read ALLOW.
        shown = ["".join(c if c.isprintable() else " " for c in reason) for reason in decision.reasons]
        say("\n- ".join([str(decision.answer), *shown]))
    return 0 if decision.allowed else 1


def say(text: str) -> None:
    """Print ``text``, and what the output can't spell as an escape: no reason may keep an answer from being given."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _max_age(text: str) -> timedelta:
    try:
        return timedelta(microseconds=parse_duration(text) / 1000)
    except (ValueError, OverflowError) as e:
        raise argparse.ArgumentTypeError(f"not a duration like 24h: {text!r}") from e


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
    parser.add_argument(
        "--remember", type=Path, metavar="FILE", help="keep the list's highest number here, and refuse a lower one"
    )
    parser.add_argument("--facts", type=Path, metavar="FILE", help="facts since the confirmation, signed or not")
    parser.add_argument(
        "--facts-max-age", type=_max_age, default=FACTS_MAX_AGE, metavar="DURATION", help="default: 24h"
    )
    parser.add_argument("--evidence", type=Path, metavar="BUNDLE", help="the bundle, to be the one that is bound")
    parser.add_argument("--log-proof", type=Path, metavar="FILE", help="that the transparency log holds it")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    given = vars(parser.parse_args(arguments))
    as_json = given.pop("as_json")
    return answer(Question(**given), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
