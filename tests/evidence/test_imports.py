"""What the gate and the verifier load, seen from a fresh interpreter."""

import json
import resource
import subprocess
import sys

import pytest

HEAVY = {
    "pydantic",
    "polars",
    "numpy",
    "scipy",
    "uvloop",
    "django",
    "ray",
    "rich",
    "google.protobuf",
    "in_toto_attestation",
}
ROOMS = {"engine", "authoring", "backends", "reports", "trials", "interop", "portal"}


def loaded_by(*modules: str) -> set[str]:
    code = f"import sys, json\nfor m in {modules!r}: __import__(m)\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["seatrial.confirmation.gate", "seatrial.cli.gate", "seatrial.model.release"])
def test_the_gate_loads_nothing_heavy_and_no_engine(module):
    loaded = loaded_by(module)
    assert module in loaded
    assert not {name for name in loaded if any(f"{name}.".startswith(f"{heavy}.") for heavy in HEAVY)}
    assert not {name for name in loaded if name.startswith("seatrial.") and name.split(".")[1] in ROOMS}


def test_the_verifier_loads_no_engine_no_event_loop_no_portal_no_cluster():
    loaded = loaded_by("seatrial.evidence.verifier", "seatrial.evidence.recompute", "seatrial.confirmation.confirm")
    assert not {name.split(".")[0] for name in loaded} & {"uvloop", "httptools", "django", "ray", "starlette"}
    assert not {name for name in loaded if name.startswith("seatrial.") and name.split(".")[1] in ROOMS}


def test_the_gate_answers_within_its_share_of_a_processor():
    command = [sys.executable, "-m", "seatrial.cli.gate"]
    for option in ("--confirmation", "--deployed", "--trust"):
        command += [option, "/nowhere"]
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 1 and done.stdout.startswith("DENY")
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Processor time, not wall-clock time: a busy machine must not fail this. The whole process, interpreter included.
    assert min(used) <= 0.4
