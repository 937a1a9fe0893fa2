"""Verify a bundle: integrity, seal, recomputation. No load engine is needed, and none is imported.

The steps, numbered as they are printed; the code carries the same numbers:

     1. The archive is well-formed (not applicable to a directory).
     2. The manifest is present and well-formed.
     3. No file that the manifest lists is missing.
     4. There is no file that the manifest does not list, and no unknown attestation.
     5. Every file has the size and the digest that the manifest says.
     6. The documents parse.
     7. The test result is signed by a trusted tester, with a key valid at the time of sealing.
     8. The test result binds this manifest, plan, policy and release.
     9. The test result's words agree with the verdict.
    10. The verdict recomputed from the raw records equals the sealed verdict byte for byte.

Each step is passed, failed, or not applicable, with a sentence. A step that can't run has failed. Steps after a
failure still run where they can, so that everything wrong is listed; the bundle is good only when no step failed.
Small documents are read once: the bytes that are digested are the bytes that are parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.clock import to_rfc3339
from seatrial.errors import BundleError, EvidenceError, SeatrialError
from seatrial.evidence.bundle import (
    JOURNAL,
    MAX_JOURNAL_BYTES,
    PLAN,
    POLICY,
    RELEASE,
    REQUIRED_DOCUMENTS,
    TEST_RESULT,
    VERDICT,
    open_bundle,
    plan_source,
    read_part,
)
from seatrial.evidence.canonical import MAX_DOCUMENT_BYTES, open_regular, parse_json, sha256_hex
from seatrial.evidence.envelope import verify
from seatrial.evidence.keys import TESTER, Trust, TrustedKey
from seatrial.evidence.manifest import (
    ATTESTATIONS,
    MANIFEST,
    Difference,
    DifferenceKind,
    Manifest,
    ascii_path,
    check_directory,
    files_of,
    parse_manifest,
)
from seatrial.evidence.statement import SealedResult, expected_names, parse_test_result
from seatrial.evidence.verification import TITLES, Step, StepStatus, VerificationReport
from seatrial.model.release import Release, Subject, compare_releases, parse_release

__all__ = ["TITLES", "Recompute", "Step", "StepStatus", "VerificationReport", "verify_bundle"]

_MAX_NAMED = 20


Recompute = Callable[[Path], bytes]


def verify_bundle(path: Path, trust: Trust, now: datetime, recompute: Recompute | None) -> VerificationReport:
    """Run the ten steps on a bundle directory or packed bundle.

    Args:
        path: The bundle in either form.
        trust: Who may sign as tester.
        now: The time of verification, with a zone; a seal later than this has failed.
        recompute: From a bundle directory to the canonical bytes of its ``verdict.json``. None fails step 10.

    Returns:
        A report; hostile and broken bundles are reported, not raised.
    """
    with ExitStack() as stack:
        try:
            # Step 1
            directory = stack.enter_context(open_bundle(path))
        except SeatrialError as e:
            nothing = "this can't be checked without the bundle"
            sentences = [str(e), *[nothing] * (len(TITLES) - 1)]
            return VerificationReport(
                tuple(
                    Step(n, title, StepStatus.FAILED, sentence)
                    for n, (title, sentence) in enumerate(zip(TITLES, sentences, strict=True), start=1)
                )
            )
        check = _Check(directory, trust, now, recompute)
        if directory == path:
            check.add(StepStatus.NOT_APPLICABLE, "a directory was given, not an archive")
        else:
            check.add(StepStatus.PASSED, "the archive holds plain files only, in the form that pack writes")
        check.run()
        return check.report()


class _CannotRunError(Exception):
    """A step lacks what an earlier step should have found."""


@dataclass
class _Check:
    directory: Path
    trust: Trust
    now: datetime
    recompute: Recompute | None
    steps: list[Step] = field(default_factory=list)
    manifest: Manifest | None = None
    digest: str | None = None
    differences: tuple[Difference, ...] = ()
    raw: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    release: Release | None = None
    test_result: SealedResult | None = None
    test_result_digest: str | None = None
    sealed_by: tuple[TrustedKey, ...] = ()

    def add(self, status: StepStatus, sentence: str) -> None:
        number = len(self.steps) + 1
        self.steps.append(Step(number, TITLES[number - 1], status, sentence))

    def run(self) -> None:
        for step in (
            self._manifest,
            self._missing,
            self._extra,
            self._digests,
            self._documents,
            self._signature,
            self._binding,
            self._agreement,
            self._recomputation,
        ):
            try:
                self.add(StepStatus.PASSED, step())
            except _CannotRunError as e:
                self.add(StepStatus.FAILED, f"this can't be checked: {e}")
            except SeatrialError as e:
                self.add(StepStatus.FAILED, str(e))
            except Exception as e:  # a bundle that surprises the reader is not a good bundle
                self.add(StepStatus.FAILED, f"the check itself broke on this bundle ({type(e).__name__}: {e})")

    def report(self) -> VerificationReport:
        read: dict[str, Any] = {k: v for k, v in self.documents.items() if isinstance(v, dict)}
        policy = self.raw.get(POLICY)
        return VerificationReport(
            steps=tuple(self.steps),
            digest=self.digest,
            verdict=read.get(VERDICT),
            plan=read.get(PLAN),
            policy=read.get(POLICY),
            policy_digest=None if policy is None else sha256_hex(policy),
            release=self.release,
            test_result=self.test_result,
            test_result_digest=self.test_result_digest,
            sealed_by=self.sealed_by,
        )

    def _manifest(self) -> str:
        # Step 2
        data = read_part(self.directory, MANIFEST)
        self.digest = sha256_hex(data)
        manifest = parse_manifest(data)
        # One pass over the files serves steps 3, 4 and 5.
        self.differences = check_directory(self.directory, manifest)
        self.manifest = manifest
        return f"{len(manifest.files)} files, evidence digest sha256:{self.digest}"

    def _listed(self) -> Manifest:
        if self.manifest is None:
            raise _CannotRunError("there is no usable manifest")
        return self.manifest

    def _none_of(self, kind: DifferenceKind, more: tuple[str, ...] = ()) -> None:
        found = [d.sentence for d in self.differences if d.kind is kind] + list(more)
        if found:
            rest = len(found) - _MAX_NAMED
            named = "; ".join(found[:_MAX_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
            raise BundleError(named, remedy="Take the bundle from its source again.")

    def _missing(self) -> str:
        # Step 3
        files = self._listed().files
        self._none_of(DifferenceKind.MISSING)
        return f"all {len(files)} files are there"

    def _extra(self) -> str:
        # Step 4
        self._listed()
        strangers = tuple(
            f"{ascii_path(path)} is an attestation unknown to this version"
            for path, _ in files_of(self.directory)
            if path.startswith(f"{ATTESTATIONS}/") and path.count("/") == 1 and path != TEST_RESULT
        )
        self._none_of(DifferenceKind.EXTRA, strangers)
        return "nothing was added"

    def _digests(self) -> str:
        # Step 5
        files = self._listed().files
        self._none_of(DifferenceKind.CHANGED)
        compared = len(files) - sum(d.kind is DifferenceKind.MISSING for d in self.differences)
        if not compared:
            raise BundleError("not one file could be compared", remedy="Take the bundle from its source again.")
        return f"{compared} files, {sum(f.bytes for f in files)} bytes"

    def _documents(self) -> str:
        # Step 6: all problems at once
        problems: list[str] = []
        names = [*REQUIRED_DOCUMENTS, *([RELEASE] if (self.directory / RELEASE).exists() else [])]
        for name in names:
            try:
                self.raw[name] = read_part(self.directory, name)
                self._refuse_other_bytes(name)
                self.documents[name] = parse_json(self.raw[name], name)
                if name == RELEASE:
                    self.release = parse_release(self.raw[name])
                elif not isinstance(self.documents[name], dict) or not self.documents[name]:
                    problems.append(f"{name} is empty or no object")
            except EvidenceError as e:
                problems.append(str(e))
        for check in (lambda: plan_source(self.directory), lambda: _read_journal(self.directory / JOURNAL)):
            try:
                check()
            except EvidenceError as e:
                problems.append(str(e))
        if problems:
            raise BundleError("; ".join(problems), remedy="Take the bundle from its source again.")
        return ", ".join([*names, JOURNAL])

    def _refuse_other_bytes(self, name: str) -> None:
        """Refuse a document that is not what step 5 digested, unless step 5 has named it."""
        entry = self.manifest.entry(name) if self.manifest else None
        if entry is None or any(d.path == name for d in self.differences):
            return
        if entry.sha256 != sha256_hex(self.raw[name]):
            raise BundleError(f"{name} changed while it was verified", remedy="Verify a copy that nobody writes to.")

    def _signature(self) -> str:
        # Step 7: nothing of the statement is read before a trusted key has verified its bytes
        verified = verify(read_part(self.directory, TEST_RESULT), self.trust)
        result = parse_test_result(verified.payload)
        problems = list(verified.problems({TESTER}, result.sealed_at))
        if result.sealed_at > self.now:
            problems.append(f"it is sealed in the future ({to_rfc3339(result.sealed_at)})")
        if problems:
            raise BundleError("; ".join(problems), remedy="Ask the tester for a properly signed bundle.")
        self.test_result, self.test_result_digest = result, sha256_hex(verified.payload)
        self.sealed_by = verified.signed_by
        return f"sealed by {' and '.join(key.name for key in self.sealed_by)} at {to_rfc3339(result.sealed_at)}"

    def _statement(self) -> SealedResult:
        if self.test_result is None:
            raise _CannotRunError("there is no test result with a good signature")
        return self.test_result

    def _binding(self) -> str:
        # Step 8
        result = self._statement()
        source = plan_source(self.directory)
        actual = {MANIFEST: self.digest, source: sha256_hex(read_part(self.directory, source))}
        actual |= {name: sha256_hex(data) for name, data in self.raw.items() if name in {PLAN, POLICY, RELEASE}}
        problems = [
            f"it binds {name} as {result.configuration.get(name, 'nothing')}, found {actual.get(name, 'nothing')}"
            for name in sorted({PLAN, POLICY} | actual.keys() | result.configuration.keys())
            if name not in actual or actual[name] != result.configuration.get(name)
        ]
        subjects = self.release.subjects if self.release else (Subject(MANIFEST, self.digest or ""),)
        problems += compare_releases(result.subjects, subjects).sentences()
        if problems:
            raise BundleError("; ".join(problems), remedy="This test result belongs to another bundle.")
        if self.release is None:
            return "plan, policy and manifest; no release is bound, so this can never be confirmed"
        return f"plan, policy, manifest and release {self.release.name} {self.release.version}"

    def _agreement(self) -> str:
        # Step 9
        result = self._statement()
        if VERDICT not in self.documents:
            raise _CannotRunError(f"{VERDICT} can't be read")
        word, passed, failed = expected_names(self.documents[VERDICT])
        if (result.result, result.passed, result.warned, result.failed) != (word, passed, (), failed):
            raise BundleError(
                f"the test result says {result.result} (passed {list(result.passed)}, warned "
                f"{list(result.warned)}, failed {list(result.failed)}), the verdict means {word} "
                f"(passed {list(passed)}, failed {list(failed)})",
                remedy="Do not rely on this bundle: the tester signed another outcome.",
            )
        return f"{result.result}, verdict {self.documents[VERDICT]['verdict']}"

    def _recomputation(self) -> str:
        # Step 10
        if self.recompute is None:
            raise _CannotRunError("no way to recompute the verdict was given")
        sealed = self.raw.get(VERDICT)
        if sealed is None:
            raise _CannotRunError(f"{VERDICT} can't be read")
        recomputed = self.recompute(self.directory)
        if recomputed != sealed:
            at = next((i for i, (a, b) in enumerate(zip(recomputed, sealed, strict=False)) if a != b), None)
            at = min(len(recomputed), len(sealed)) if at is None else at
            raise BundleError(
                f"the raw records give another verdict.json, first at byte {at}: recomputed "
                f"{recomputed[at : at + 40].decode(errors='replace')!a}, sealed "
                f"{sealed[at : at + 40].decode(errors='replace')!a}",
                remedy="Do not rely on the sealed verdict: 'seatrial assess' shows the recomputed one.",
            )
        return f"{len(sealed)} bytes are equal"


def _read_journal(path: Path) -> None:
    """Refuse a journal that is missing, empty, too large, or has a whole line that is no JSON object.

    A last line without its end is what a killed run leaves; it is sealed as it is, and not read.
    """
    lines = total = 0
    with open_regular(path) as file:
        while line := file.readline(MAX_DOCUMENT_BYTES + 1):
            lines += 1
            total += len(line)
            if total > MAX_JOURNAL_BYTES:
                raise BundleError(f"{JOURNAL} is larger than {MAX_JOURNAL_BYTES} bytes", remedy="Do not use it.")
            if line.endswith(b"\n") and not isinstance(parse_json(line, f"{JOURNAL} line {lines}"), dict):
                raise BundleError(f"{JOURNAL} line {lines} is no object", remedy="Take it from its source again.")
    if not lines:
        raise BundleError(f"{JOURNAL} is empty", remedy="A run writes down what happened: run the plan again.")
