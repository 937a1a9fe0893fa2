"""The transparency log: confirmations, revocations and what they rest on, in a list that can only grow.

A folder of static files that any web server can hand out, in the formats of C2SP:

    checkpoint                  how many entries, and the root over them (tlog-checkpoint), as a signed note
    tile/L/N  tile/L/N.p/W      hashes of the tree, 256 in a tile, L levels of eight above the leaves (tlog-tiles)
    tile/entries/N[.p/W]        the entries themselves, 256 in a bundle, each behind its length in two bytes
    envelopes/SHA256.json       what the entries speak about

An entry is a leaf of the tree (RFC 9162): canonical JSON of what was signed, by digest, and when it was entered. The
checkpoint is written last and in one step, so that a crash leaves the log as it was before. A full tile is never
written again.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from seatrial.clock import to_rfc3339
from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import (
    canonical_bytes,
    is_sha256_hex,
    parse_json,
    parse_rfc3339,
    read_document,
    sha256_hex,
)
from seatrial.evidence.keys import LOG_OPERATOR, Signer, Trust, TrustedKey
from seatrial.evidence.merkle import MAX_LEAVES, leaf_hash, root_of

__all__ = [
    "CHECKPOINT",
    "ENVELOPES",
    "KINDS",
    "Checkpoint",
    "Entry",
    "append",
    "parse_entry",
    "read_checkpoint",
    "read_entries",
    "tiles_of",
]

CHECKPOINT = "checkpoint"
ENVELOPES = "envelopes"
KINDS = ("confirmation", "revocations", "test-result")
_WIDTH = 256
_MAX_ENTRY_BYTES = 65_535
_MAX_CHECKPOINT_BYTES = 16 * 1024
_SIGNED = "— "
_ED25519 = b"\x01"
_SOURCE = "Take the log from its operator again, and ask what happened to it."


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    Attributes:
        kind: One of :data:`KINDS`.
        payload: SHA-256 of the statement that was signed.
        envelope: SHA-256 of the envelope's bytes.
        at: When it was entered, UTC, in whole seconds.
    """

    kind: str
    payload: str
    envelope: str
    at: datetime

    def to_bytes(self) -> bytes:
        """Return the leaf."""
        fields = {"kind": self.kind, "payload": self.payload, "envelope": self.envelope, "at": to_rfc3339(self.at)}
        return canonical_bytes(fields)


def parse_entry(data: bytes) -> Entry:
    """Read a leaf strictly.

    Raises:
        EvidenceError: It is not what :meth:`Entry.to_bytes` writes.
    """
    document = parse_json(data, "the log's entry")
    if not isinstance(document, dict) or document.keys() != {"kind", "payload", "envelope", "at"}:
        raise EvidenceError("an entry of the log has fields missing or unknown", remedy=_SOURCE)
    kind, payload, envelope = document["kind"], document["payload"], document["envelope"]
    if kind not in KINDS or not is_sha256_hex(payload) or not is_sha256_hex(envelope):
        raise EvidenceError("an entry of the log has an unknown kind or a bad digest", value=repr(kind), remedy=_SOURCE)
    entry = Entry(kind, payload, envelope, parse_rfc3339(document["at"], "at of an entry"))
    if entry.to_bytes() != data:
        raise EvidenceError("an entry of the log is not in its canonical byte form", remedy=_SOURCE)
    return entry


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log at one moment.

    Attributes:
        origin: The log's name, unique in the world; no space, no plus sign.
        size: Entries.
        root: The root over them.
    """

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


def _key_hash(origin: str, public: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _public_bytes(key: TrustedKey | None, what: str = "the operator's key") -> bytes:
    if key is None or key.keytype != "ed25519":
        raise EvidenceError(
            f"{what} is no Ed25519 key", remedy="A checkpoint is signed with Ed25519 (C2SP signed-note)."
        )
    return bytes.fromhex(key.public)


def _signed(checkpoint: Checkpoint, signer: Signer, key: TrustedKey) -> bytes:
    signature = bytes.fromhex(signer.sign(checkpoint.body()).signature)
    line = base64.b64encode(_key_hash(checkpoint.origin, _public_bytes(key)) + signature).decode()
    return checkpoint.body() + f"\n{_SIGNED}{checkpoint.origin} {line}\n".encode()


def read_checkpoint(data: bytes, trust: Trust) -> tuple[Checkpoint, TrustedKey]:
    """Verify and read a checkpoint.

    Returns:
        The checkpoint, and the log operator's key that signed it. When that key was valid is asked of the entries.

    Raises:
        EvidenceError: Malformed, or no trusted log operator signed it.
    """
    text, _, signatures = data.partition(b"\n\n")
    checkpoint = _parse_body(text + b"\n")
    found = []
    for line in signatures.decode("utf-8", "replace").splitlines():
        name, _, encoded = line.removeprefix(_SIGNED).partition(" ")
        if line.startswith(_SIGNED) and name == checkpoint.origin:
            found.append(_base64(encoded))
    for key in trust.keys:
        if key.role != LOG_OPERATOR or key.keytype != "ed25519":
            continue
        public = _public_bytes(key)
        for raw in found:
            if raw[:4] == _key_hash(checkpoint.origin, public) and _verifies(public, raw[4:], checkpoint.body()):
                return checkpoint, key
    raise EvidenceError("the checkpoint is signed by no trusted log operator", value=checkpoint.origin, remedy=_SOURCE)


def _verifies(public: bytes, signature: bytes, body: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, body)
    except InvalidSignature:
        return False
    return True


def _parse_body(body: bytes) -> Checkpoint:
    lines = body.decode("utf-8", "replace").split("\n")
    if len(body) > _MAX_CHECKPOINT_BYTES or len(lines) != 4 or lines[3]:
        raise EvidenceError("the checkpoint is not three lines and its signatures", remedy=_SOURCE)
    origin, size, root = lines[0], lines[1], _base64(lines[2])
    good = size.isascii() and size.isdigit() and str(int(size[:15])) == size and int(size) <= MAX_LEAVES
    if not _is_origin(origin) or not good or len(root) != 32:
        raise EvidenceError("the checkpoint has a bad name, size or root", value=repr(origin), remedy=_SOURCE)
    return Checkpoint(origin, int(size), root)


def _is_origin(origin: str) -> bool:
    return bool(origin) and origin.isprintable() and not any(c.isspace() or c == "+" for c in origin)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise EvidenceError("the checkpoint holds no base64 where it must", value=text[:40], remedy=_SOURCE) from e


def _tile_name(number: int) -> str:
    digits = f"{number:03d}"
    digits = "0" * (-len(digits) % 3) + digits
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _in_tiles(prefix: str, items: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for number, start in enumerate(range(0, len(items), _WIDTH)):
        chosen = items[start : start + _WIDTH]
        partial = "" if len(chosen) == _WIDTH else f".p/{len(chosen)}"
        yield f"tile/{prefix}/{_tile_name(number)}{partial}", b"".join(chosen)


def tiles_of(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, bytes) of every tile of the tree over these entries, those of the entries first.

    Args:
        leaves: The entries' bytes, in their order.
    """
    yield from _in_tiles("entries", [len(leaf).to_bytes(2, "big") + leaf for leaf in leaves])
    level, hashes = 0, [leaf_hash(leaf) for leaf in leaves]
    while hashes:
        yield from _in_tiles(str(level), hashes)
        full = len(hashes) - len(hashes) % _WIDTH
        hashes = [root_of(hashes[start : start + _WIDTH]) for start in range(0, full, _WIDTH)]
        level += 1


def read_entries(folder: Path, size: int) -> list[bytes]:
    """Return the bytes of the first ``size`` entries.

    Raises:
        EvidenceError: A bundle of entries is missing, cut off, or longer than the checkpoint says.
    """
    leaves: list[bytes] = []
    for number, start in enumerate(range(0, size, _WIDTH)):
        width = min(_WIDTH, size - start)
        name = f"tile/entries/{_tile_name(number)}" + ("" if width == _WIDTH else f".p/{width}")
        data = read_document(folder / name, _WIDTH * (_MAX_ENTRY_BYTES + 2))
        at = 0
        for _ in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            leaves.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(data) or not all(leaves):
            raise EvidenceError(f"{name} is cut off, or holds more than it should", remedy=_SOURCE)
    return leaves


def append(
    folder: Path, entries: Sequence[tuple[Entry, bytes]], signer: Signer, trust: Trust, origin: str = ""
) -> Checkpoint:
    """Enter envelopes and sign the new checkpoint.

    Whether an envelope is properly signed is for the caller to have checked.

    Args:
        folder: The log's; created for the first entry.
        entries: Each entry with its envelope's bytes; at least one, none that is there already.
        signer: The log operator's key, trusted and valid at the entries' times.
        trust: Must hold it.
        origin: The log's name; needed for a new log, and the same ever after.

    Raises:
        EvidenceError: Nothing to enter, an envelope twice, a time before the last entry's, another origin, a key that
            may not sign, a log that does not verify, or the disk refuses.
    """
    key = trust.find(signer.public_key)
    if key is None or key.role != LOG_OPERATOR:
        raise EvidenceError("the key is that of no trusted log operator", remedy="Use a key of role log-operator.")
    _public_bytes(key)
    if not entries:
        raise EvidenceError("there is nothing to enter", remedy="Name at least one envelope.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            before, leaves = _standing(folder, origin, trust)
            _refuse_entries(leaves, entries, key)
            for entry, envelope in entries:
                _write(folder / ENVELOPES / f"{entry.envelope}.json", envelope)
            leaves = [*leaves, *(entry.to_bytes() for entry, _ in entries)]
            for name, data in tiles_of(leaves):
                _write(folder / name, data)
            checkpoint = Checkpoint(before, len(leaves), root_of([leaf_hash(leaf) for leaf in leaves]))
            _write(folder / CHECKPOINT, _signed(checkpoint, signer, key))
            return checkpoint
    except OSError as e:
        raise EvidenceError(
            f"the log can't be written ({e.strerror})", value=folder, remedy="Free space; nothing was entered."
        ) from e


def _standing(folder: Path, origin: str, trust: Trust) -> tuple[str, list[bytes]]:
    """Return the log's name and entries as they stand, verified."""
    if not (folder / CHECKPOINT).exists():
        if not _is_origin(origin):
            raise EvidenceError(
                "a new log needs a name of its own",
                value=repr(origin),
                remedy="Give --origin, as log.example.gov.",
            )
        return origin, []
    checkpoint, _ = read_checkpoint(read_document(folder / CHECKPOINT, _MAX_CHECKPOINT_BYTES), trust)
    if origin and origin != checkpoint.origin:
        raise EvidenceError("the log has another name", value=checkpoint.origin, remedy="Leave --origin out.")
    leaves = read_entries(folder, checkpoint.size)
    if root_of([leaf_hash(leaf) for leaf in leaves]) != checkpoint.root:
        raise EvidenceError("the log's entries are not those of its checkpoint", value=folder, remedy=_SOURCE)
    return checkpoint.origin, leaves


def _refuse_entries(leaves: Sequence[bytes], entries: Sequence[tuple[Entry, bytes]], key: TrustedKey) -> None:
    there = [parse_entry(leaf) for leaf in leaves]
    seen = {entry.envelope for entry in there}
    last = there[-1].at if there else None
    for entry, envelope in entries:
        if sha256_hex(envelope) != entry.envelope or entry.kind not in KINDS:
            raise EvidenceError("an entry is not that of its envelope", value=entry.kind, remedy="Make it anew.")
        if entry.envelope in seen:
            raise EvidenceError("the log holds this envelope already", value=entry.envelope, remedy="Leave it out.")
        if last is not None and entry.at < last:
            raise EvidenceError(
                "the clock stands before the log's last entry", value=to_rfc3339(entry.at), remedy="Set the clock."
            )
        if not key.valid_at(entry.at):
            raise EvidenceError(
                "the log operator's key is not valid now", value=to_rfc3339(entry.at), remedy="Use a valid key."
            )
        seen.add(entry.envelope)
        last = entry.at


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; what stands there with the same bytes is left alone."""
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
