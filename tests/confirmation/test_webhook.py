"""The admission webhook: a real process, real TLS, and reviews as the Kubernetes API server sends them."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from evidence_builders import OFFICER_KEY, OFFICER_SIGNER, REVIEWER_KEY, REVIEWER_SIGNER, TESTER_KEY

from seatrial.cli.gate_serve import Webhook, application
from seatrial.cli.gate_server import Certificate, server_of
from seatrial.clock import SystemClock
from seatrial.confirmation.admission import respond
from seatrial.confirmation.bounds import VoidWhen
from seatrial.confirmation.gate import Answer, Decision
from seatrial.confirmation.revocation import Revocation, next_list
from seatrial.confirmation.statement import Confirmation, Ruling, months_after
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.evidence.keys import Trust
from seatrial.model.release import Release, Subject

IMAGE, SIDECAR = "a" * 64, "b" * 64
GOOD = f"registry.example/booking@sha256:{IMAGE}"
RELEASE = Release("booking", "2.1", (Subject("config", "c" * 64), Subject("image", IMAGE), Subject("sidecar", SIDECAR)))
NOW = SystemClock().now().replace(microsecond=0)
PERIOD = {"valid_from": NOW - timedelta(days=1), "valid_until": NOW + timedelta(days=400)}
TRUST = Trust(tuple(
    type(key)(**{**{f: getattr(key, f) for f in key.__dataclass_fields__}, **PERIOD})
    for key in (TESTER_KEY, REVIEWER_KEY, OFFICER_KEY)
))  # fmt: skip
PAYLOAD = Confirmation(
    ruling=Ruling.CONFIRMED,
    reasons=(),
    conditions=(),
    issued_at=NOW - timedelta(minutes=5),
    valid_until=months_after(NOW, 3),
    system="Booking",
    release=("booking", "2.1"),
    tested_peak_per_s=40.0,
    policy_digest="1" * 64,
    evidence_digest="2" * 64,
    test_result_digest="3" * 64,
    subjects=RELEASE.subjects,
    void_when=VoidWhen(44.0),
    recommendation_digest=None,
).to_statement().to_bytes()  # fmt: skip


def revoked(*digests: str) -> bytes:
    entries = [Revocation(digest, "courts were sold twice", NOW) for digest in digests]
    until = NOW + timedelta(days=7)
    return next_list(None, entries, OFFICER_SIGNER, trust=TRUST, now=NOW, expires_at=until)


PATIENCE_S = 0.8


def pod(*images: str, **more: Any) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **more}}


def made_by(kind: str, inner: dict[str, Any]) -> dict[str, Any]:
    template = {"template": {"metadata": {"labels": {"app": "x"}}, "spec": inner["spec"]}}
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": template}} if kind == "CronJob" else template
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


def review(item: Any, **changes: Any) -> dict[str, Any]:
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "booking",
        "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
        "object": item,
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | changes}


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(*pem))


def set_up(folder: Path) -> None:
    certificate(folder)
    (folder / "trust.json").write_bytes(TRUST.to_bytes())
    (folder / "release.json").write_bytes(RELEASE.to_bytes())
    (folder / "confirmation.json").write_bytes(sign(PAYLOAD, [REVIEWER_SIGNER, OFFICER_SIGNER]))
    (folder / "revocations.json").write_bytes(revoked())
    config = {
        "format": "seatrial-webhook/1",
        "trust": "trust.json",
        "revocations": "revocations.json",
        "namespaces": {"booking": {"confirmation": "confirmation.json", "deployed": "release.json"}},
    }
    (folder / "webhook.json").write_text(json.dumps(config))


def command(folder: Path) -> list[str]:
    options = ["--config", "webhook.json", "--tls-cert", "tls.crt", "--tls-key", "tls.key", "--port", "0"]
    return [sys.executable, "-m", "seatrial.cli.main", "gate", "serve", *options]


class Served:
    """The webhook as a process of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        environment = {**os.environ, **variables}
        self.process = subprocess.Popen(
            command(folder), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on https://127.0.0.1:"), line + self.process.stdout.read()
        self.port = int(line.rpartition(":")[2].partition("/")[0])
        self.tls = ssl.create_default_context(cafile=str(folder / "tls.crt"))

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, document: Any) -> dict[str, Any]:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status, answer = self.send("POST", "/validate?timeout=10s", body)
        assert status == 200, answer
        read = json.loads(answer)
        assert (read["apiVersion"], read["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        return read["response"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("webhook")
    set_up(folder)
    webhook = Served(folder)
    yield webhook
    webhook.process.send_signal(signal.SIGTERM)
    out, _ = webhook.process.communicate(timeout=20)
    assert webhook.process.returncode in (0, -signal.SIGTERM), out
    assert "Traceback" not in out
    assert "ALLOW Pod in booking: as confirmed" in out


WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")


def test_what_is_confirmed_is_admitted(served: Served) -> None:
    both = pod(GOOD, initContainers=[{"name": "i", "image": f"x@sha256:{SIDECAR}"}])
    answer = served.ask(review(both))
    assert answer == {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True}
    assert served.ask(review(both, operation="UPDATE"))["allowed"]
    for kind in WORKLOADS:
        assert served.ask(review(made_by(kind, both)))["allowed"], kind


REFUSED = {
    "an image by tag": (review(pod("booking:2.1")), "is not given by digest"),
    "an image that nobody confirmed": (review(pod(f"x@sha256:{'d' * 64}")), "not among the subjects of booking 2.1"),
    "one of two": (review(pod(GOOD, "debug:latest")), "debug:latest"),
    "an init container": (review(pod(GOOD, initContainers=[{"image": "x:1"}])), "x:1"),
    "an ephemeral container": (review(pod(GOOD, ephemeralContainers=[{"image": "sh:1"}])), "sh:1"),
    "an image volume": (review(pod(GOOD, volumes=[{"name": "v", "image": {"reference": "data:1"}}])), "data:1"),
    "an image volume of no form": (review(pod(GOOD, volumes=[{"name": "v", "image": "data:1"}])), "no object"),
    "volumes that are no list": (review(pod(GOOD, volumes={"v": {"image": {"reference": "data:1"}}})), "no list"),
    "no container": (review(pod()), "no container"),
    "a container without image": (review(pod(GOOD, initContainers=[{"name": "x"}])), "names no image"),
    "containers that are no list": (review(pod(GOOD, initContainers={"a": 1})), "is no list"),
    "another namespace": (review(pod(GOOD), namespace="shop"), "no confirmation is set up for the namespace shop"),
    "no namespace": (review(pod(GOOD), namespace=None), "in no namespace"),
    "another kind": (review({"kind": "ConfigMap", "data": {}}), "'ConfigMap' are not judged"),
    "no object": (review(None), "not judged here"),
    "a deletion": (review(pod(GOOD), operation="DELETE"), "'DELETE' is not judged"),
    "a workload without a template": (review({"kind": "Deployment", "spec": {}}), "no pod specification"),
    "no uid": (review(pod(GOOD), uid=None), "no uid"),
    "another version": (review(pod(GOOD)) | {"apiVersion": "admission.k8s.io/v1beta1"}, "admission.k8s.io/v1"),
    "no review": ({"kind": "Pod"}, "no AdmissionReview"),
    "no JSON": (b"not json", "the review"),
    "a field twice": (b'{"request": {}, "request": {}}', "twice"),
    "nothing": (b"", "the review"),
    "very deep": (b"[" * 100_000, "the review"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_with_its_reason(served: Served, name: str) -> None:
    document, words = REFUSED[name]
    answer = served.ask(document)
    assert answer["allowed"] is False
    assert answer["status"]["code"] == 403
    assert words in answer["status"]["message"], answer


def test_a_workload_whose_template_has_another_image_is_refused(served: Served) -> None:
    for kind in WORKLOADS:
        assert not served.ask(review(made_by(kind, pod("other:1"))))["allowed"], kind


def test_a_new_revocation_list_counts_at_once_and_a_file_that_has_gone_shuts_the_gate(served: Served) -> None:
    good, folder = review(pod(GOOD)), served.folder
    assert served.ask(good)["allowed"]
    standing = (folder / "revocations.json").read_bytes()
    (folder / "revocations.json").write_bytes(revoked(sha256_hex(PAYLOAD)))
    assert "courts were sold twice" in served.ask(good)["status"]["message"]
    (folder / "revocations.json").unlink()
    assert "--revocations" in served.ask(good)["status"]["message"]
    (folder / "revocations.json").write_bytes(standing)
    for name in ("trust.json", "confirmation.json", "release.json"):
        (folder / name).rename(folder / "aside")
        assert not served.ask(good)["allowed"], name
        (folder / "aside").rename(folder / name)
    assert served.ask(good)["allowed"]


def test_nothing_but_its_two_addresses_is_served_and_bodies_are_bounded(served: Served) -> None:
    assert served.send("GET", "/healthz") == (200, b"ok\n")
    assert served.send("GET", "/validate")[0] == 404
    assert served.send("POST", "/", b"{}")[0] == 404
    assert served.send("POST", "/validate", b" " * (4 * 1024 * 1024 + 1))[0] == 413
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        plain = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
        plain.request("GET", "/healthz")
        plain.getresponse()
    assert served.ask(review(pod(GOOD)))["allowed"]


def test_who_goes_on_asking_is_not_hung_up_on(impatient: tuple[Path, int]) -> None:
    folder, port = impatient
    tls = ssl.create_default_context(cafile=str(folder / "tls.crt"))
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=10)) as connection:
        connection.connect()
        first = connection.sock
        for _ in range(2):  # idle when a clock that had run since the connection was made would strike
            time.sleep(0.6 * PATIENCE_S)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
        assert connection.sock is first


def test_a_log_that_can_not_spell_a_reason_keeps_no_answer_back(tmp_path: Path) -> None:
    set_up(tmp_path)
    webhook = Served(tmp_path, PYTHONIOENCODING="ascii:strict")
    try:
        answer = webhook.ask(review(pod("\u6e2c\u8a66:1")))
        assert not answer["allowed"] and "\u6e2c\u8a66:1 is not given by digest" in answer["status"]["message"]
    finally:
        webhook.process.terminate()
        out, _ = webhook.process.communicate(timeout=20)
    assert "\\u6e2c\\u8a66:1 is not given by digest" in out


def shown_to(port: int) -> bytes:
    """Return the certificate that the webhook shows now."""
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, anyone.wrap_socket(raw) as connection:
        return connection.getpeercert(binary_form=True)


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A webhook that waits a moment for the head of a request: its folder and its port."""
    set_up(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    shown = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    server = server_of(application(Webhook(tmp_path / "webhook.json")), shown, request_seconds=PATIENCE_S)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield tmp_path, listener.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive()
    listener.close()


def test_a_renewed_certificate_is_shown_without_a_restart_and_half_of_one_is_not(impatient: tuple[Path, int]) -> None:
    folder, port = impatient
    first = ssl.PEM_cert_to_DER_cert((folder / "tls.crt").read_text())
    assert shown_to(port) == first
    (folder / "new").mkdir()
    certificate(folder / "new")
    (folder / "new" / "tls.crt").replace(folder / "tls.crt")
    assert shown_to(port) == first
    (folder / "new" / "tls.key").replace(folder / "tls.key")
    assert shown_to(port) == ssl.PEM_cert_to_DER_cert((folder / "tls.crt").read_text()) != first
    (folder / "tls.key").unlink()
    assert shown_to(port) != first


@pytest.mark.parametrize(
    "sent", [b"", b"POST /validate HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPO"]
)
def test_who_holds_a_connection_and_asks_nothing_is_hung_up_on(impatient: tuple[Path, int], sent: bytes) -> None:
    folder, port = impatient
    tls = ssl.create_default_context(cafile=str(folder / "tls.crt"))
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    with tls.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
        connection.sendall(sent)
        answer = b""
        began = time.monotonic()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while part := connection.recv(4096):  # a hang-up ends it; patience would end in a time-out of 10 s
                answer += part
        assert answer.startswith(b"HTTP/1.1 200") is sent.startswith(b"GET")
        assert time.monotonic() - began < 5


def test_a_configuration_that_is_wrong_is_said_and_nothing_is_served(tmp_path: Path) -> None:
    set_up(tmp_path)
    good = json.loads((tmp_path / "webhook.json").read_text())
    wrong: list[tuple[Any, str]] = [
        (good | {"format": "x"}, "not of format"),
        (good | {"namespaces": {}}, "without a namespace"),
        (good | {"allow": "all"}, "unknown"),
        (good | {"namespaces": {"booking": {"confirmation": "c"}}}, "namespace booking"),
        (good | {"trust": 7}, "no text"),
    ]
    for config, words in wrong:
        (tmp_path / "webhook.json").write_bytes(canonical_bytes(config))
        run = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        assert run.returncode == 2, run.stderr
        assert words in run.stderr, run.stderr
    (tmp_path / "webhook.json").write_bytes(canonical_bytes(good))
    (tmp_path / "tls.key").write_text("no key")
    run = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, "certificate or its key" in run.stderr) == (2, True), run.stderr
    assert os.listdir(tmp_path)


def test_a_gate_that_breaks_admits_nothing_and_the_log_is_one_line() -> None:
    def broken(_namespace: str) -> tuple[Decision, Release | None]:
        raise RuntimeError("boom")

    body, line = respond(json.dumps(review(pod(GOOD))).encode(), broken)
    assert json.loads(body)["response"]["allowed"] is False
    assert line == "DENY a review: the gate could not decide (RuntimeError)"
    named = pod("evil\nALLOW everything:1")
    body, line = respond(json.dumps(review(named)).encode(), lambda _: (Decision(Answer.ALLOW, ("x",)), RELEASE))
    assert "\n" not in line
    assert json.loads(body)["response"]["allowed"] is False
