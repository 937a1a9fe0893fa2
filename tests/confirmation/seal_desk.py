"""A desk with keys, a trust file, a release and a sealed bundle, and the commands called as a person calls them."""

import json
import sys
from types import ModuleType

from evidence_builders import PASSED, POLICY, make_bundle, recompute_as_sealed
from typer.testing import CliRunner

from seatrial.cli.app import app as APP
from seatrial.clock import SystemClock
from seatrial.errors import SeatrialError
from seatrial.evidence.keys import ROLES, load_signer
from seatrial.model.release import parse_release


def call(*arguments, expect=0):
    result = CliRunner().invoke(APP, [str(a) for a in arguments])
    if isinstance(result.exception, SeatrialError):
        raise result.exception
    assert result.exit_code == expect, (result.output, result.exception)
    return result.output


def lay_desk(tmp_path, monkeypatch, roles=ROLES):
    """Make the keys of ``roles``, ``trust.json``, ``release.json``, ``policy.yaml`` and the bundle ``good``."""
    replay = ModuleType("seatrial.trials.replay")
    replay.replay_bytes = recompute_as_sealed
    monkeypatch.setitem(sys.modules, "seatrial.trials.replay", replay)
    monkeypatch.chdir(tmp_path)
    for role in roles:
        call("keys", "new", role, "--role", role, "--name", f"The {role}", "--no-passphrase")
    call("keys", "trust", *[f"{role}.json" for role in roles], "--out", "trust.json")
    (tmp_path / "policy.yaml").write_text(json.dumps(POLICY))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_bytes(b"print()")
    call("release", "digest", "app", "--name", "booking", "--version", "2.1", "--out", "release.json")
    release = parse_release((tmp_path / "release.json").read_bytes())
    signer = load_signer(tmp_path / "tester.pem")
    make_bundle(tmp_path / "good", verdict=PASSED, release=release, signer=signer, now=SystemClock().now())
    return tmp_path
