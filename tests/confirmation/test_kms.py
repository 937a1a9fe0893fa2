"""Keys in a cloud's key management: AWS's own client over HTTP, against a service that speaks its protocol here."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from evidence_builders import NOW, REVIEWER_KEY, REVIEWER_SIGNER, TESTER_KEY
from test_gate import PAYLOAD, RELEASE

from seatrial.confirmation.gate import decide
from seatrial.evidence.envelope import add_signature, sign
from seatrial.evidence.keys import Trust, parse_key_entry

SIGN = """
import sys
from pathlib import Path
from seatrial.cli.sealing import signer_of
from seatrial.evidence.envelope import sign
Path(sys.argv[3]).write_bytes(sign(Path(sys.argv[2]).read_bytes(), [signer_of(Path(sys.argv[1]))]))
"""


class Service(ThreadingHTTPServer):
    """GetPublicKey and Sign of AWS KMS (JSON 1.1), for one P-256 key: a digest is signed as it comes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.asked: list[str] = []

    def answer(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(action)
        if asked["KeyId"] != "alias/officer":
            return 400, {"__type": "NotFoundException", "message": f"{asked['KeyId']} is not found"}
        if action == "TrentService.GetPublicKey":
            public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return 200, {"PublicKey": base64.b64encode(public).decode(), "SigningAlgorithms": ["ECDSA_SHA_256"]}
        assert (action, asked["MessageType"], asked["SigningAlgorithm"]) == (
            "TrentService.Sign", "DIGEST", "ECDSA_SHA_256",
        )  # fmt: skip
        digest = base64.b64decode(asked["Message"])
        made = self.key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))
        return 200, {"Signature": base64.b64encode(made).decode()}


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, document = self.server.answer(self.headers["X-Amz-Target"], asked)
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def run(folder: Path, port: int, *command: str) -> subprocess.CompletedProcess[str]:
    ambient = {
        "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "ap-east-1",
        "AWS_ACCESS_KEY_ID": "an-identity",
        "AWS_SECRET_ACCESS_KEY": "a-hidden-word",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
    }
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env={**os.environ, **ambient}, capture_output=True, text=True,
        timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def imported(folder: Path, port: int, uri: str = "awskms:alias/officer") -> subprocess.CompletedProcess[str]:
    period = ("--valid-from", "2026-01-01T00:00:00Z", "--valid-until", "2027-01-01T00:00:00Z")
    who = ("--role", "confirming-officer", "--name", "Chan Tai-man")
    return run(folder, port, "-m", "seatrial.cli.main", "keys", "import", uri, "--out", "officer", *who, *period)


def signed(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    (folder / "payload").write_bytes(PAYLOAD)
    return run(folder, port, "-c", SIGN, "officer.key.json", "payload", "signed.json")


def test_a_key_in_a_cloud_signs_beside_one_in_a_file_and_the_gate_opens(tmp_path: Path, service: Service) -> None:
    done = imported(tmp_path, service.server_port)
    assert done.returncode == 0, done.stderr
    assert "a-hidden-word" not in (tmp_path / "officer.key.json").read_text() + (tmp_path / "officer.json").read_text()
    done = signed(tmp_path, service.server_port)
    assert done.returncode == 0, done.stderr
    officer = parse_key_entry(json.loads((tmp_path / "officer.json").read_bytes()))
    trust = Trust((TESTER_KEY, REVIEWER_KEY, officer))
    envelope = add_signature((tmp_path / "signed.json").read_bytes(), REVIEWER_SIGNER, trust)
    assert decide(envelope, RELEASE, trust, NOW).allowed
    assert not decide(sign(PAYLOAD, [REVIEWER_SIGNER]), RELEASE, trust, NOW).allowed
    # Two signatures: one that shows the key before anything is written, one of the payload.
    assert service.asked == ["TrentService.GetPublicKey", "TrentService.Sign", "TrentService.Sign"]


def test_another_key_no_key_and_no_service_are_one_message_each_and_nothing_is_signed(
    tmp_path: Path, service: Service
) -> None:
    done = imported(tmp_path, service.server_port, "awskms:alias/nobody")
    assert (done.returncode, "alias/nobody" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "officer.key.json").exists()
    assert imported(tmp_path, service.server_port).returncode == 0
    service.key = ec.generate_private_key(ec.SECP256R1())
    done = signed(tmp_path, service.server_port)
    assert "the device signed with another key than that of Chan Tai-man" in done.stderr
    done = signed(tmp_path, 9)
    assert "the key can't be used (EndpointConnectionError" in done.stderr and "a-hidden-word" not in done.stderr
    assert not (tmp_path / "signed.json").exists()
