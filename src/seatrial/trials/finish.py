"""The end of a run: judge what was recorded, write the report, seal the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.clock import Clock
from seatrial.errors import BundleError
from seatrial.evidence.bundle import REPORT, VERDICT, bundle_digest
from seatrial.evidence.keys import Signer
from seatrial.evidence.manifest import write_manifest
from seatrial.evidence.recompute import recompute
from seatrial.evidence.seal import seal
from seatrial.model.verdict import RunVerdict
from seatrial.reports.html import render_html
from seatrial.reports.view import report_view
from seatrial.trials.observer import Observer
from seatrial.trials.workspace import Workspace

__all__ = ["RunResult", "finish"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run leaves.

    Attributes:
        bundle: The sealed folder.
        digest: The evidence digest: SHA-256 of the bundle's manifest.
        verdict: Recomputed from the bundle itself.
        ending: Why the run ended early; None when it completed.
        signed: Whether a tester signed it.
    """

    bundle: Path
    digest: str
    verdict: RunVerdict
    ending: Exception | None
    signed: bool


def finish(
    workspace: Workspace,
    ending: Exception | None,
    signers: Sequence[Signer],
    observer: Observer,
    clock: Clock,
) -> RunResult:
    """Judge, report and seal.

    The verdict is computed from the bundle on disk by the function that ``seatrial assess`` uses, so what is sealed
    is by construction what anyone recomputes.

    Raises:
        BundleError: what was recorded can't be read back, or the disk refuses the last documents.
        RecordingError: likewise.
    """
    folder = workspace.folder
    workspace.close()
    workspace.drop_empty_spools()
    verdict = recompute(folder)
    workspace.write_json(VERDICT, verdict.as_document())
    workspace.write(REPORT, render_html(report_view(folder, verdict)).encode())
    if signers:
        digest = seal(folder, signers, clock.now())
    else:
        try:
            write_manifest(folder)
        except OSError as error:
            raise BundleError("the manifest can't be written", value=folder, remedy="Free some space.") from error
        digest = bundle_digest(folder)
    observer.run_ended(verdict)
    return RunResult(folder, digest, verdict, ending, bool(signers))
