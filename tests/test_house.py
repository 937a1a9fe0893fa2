"""The house itself: its size, its doors, and what a wheel of it holds."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
NAMES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in MODULES
    if path.stem != "__main__" and path.parent.name != "migrations"  # Django writes those, and loads them itself
]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60


def python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_there_is_a_house_to_look_at():
    assert len(MODULES) > 80
    assert SOURCE / "seatrial" / "cli" / "main.py" in MODULES


def test_no_module_is_longer_than_its_cap():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_longer_than_its_cap():
    long = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"] = lines
    assert long == {}


LOOK = """
import importlib, io, json, os, sys, threading, contextlib, django
fds = lambda: [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
files = lambda: sorted(os.readlink(path) for path in fds() if os.path.lexists(path))
said = io.StringIO()
os.environ["DJANGO_SETTINGS_MODULE"] = "seatrial.portal.project.settings"
django.setup()  # the tables' modules can be imported only then
before, environment, folder = files(), dict(os.environ), os.getcwd()
wrong = {}
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    for name in json.loads(sys.argv[1]):
        module = importlib.import_module(name)
        gone = [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)]
        if gone or "__all__" not in vars(module) and not module.__file__.endswith("__init__.py"):
            wrong[name] = gone
# Libraries may open what they read, and polars sets its allocator's variable; a socket or a pipe is a side effect.
opened = [f for f in files() if f not in before and not f.startswith(("/proc", "/sys", "anon_inode"))]
print(json.dumps({
    "wrong": wrong, "said": said.getvalue(), "threads": threading.active_count(), "opened": opened,
    "environment": [n for n in os.environ if os.environ[n] != environment.get(n) and n != "_RJEM_MALLOC_CONF"],
    "folder": os.getcwd() == folder,
}))
"""


def test_every_module_names_what_it_offers_and_importing_it_does_nothing_else():
    assert json.loads(python(LOOK, json.dumps(NAMES))) == {
        "wrong": {},
        "said": "",
        "threads": 1,
        "opened": [],
        "environment": [],
        "folder": True,
    }


@pytest.mark.parametrize("module", ["seatrial.evidence.verifier", "seatrial.evidence.recompute"])
def test_who_checks_evidence_loads_no_engine_no_event_loop_and_no_web_framework(module):
    loaded = set(json.loads(python(f"import {module}, sys, json; print(json.dumps(sorted(sys.modules)))")))
    assert module in loaded
    assert not {name.split(".")[0] for name in loaded} & {
        "uvloop", "httptools", "django", "ray", "starlette", "uvicorn", "typer", "rich",
    }  # fmt: skip
    rooms = {name.split(".")[1] for name in loaded if name.startswith("seatrial.")}
    assert not rooms & {"engine", "authoring", "backends", "reports", "trials", "cli", "sandbox"}


def test_the_command_works_from_another_folder(tmp_path):
    command = Path(sys.executable).with_name("seatrial")
    assert command.exists(), "install the distribution first: pip install --editable ."
    done = subprocess.run([command, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("demo", "plan", "run", "assess", "verify", "confirm", "revoke", "gate", "report", "keys"):
        assert f"\n  {name} " in done.stdout
    version = subprocess.run(
        [command, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert version.stdout.startswith("seatrial 0.")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in a wheel built from this tree."""
    assert importlib.util.find_spec("hatchling"), "the build backend is missing: install the dev extra (hatchling)"
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(ROOT)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("seatrial-*.whl")
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def test_a_wheel_holds_the_data_that_the_program_reads(wheel):
    for name in (
        "policies/default.yaml",
        "policies/demo.yaml",
        "reports/templates/report.html.j2",
        "reports/texts.toml",
        "sandbox/plan.yaml",
        "sandbox/releases/a.json",
        "sandbox/releases/b.json",
        "py.typed",
    ):
        assert f"seatrial/{name}" in wheel, name


def test_a_wheel_holds_every_module_and_every_file_beside_them_and_nothing_else(wheel):
    files = (path for path in (SOURCE / "seatrial").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(SOURCE).as_posix() for path in files}
    packed = {name for name in wheel if not name.split("/")[0].endswith(".dist-info")}
    assert packed == expected
