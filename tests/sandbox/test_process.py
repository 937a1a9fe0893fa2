"""The service's process: it says when it is ready, it stops in order, and it never outlives its parent."""

from __future__ import annotations

import datetime
import json
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from seatrial.sandbox.process import Sandbox
from seatrial.sandbox.server import DATABASE

Connect = Callable[..., Any]
SERVE = [sys.executable, "-m", "seatrial.sandbox", "serve", "--patrons=10", "--slots=70"]


def gone(pid: int, within_s: float = 10.0) -> bool:
    """Wait until a process that is not our child has ended."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_the_service_says_one_line_serves_and_ends_well_on_either_signal(connect: Connect) -> None:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with (
        subprocess.Popen([*SERVE, "--release=b"], **pipes) as terminated,
        subprocess.Popen([*SERVE, "--release=b"], **pipes) as interrupted,
    ):
        for child, signum in ((terminated, signal.SIGTERM), (interrupted, signal.SIGINT)):
            ready = json.loads(child.stdout.readline())
            assert set(ready) == {"url", "pid", "release", "data"}
            assert (ready["pid"], ready["release"]) == (child.pid, "b")
            assert (Path(ready["data"]) / DATABASE).is_file()
            assert connect(ready["url"]).get("/health").status == 200
            child.send_signal(signum)
            out, err = child.communicate(timeout=10)
            assert (child.returncode, out, err) == (0, b"", b"")
            assert not Path(ready["data"]).exists()


def test_the_service_stops_when_its_parent_closes_standard_input_however_long_its_queue(connect: Connect) -> None:
    command = [*SERVE, "--release=a", "--die-with-parent", "--fault=latency_ms=60000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["url"]
        for _ in range(20):
            connect(url).send("GET", "/health")
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(5) == 0


def test_no_orphan_is_left_when_the_parent_is_killed() -> None:
    code = (
        "import os, signal; from seatrial.sandbox.process import Sandbox\n"
        "box = Sandbox('a', patrons=10, slots=70).start(); print(box.pid, box.data, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == -signal.SIGKILL
    assert gone(int(out.stdout.split()[0]))
    for left in Path(out.stdout.split()[1]).glob("*"):
        left.unlink()
    Path(out.stdout.split()[1]).rmdir()


def test_several_sandboxes_run_side_by_side_and_leave_nothing_behind(connect: Connect) -> None:
    boxes = [Sandbox(name, patrons=10, slots=70) for name in "ab"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Sandbox.start, boxes))
        urls, pids, data = [b.url for b in boxes], [b.pid for b in boxes], [b.data for b in boxes]
        assert len(set(urls)) == len(set(pids)) == len(set(data)) == 2
        assert [connect(url).get("/health").body["release"] for url in urls] == ["a", "b"]
        list(pool.map(Sandbox.stop, boxes))
    assert all(gone(pid) for pid in pids)
    assert not any(path.exists() for path in data)
    assert not any(box.running for box in boxes)
    with pytest.raises(RuntimeError, match="not running"):
        _ = boxes[0].pid


def test_a_killed_service_comes_back_on_its_port_with_every_booking(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    with Sandbox("b", patrons=10, slots=70, data_dir=tmp_path) as box:
        client = connect(box.url).sign_in(1)
        assert client.book(client.free_slot()).status == 201
        url = box.url
        assert box.kill() == -signal.SIGKILL
        assert not list(scratch.iterdir())
        box.start()
        assert box.url == url
        again = connect(box.url).sign_in(1)
        assert again.get("/audit").body == {"bookings": 1, "double_booked": []}
        assert len(again.get("/bookings").body["bookings"]) == 1
        with pytest.raises(RuntimeError, match="running already"):
            box.start()
        # An accident nobody planned is still answered with a remedy.
        with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
            database.execute("DROP TABLE holds")
        failed = again.post("/holds", {"slot": 5})
        assert (failed.status, failed.body["error"]) == (500, "the service failed")
    assert (tmp_path / DATABASE).is_file()
    with (
        pytest.raises(RuntimeError, match=r"seeded with other counts: .*'patrons': 10, 'slots': 70"),
        Sandbox("b", patrons=11, slots=70, data_dir=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faults": {"latency": 5}}, "there is no such switch: latency"),
        ({"faults": {"error_rate": 2}}, "switch error_rate has a value it can't take: '2'"),
        ({"slots": 0}, "no such number of court hours: 0"),
        ({"port": 70_000}, "no such port: 70000"),
        ({"tls_cert": "cert.pem"}, "TLS needs two files: cert.pem"),
        ({"data_dir": __file__}, f"the data directory can't be made: {__file__}"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why(options: dict[str, Any], message: str) -> None:
    box = Sandbox("a", **options)
    with pytest.raises(RuntimeError, match=r"did not start\. It said: ") as caught:
        box.start()
    assert message in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not box.running


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"can't listen: 127.0.0.1 port {port}"):
            Sandbox("a", patrons=10, slots=70, port=port).start()


def test_a_sandbox_that_is_too_slow_to_start_is_given_up_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    popen = subprocess.Popen

    def note(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        child = popen(*args, **kwargs)
        started.append(child.pid)
        return child

    monkeypatch.setattr(subprocess, "Popen", note)
    with pytest.raises(RuntimeError, match=r"not ready after 0\.001 s"):
        Sandbox("a", start_within_s=0.001).start()
    assert len(started) == 1
    assert gone(started[0], 0.5)


def test_the_service_speaks_tls_and_marks_its_cookie_secure(tmp_path: Path, connect: Connect) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9))
    certificate = builder.sign(key, hashes.SHA256())
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(*pem))
    context = ssl.create_default_context(cafile=str(cert_file))
    context.check_hostname = False
    with Sandbox("b", patrons=10, slots=70, tls_cert=cert_file, tls_key=key_file) as box:
        assert box.url.startswith("https://127.0.0.1:")
        client = connect(box.url, context)
        answer = client.post("/sign-in", {"patron": "P000001", "pin": "8593"})
        client.close()
        assert answer.status == 200
        assert answer.headers["set-cookie"].endswith("; Secure")
