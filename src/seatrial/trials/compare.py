"""Compare two bundles: check both against their manifests, recompute their verdicts, and set one against the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import BundleError, EvidenceError, UsageError
from seatrial.evidence.bundle import bundle_digest, open_bundle, read_part
from seatrial.evidence.manifest import MANIFEST, check_directory, parse_manifest
from seatrial.evidence.recompute import read_evidence
from seatrial.model.comparison import Comparison
from seatrial.model.verdict import Reason
from seatrial.stats.contrast import Smallest
from seatrial.verdict.compare import Round, compare, refused
from seatrial.verdict.judge import judge

__all__ = ["Compared", "compare_bundles"]


@dataclass(frozen=True, slots=True)
class Compared:
    """What two bundles show beside each other.

    Attributes:
        comparison: Of them.
        old_digest: Evidence digest of the last round; None where it is no basis.
        new_digest: Likewise of this one.
    """

    comparison: Comparison
    old_digest: str | None
    new_digest: str | None


def compare_bundles(old: Path, new: Path, smallest: Smallest | None = None) -> Compared:
    """Return the comparison of two bundles.

    A bundle that is not sealed, is not as its manifest says, or can't be read is no basis: the comparison is INVALID
    and names the round. Who signed is not looked at; that is ``seatrial verify``.

    Args:
        old: The last round: a bundle's folder or its packed file.
        new: This round.
        smallest: The smallest change that matters.

    Raises:
        UsageError: both are the same evidence, which shows nothing.
    """
    against: list[Reason] = []
    folders: list[Path] = []
    digests: list[str] = []
    rounds: list[Round] = []
    codes = ("comparison.old_unreadable", "comparison.new_unreadable")
    with ExitStack() as stack:
        for path, code in zip((old, new), codes, strict=True):
            with _noting(code, against):
                folders.append(stack.enter_context(open_bundle(path)))
                digests.append(_checked(folders[-1]))
        if len(set(digests)) < len(digests):
            raise UsageError(
                "both bundles are the same evidence", value=new, remedy="Give the last round's bundle and this round's."
            )
        for folder, code in zip(folders, codes, strict=True) if not against else ():
            with _noting(code, against):
                rounds.append(_round(folder))
        if against:
            return Compared(refused(against, smallest or Smallest()), None, None)
        return Compared(compare(rounds[0], rounds[1], smallest), digests[0], digests[1])


@contextmanager
def _noting(code: str, against: list[Reason]) -> Iterator[None]:
    """Note why a bundle is no basis, where it is none."""
    try:
        yield
    except EvidenceError as error:
        detail = error.what if error.value is None else f"{error.what}: {error.value}"
        against.append(Reason(code=code, params={"detail": detail}))


def _checked(folder: Path) -> str:
    """Return the digest of an opened bundle that is as its manifest says.

    Raises:
        BundleError: it has no manifest, or departs from it.
    """
    if not (folder / MANIFEST).exists():
        raise BundleError("the bundle is not sealed", remedy="Close it with seatrial recover.")
    differences = check_directory(folder, parse_manifest(read_part(folder, MANIFEST)))
    if differences:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise BundleError(
            "the bundle is not what was sealed", value=differences[0].sentence + more, remedy="Take it from its source."
        )
    return bundle_digest(folder)


def _round(folder: Path) -> Round:
    read = read_evidence(folder)
    verdict = judge(read.plan, read.plan_digest, read.policy, read.trials, read.calibrated)
    return Round(read.plan, read.plan_digest, read.policy, read.trials, verdict)
