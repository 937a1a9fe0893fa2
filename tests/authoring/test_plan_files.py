"""Files that a plan names: uploads, certificates and keys, the file that stops a run."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from seatrial.authoring import files
from seatrial.authoring.yaml_plan import load_plan
from seatrial.errors import PlanError, Problem

PLAN = """\
seatrial: 1
title: Files
target: https://127.0.0.1:8080
demand: {{peak: 10/s}}
{more}
journeys:
  a:
    steps:
      - post: /
        multipart:
          a: {part}
trials: [{{kind: load, at: 1 P, for: 2s, objectives: [errors <= 1%]}}]
"""


def problems_of(folder: Path, more: str = "", part: str = "x") -> list[Problem]:
    (folder / "plan.yaml").write_text(PLAN.format(more=more, part=part))
    try:
        load_plan(folder / "plan.yaml")
    except PlanError as error:
        return list(error.problems)
    return []


def test_a_file_beside_the_plan_or_in_a_folder_below_is_taken(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "scan.pdf").write_bytes(b"%PDF")
    (tmp_path / "link").symlink_to(tmp_path / "in" / "scan.pdf")
    for part in ("{file: in/scan.pdf, type: application/pdf}", "{file: link, name: 證.pdf}", "{file: in/../link}"):
        assert problems_of(tmp_path, part=part) == []


UPLOADS = {
    "nowhere": ("{file: none}", "the file can't be read (No such file or directory)", "none"),
    "outside": ("{file: ../secret}", "a file outside the plan's folder", "../secret"),
    "absolute": ("{file: /etc/hostname}", "a file outside the plan's folder", "/etc/hostname"),
    "outside through a link": ("{file: link}", "a file outside the plan's folder", "link"),
    "a circle of links": ("{file: round}", "the file can't be read", "round"),
    "a folder": ("{file: .}", "what is to be uploaded is not a file", "."),
    "a pipe": ("{file: pipe}", "what is to be uploaded is not a file", "pipe"),
    "too large": ("{file: large}", "a file of more than 16 MiB", "large, 5 bytes"),
    "no name": ("{file: ''}", "file is empty text", "''"),
    "a name that splits": (r'{file: plan.yaml, name: "a\nb"}', "the name of a file has a character", None),
    "a type that splits": (r'{file: plan.yaml, type: "a\r\nX: y"}', "the type of a file has a character", None),
    "a variable in the name": ("{file: plan.yaml, name: '${x}'}", "a variable in the name of a file", "'${x}'"),
    "an unknown key": ("{file: plan.yaml, nme: x}", "an unknown key", "nme"),
    "a number": ("7", "a is not text", "7"),
}


@pytest.mark.parametrize("kind", UPLOADS)
def test_a_file_that_can_not_be_sent_is_refused_at_its_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, what, value = UPLOADS[kind]
    base = tmp_path / "plan"
    base.mkdir()
    (tmp_path / "secret").write_text("s")
    (base / "link").symlink_to(tmp_path / "secret")
    (base / "round").symlink_to(base / "round")
    os.mkfifo(base / "pipe")
    (base / "large").write_text("12345")
    if kind == "too large":
        monkeypatch.setattr(files, "MOST_FILE_BYTES", 4)
        what = "a file of more than 0 MiB"
    (found,) = problems_of(base, part=part)
    assert found.what.startswith(what)
    assert found.value == value
    assert found.where.endswith("plan.yaml:11")


def test_a_multipart_body_has_a_part_and_writes_its_own_content_type(tmp_path: Path) -> None:
    text = PLAN.format(more="", part="x").replace("multipart:\n          a: x", "multipart: {}")
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(PlanError, match="a multipart body without a part"):
        load_plan(tmp_path / "plan.yaml")
    (found,) = problems_of(tmp_path, part="x\n        headers: {Content-Type: multipart/form-data}")
    assert (found.what, found.value) == ("a Content-Type header beside multipart", "Content-Type")


def key_pem(key: ec.EllipticCurvePrivateKey, protection: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection or NoEncryption())


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(keys[0].public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(keys[0], hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key_pem(keys[0]))
    (tmp_path / "other.pem").write_bytes(key_pem(keys[1]))
    (tmp_path / "locked.pem").write_bytes(key_pem(keys[0], BestAvailableEncryption(b"secret")))
    (tmp_path / "both.pem").write_bytes(certificate + key_pem(keys[0]))
    (tmp_path / "text.pem").write_text("hello")
    return tmp_path


@pytest.mark.parametrize("tls", ["{certificate: c.pem, key: k.pem}", "{certificate: both.pem, ca: c.pem}"])
def test_a_certificate_with_its_key_is_taken(tls: str, pki: Path) -> None:
    assert problems_of(pki, f"tls: {tls}") == []


@pytest.mark.parametrize(
    ("tls", "what", "value"),
    [
        ("{certificate: none.pem, key: k.pem}", "the certificate file is missing", "none.pem"),
        ("{certificate: c.pem, key: none.pem}", "the key file is missing", "none.pem"),
        ("{certificate: c.pem, key: other.pem}", "a private key of another certificate", "other.pem"),
        ("{certificate: c.pem, key: locked.pem}", "a private key with a passphrase", "locked.pem"),
        ("{certificate: c.pem}", "the key file holds no private key", "c.pem"),
        ("{certificate: c.pem, key: text.pem}", "the key file holds no private key", "text.pem"),
        ("{certificate: text.pem, key: k.pem}", "the certificate file holds no certificate", "text.pem"),
        ("{certificate: .}", "the certificate file is missing", "."),
        ("{key: k.pem}", "a private key without its certificate", "k.pem"),
        ("{ca: none.pem}", "the CA file is missing", "none.pem"),
        ("{ca: text.pem}", "the CA file holds no certificate", "text.pem"),
    ],
)
def test_a_certificate_that_can_not_be_shown_is_refused_by_name(tls: str, what: str, value: str, pki: Path) -> None:
    (found,) = problems_of(pki, f"tls: {tls}")
    assert (found.what, found.value) == (what, value)
    assert found.where.endswith("plan.yaml:5")


def test_a_stop_file_must_be_able_to_appear(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    assert problems_of(tmp_path, "stop: {file: stop}") == []
    for name, what in (
        ("there", "the stop file is there already"),
        ("none/stop", "the stop file can't appear there"),
        (".", "the stop file can't appear there"),
        ("''", "the stop file can't appear there"),
    ):
        (found,) = problems_of(tmp_path, f"stop: {{file: {name}}}")
        assert (found.what, found.value) == (what, name)
