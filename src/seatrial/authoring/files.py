"""Files that a plan names: whether they are there, may be read, and are what they should be."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.yaml_source import Node
from seatrial.model.request import MOST_FILE_BYTES

__all__ = ["check_stop_file", "check_tls", "check_upload"]

_MOST_PEM_BYTES = 4 << 20
_BESIDE = "Put the file beside the plan."


def check_upload(file: Node, base: Path, problems: ProblemList) -> None:
    """Add why a file of a multipart body can't be sent, if it can't.

    It must lie in or below the plan's folder, links followed: a plan from a stranger can't send the reader's other
    files to a server.
    """
    name = str(file.scalar)
    try:
        path = (base / name).resolve()
        if not path.is_relative_to(base.resolve()):
            problems.add(file.line, "a file outside the plan's folder", file.written, _BESIDE)
            return
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            problems.add(file.line, "what is to be uploaded is not a file", file.written, "Name a file.")
        elif status.st_size > MOST_FILE_BYTES:
            what = f"a file of more than {MOST_FILE_BYTES >> 20} MiB"
            problems.add(file.line, what, f"{name}, {status.st_size} bytes", "Upload a smaller one.")
        else:
            path.open("rb").close()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "no such name is possible"
        problems.add(file.line, f"the file can't be read ({reason})", file.written, _BESIDE)


def check_tls(tls: Node | None, base: Path, problems: ProblemList) -> None:
    """Add what is wrong with the files under ``tls``: the issuer, the client's certificate and its key."""
    ca, certificate, key = (_text_at(tls, name) for name in ("ca", "certificate", "key"))
    if ca is not None and _is_there(ca, "CA", base, problems):
        _check_ca(ca, base, problems)
    if certificate is None or not _is_there(certificate, "certificate", base, problems):
        return
    if key is None or _is_there(key, "key", base, problems):
        _check_pair(certificate, key, base, problems)


def _text_at(tls: Node | None, name: str) -> Node | None:
    found = tls.get(name) if tls is not None else None
    return found if found is not None and isinstance(found.scalar, str) else None


def _is_there(node: Node, what: str, base: Path, problems: ProblemList) -> bool:
    path = base / str(node.scalar)
    try:
        there = path.is_file() and path.stat().st_size <= _MOST_PEM_BYTES
    except (OSError, ValueError):
        there = False
    if not there:
        problems.add(node.line, f"the {what} file is missing", node.written, "Name a PEM file beside the plan.")
    return there


def _check_ca(ca: Node, base: Path, problems: ProblemList) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(base / str(ca.scalar))
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        problems.add(ca.line, "the CA file holds no certificate", ca.written, "Name a PEM file beside the plan.")


def _check_pair(certificate: Node, key: Node | None, base: Path, problems: ProblemList) -> None:
    asked: list[bool] = []

    def no_passphrase() -> str:
        asked.append(True)
        return ""

    of_key = key or certificate
    file, key_file = (base / str(node.scalar) for node in (certificate, of_key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(file, key_file, password=no_passphrase)
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or "")
        if asked:
            remedy = "Name a copy of it without; nobody is asked for one while a trial runs."
            problems.add(of_key.line, "a private key with a passphrase", of_key.written, remedy)
        elif "MISMATCH" in reason:
            problems.add(of_key.line, "a private key of another certificate", of_key.written, "Name its own key.")
        elif b"-----BEGIN CERTIFICATE-----" not in _start_of(file):
            remedy = "Name a PEM file that begins with the client's certificate."
            problems.add(certificate.line, "the certificate file holds no certificate", certificate.written, remedy)
        else:
            remedy = "Name a PEM file with the key of the certificate under key, or put it into the certificate's own."
            problems.add(of_key.line, "the key file holds no private key", of_key.written, remedy)


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_PEM_BYTES)
    except OSError:
        return b""


def check_stop_file(file: Node | None, base: Path, problems: ProblemList) -> None:
    """Add why a run can't wait for the file under ``stop``: its folder is missing, or it is there already."""
    if file is None or not isinstance(file.scalar, str):
        return
    path = base / file.scalar
    try:
        if not file.scalar.strip() or not path.parent.is_dir() or path.is_dir():
            remedy = "Name a file in a folder that exists; the run ends when it appears."
            problems.add(file.line, "the stop file can't appear there", file.written, remedy)
        elif path.exists():
            remedy = "Remove it; the run would end at once."
            problems.add(file.line, "the stop file is there already", file.written, remedy)
    except (OSError, ValueError):
        problems.add(file.line, "no such name is possible", file.written, "Name a file beside the plan.")
