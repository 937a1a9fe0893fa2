"""How a run is made, beside what its plan and its policy say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.evidence.keys import Signer, Trust

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    Attributes:
        out: Folder for the bundle; None for a new one under ``seatrial-runs``.
        workers: Worker processes, at least one.
        release: The release manifest that was put to trial; None when the evidence is bound to none.
        signers: The tester's keys; none leaves the bundle unsigned.
        trust_python: Whether journeys in Python may be executed.
        command: The command line, for provenance.
        calibration: The calibration that the run cites; None when it cites none.
        seal: The seal that plan, policy, release and feeds must agree with; None where nothing was sealed first.
        attempts: The log of attempts on that seal.
        stop_file: The run ends when this file appears, beside the one that the plan may name.
        order: The authority's test order as it was signed; None where the load stands on none.
        trust: Who may sign it.
        consent: Whether the load stands on the consent that the target serves.
        consent_every_seconds: How often that is asked for again while the run is under way.
    """

    out: Path | None
    workers: int
    release: bytes | None
    signers: Sequence[Signer]
    trust_python: bool
    command: Sequence[str]
    calibration: bytes | None = None
    seal: bytes | None = None
    attempts: Path | None = None
    stop_file: Path | None = None
    order: bytes | None = None
    trust: Trust | None = None
    consent: bool = False
    consent_every_seconds: float = 10.0
