"""Hostile bundles: one builder for each way in which a bundle from a stranger could mean to mislead or to hurt.

Each takes a folder with a good sealed bundle in ``bundle`` and its archive in ``bundle.tar``, and returns the path of
the hostile one. ``HOSTILE`` says which step of the verification must name it, and with which words.
"""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from evidence_builders import NOW, REVIEWER_SIGNER, STRANGER_SIGNER, TESTER_SIGNER, make_bundle
from securesystemslib.dsse import Envelope

from seatrial.evidence.bundle import TEST_RESULT, pack
from seatrial.evidence.canonical import canonical_bytes
from seatrial.evidence.envelope import sign
from seatrial.evidence.manifest import MANIFEST
from seatrial.evidence.statement import statement_by_tester

FIRST, SECOND = "records/load/part-0000.parquet", "records/load/part-0001.parquet"


def _members(archive: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as tar:
        return [(info, tar.extractfile(info).read()) for info in tar.getmembers()]


def _write(root: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    path = root / "hostile.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    raw = path.read_bytes().rstrip(b"\0")
    raw += b"\0" * (-len(raw) % 512)
    path.write_bytes(raw + b"\0" * 1024)
    return path


def _plain(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    return info, data


def _special(name: str, kind: bytes, to: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, to, 0o644
    return info, b""


def added(*members: tuple[tarfile.TarInfo, bytes]) -> Callable[[Path], Path]:
    """Members more at the archive's end."""
    return lambda root: _write(root, [*_members(root / "bundle.tar"), *members])


def compression_bomb(root: Path) -> Path:
    """A gigabyte of zeros in a megabyte of gzip."""
    path = root / "hostile.tar"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(64):
            file.write(b"\0" * 16 * 1024 * 1024)
    return path


def size_bomb(root: Path) -> Path:
    """A header that claims eight gigabytes which are not there."""
    raw = bytearray((root / "bundle.tar").read_bytes())
    at = raw.index(b"plan.json\0")
    info = tarfile.TarInfo.frombuf(bytes(raw[at : at + 512]), "utf-8", "strict")
    info.size = 8 * 1024**3 - 1
    raw[at : at + 512] = info.tobuf(tarfile.PAX_FORMAT)
    path = root / "hostile.tar"
    path.write_bytes(bytes(raw))
    return path


def reordered_members(root: Path) -> Path:
    """The parts in another order than packing writes."""
    members = _members(root / "bundle.tar")
    names = [info.name for info, _ in members]
    a, b = names.index(FIRST), names.index(SECOND)
    members[a], members[b] = members[b], members[a]
    return _write(root, members)


def cut_archive(root: Path) -> Path:
    """The archive without its second half, cut where a block has begun: in a header or in a member's bytes."""
    path = root / "hostile.tar"
    whole = (root / "bundle.tar").read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 512 * 512 + 1])
    return path


def _changed(change: Callable[[Path], object]) -> Callable[[Path], Path]:
    def build(root: Path) -> Path:
        change(root / "bundle")
        path = root / "hostile.tar"
        pack(root / "bundle", path)
        return path

    return build


def _swap(bundle: Path) -> None:
    """Two parts under each other's name."""
    os.rename(bundle / FIRST, bundle / "aside")
    os.rename(bundle / SECOND, bundle / FIRST)
    os.rename(bundle / "aside", bundle / SECOND)


def _cut(bundle: Path) -> None:
    """A part without its last byte."""
    data = (bundle / SECOND).read_bytes()
    (bundle / SECOND).write_bytes(data[:-1])


def _seal_with(change: Callable[[Path, bytes], bytes]) -> Callable[[Path], None]:
    def build(bundle: Path) -> None:
        (bundle / TEST_RESULT).write_bytes(change(bundle, statement_by_tester(bundle, NOW).to_bytes()))

    return build


def _wrong_payload_type(_bundle: Path, payload: bytes) -> bytes:
    """A good signature over another payload type, which another program would read otherwise."""
    envelope = Envelope(payload, "application/json", {})
    envelope.sign(TESTER_SIGNER)
    return json.dumps(envelope.to_dict()).encode()


def _later(bundle: Path) -> None:
    """Sealed tomorrow."""
    (bundle / TEST_RESULT).write_bytes(
        sign(statement_by_tester(bundle, NOW + timedelta(days=1)).to_bytes(), [TESTER_SIGNER])
    )


def _replayed(bundle: Path) -> None:
    """The good seal of another bundle of the same tester, release and plan."""
    other = make_bundle(bundle.parent / "other")
    (other / TEST_RESULT).unlink()
    (other / FIRST).write_bytes(b"other records")
    (other / MANIFEST).unlink()
    from seatrial.evidence.seal import seal

    seal(other, [TESTER_SIGNER], NOW)
    (bundle / TEST_RESULT).write_bytes((other / TEST_RESULT).read_bytes())


def _second_envelope(bundle: Path) -> None:
    """An attestation beside the known one, for readers that take the last."""
    (bundle / "attestations" / "test-result2.dsse.json").write_bytes((bundle / TEST_RESULT).read_bytes())


def _manifest(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def build(bundle: Path) -> None:
        document = json.loads((bundle / MANIFEST).read_bytes())
        change(document)
        (bundle / MANIFEST).write_bytes(canonical_bytes(document))

    return build


def _key_twice(bundle: Path) -> None:
    """One field of the verdict twice: readers differ on which counts."""
    path = bundle / "verdict.json"
    path.write_bytes(b'{"verdict":"PASS",' + path.read_bytes()[1:])


ARCHIVE = "archive is well-formed"
MANIFESTED = "manifest is present"
EXTRA = "no file is extra"
MISSING = "no file is missing"
DIGESTS = "every digest is right"
SIGNED = "test result is signed by a trusted tester"
BOUND = "test result binds manifest, plan, policy and release"
PARSED = "documents parse"

HOSTILE: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "compression bomb": (compression_bomb, ARCHIVE, "compressed (gzip)"),
    "size bomb": (size_bomb, ARCHIVE, "plan.json"),
    "traversal upwards": (added(_plain("../outside")), ARCHIVE, "'../outside'"),
    "traversal in the middle": (added(_plain("records/../../outside")), ARCHIVE, "records/../../outside"),
    "absolute path": (added(_plain("/tmp/outside")), ARCHIVE, "/tmp/outside"),  # noqa: S108 -- never written
    "backslashes": (added(_plain("z\\..\\outside")), ARCHIVE, "outside"),
    "symbolic link": (added(_special("zlink", tarfile.SYMTYPE, "/etc/passwd")), ARCHIVE, "a symbolic link"),
    "hard link": (added(_special("zlink", tarfile.LNKTYPE, "plan.json")), ARCHIVE, "a hard link"),
    "device": (added(_special("znull", tarfile.CHRTYPE)), ARCHIVE, "a character device"),
    "duplicate name": (added(_plain("verdict.json", b"{}")), ARCHIVE, "verdict.json is there twice"),
    "reordered parts": (reordered_members, ARCHIVE, "out of order"),
    "truncated archive": (cut_archive, ARCHIVE, "cut off"),
    "swapped parts": (_changed(_swap), DIGESTS, f"{FIRST} was changed"),
    "truncated part": (_changed(_cut), DIGESTS, f"{SECOND} was changed"),
    "removed part": (_changed(lambda b: (b / SECOND).unlink()), MISSING, f"{SECOND} is missing"),
    "added part": (
        _changed(lambda b: (b / "records/load/part-0002.parquet").write_bytes(b"PAR1")),
        EXTRA,
        "part-0002.parquet is not in the manifest",
    ),
    "field twice": (_changed(_key_twice), PARSED, "twice"),
    "manifest leads outside": (
        _changed(_manifest(lambda d: d["files"].insert(0, {"path": "../x", "bytes": 1, "sha256": "0" * 64}))),
        MANIFESTED,
        "'../x'",
    ),
    "manifest names a file twice": (
        _changed(_manifest(lambda d: d["files"].append(d["files"][-1]))),
        MANIFESTED,
        "twice",
    ),
    "second attestation": (_changed(_second_envelope), EXTRA, "attestation unknown"),
    "replayed statement": (_changed(_replayed), BOUND, "it binds manifest.json as"),
    "wrong payload type": (_changed(_seal_with(_wrong_payload_type)), SIGNED, "application/json"),
    "signed by another role": (
        _changed(_seal_with(lambda _, p: sign(p, [REVIEWER_SIGNER]))),
        SIGNED,
        "no tester signed",
    ),
    "signed by a stranger": (_changed(_seal_with(lambda _, p: sign(p, [STRANGER_SIGNER]))), SIGNED, "by a trusted key"),
    "future date": (_changed(_later), SIGNED, "in the future"),
}
