"""Citizens follow a public rule, and a release is its data file and its source."""

from __future__ import annotations

import ast
import csv
import io
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seatrial.sandbox
from seatrial.sandbox import SandboxError, patron, patrons_csv, release_files
from seatrial.sandbox.patrons import MAX_PATRONS
from seatrial.sandbox.release import load_release, read_release

SOURCE = Path(seatrial.sandbox.__file__).parent


def test_the_patron_of_the_documentation_has_the_pin_of_the_documentation() -> None:
    assert (patron(123).id, patron(123).pin) == ("P000123", "4711")


@given(st.integers(1, MAX_PATRONS))
def test_every_patron_follows_the_public_rule(number: int) -> None:
    citizen = patron(number)
    assert citizen.id == f"P{number:06d}"
    assert citizen.pin == str((7919 * number + 674) % 10_000).zfill(4)
    assert citizen.name.isascii() == (number % 2 == 0)


@pytest.mark.parametrize("count", [0, -1, MAX_PATRONS + 1])
def test_a_list_of_no_patrons_or_too_many_is_refused(count: int) -> None:
    with pytest.raises(SandboxError, match="no such number of patrons"):
        patrons_csv(count)


def test_the_command_line_writes_the_patrons_as_utf8_csv_whatever_the_terminal() -> None:
    command = [sys.executable, "-m", "seatrial.sandbox", "patrons", "--count", "25"]
    out = subprocess.run(command, capture_output=True, check=True, env={"PYTHONIOENCODING": "ascii"})
    rows = list(csv.DictReader(io.StringIO(out.stdout.decode("utf-8"))))
    assert rows == [asdict(patron(number)) for number in range(1, 26)]
    assert out.stdout.startswith(b"id,pin,name\n")


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_release_is_its_data_file_and_every_source_file(name: str) -> None:
    files = release_files(name)
    names = [stable for stable, _ in files]
    assert names == sorted(set(names))
    expected = {f"sandbox/{path.name}" for path in SOURCE.glob("*.py")} | {f"sandbox/releases/{name}.json"}
    assert set(names) == expected
    assert all(path.is_file() and path.as_posix().endswith(stable) for stable, path in files)


def test_the_releases_differ_in_their_data_file_only() -> None:
    a, b = dict(release_files("a")), dict(release_files("b"))
    assert set(a) ^ set(b) == {"sandbox/releases/a.json", "sandbox/releases/b.json"}
    assert not load_release("a").atomic
    assert load_release("b").atomic


def test_an_unknown_release_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match=r"no such release: \.\./x\. Use one of a, b"):
        release_files("../x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slots": 0}, "slots is not a whole number above 0: 0"),
        ({"slots": True}, "slots is not a whole number above 0: True"),
        ({"booking": "hopeful"}, "booking is not a known way: hopeful"),
        ({"colour": "red"}, "a field too many: colour"),
        ({"work": {"parallel": 1}}, "lacks a field: service_ms"),
        ({"work": [1]}, "work is not an object"),
        ({"switches": {}}, "lacks a switch: opens_in_s"),
        ({"waiting_room": {"places": 3}}, "lacks a field: place_s"),
    ],
)
def test_a_release_file_that_is_wrong_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    document = json.loads((SOURCE / "releases/a.json").read_text())
    wrong = tmp_path / "a.json"
    wrong.write_text(json.dumps({**document, **change}))
    with pytest.raises(SandboxError, match=message):
        read_release(wrong)


def test_the_sandbox_imports_nothing_else_of_seatrial() -> None:
    imported = set()
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    ours = {name for name in imported if name.split(".")[0] == "seatrial"}
    assert ours
    assert all(name.startswith("seatrial.sandbox.") for name in ours)


def test_importing_the_process_module_loads_no_web_framework() -> None:
    code = "import sys, seatrial.sandbox.process; print({'starlette', 'uvicorn', 'uvloop'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout == "set()\n"
