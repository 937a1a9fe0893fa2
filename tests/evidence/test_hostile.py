"""Every hostile bundle is named in the step that is there to find it, and none is ever good."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from evidence_builders import NOW, TESTER_KEY, TRUST, make_bundle, recompute_as_sealed
from hostile import HOSTILE

from seatrial.errors import KeyFileError
from seatrial.evidence.bundle import pack
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.keys import REVIEWER, TESTER, parse_trust
from seatrial.evidence.verification import StepStatus
from seatrial.evidence.verifier import verify_bundle


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    make_bundle(root / "bundle")
    pack(root / "bundle", root / "bundle.tar")
    assert verify_bundle(root / "bundle.tar", TRUST, NOW, recompute_as_sealed).ok
    return root


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_named_in_the_step_that_is_there_to_find_it(name: str, good: Path, tmp_path: Path) -> None:
    build, title, words = HOSTILE[name]
    root = Path(shutil.copytree(good, tmp_path / "root"))
    hostile = build(root)
    before = sorted(path.name for path in tmp_path.iterdir())
    report = verify_bundle(hostile, TRUST, NOW, recompute_as_sealed)
    assert not report.ok
    (step,) = [step for step in report.steps if step.title == title]
    assert step.status is StepStatus.FAILED, report.steps
    assert words in step.sentence, step.sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "something was written outside"


def test_one_key_under_two_roles_is_no_trust_file() -> None:
    first = TESTER_KEY.to_object()
    second = first | {"role": REVIEWER, "name": "Another hat", "keyid": "other"}
    with pytest.raises(KeyFileError, match="one public key stands twice"):
        parse_trust(canonical_bytes({"format": "seatrial-trust/1", "keys": [first, second]}))
    assert first["role"] == TESTER


def test_a_bomb_is_refused_within_the_memory_of_a_small_machine(good: Path, tmp_path: Path) -> None:
    """A gigabyte of zeros is not expanded: the verifier says so within 400 MB of address space for its data."""
    root = Path(shutil.copytree(good, tmp_path / "root"))
    bomb = HOSTILE["compression bomb"][0](root)
    code = (
        "import sys; from pathlib import Path; from seatrial.evidence.bundle import open_bundle\n"
        "try:\n    with open_bundle(Path(sys.argv[1])): print('opened')\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    limit = 400 * 1024 * 1024
    run = subprocess.run(
        [sys.executable, "-c", code, str(bomb)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    assert "compressed (gzip)" in run.stdout
