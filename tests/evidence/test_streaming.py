"""A packed bundle that comes down a pipe: read once, refused at the first member that is not what was promised."""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from evidence_builders import NOW, TESTER_SIGNER, TRUST, make_bundle, recompute_as_sealed
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import BundleError
from seatrial.evidence import archive
from seatrial.evidence.archive import extract, extract_stream, pack
from seatrial.evidence.chain import ChainWriter
from seatrial.evidence.manifest import MANIFEST, build_manifest, parse_manifest
from seatrial.evidence.seal import seal
from seatrial.evidence.verifier import verify_bundle

TAIL = b"\0" * 1024


class Pipe(io.RawIOBase):
    """A stream that can't seek, gives a few bytes at a time, and knows how many were taken."""

    def __init__(self, data: bytes, most: int = 10_007) -> None:
        self.data, self.most, self.taken = data, most, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1024 * 1024, "never more than a piece at a time"
        piece = self.data[self.taken : self.taken + min(size, self.most)]
        self.taken += len(piece)
        return piece


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle with parts large enough that reading on would be seen, packed."""
    root = tmp_path_factory.mktemp("streaming")
    bundle = make_bundle(root / "bundle", sealed=False)
    for number in range(2, 6):
        (bundle / f"records/load/part-{number:04d}.parquet").write_bytes(bytes([number]) * 50_000)
    (bundle / "chain.jsonl").unlink()
    ChainWriter(bundle).close()
    seal(bundle, [TESTER_SIGNER], NOW)
    pack(bundle, root / "bundle.tar")
    return root / "bundle.tar"


def streamed(data: bytes | BinaryIO):
    source = Pipe(data) if isinstance(data, bytes) else data
    return verify_bundle(source, TRUST, NOW, recompute_as_sealed)


def refusal(data: bytes) -> tuple[str, int, int]:
    """What is said of a stream, how many bytes of it were read, and how many were written."""
    pipe = Pipe(data)
    with tempfile.TemporaryDirectory() as temporary:
        with pytest.raises(BundleError) as refused:
            extract_stream(pipe, Path(temporary))
        written = sum(path.stat().st_size for path in Path(temporary).rglob("*") if path.is_file())
    return str(refused.value), pipe.taken, written


def places(packed: bytes) -> dict[str, tuple[int, int]]:
    """Where each member's data begins and how long it is."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {info.name: (info.offset_data, info.size) for info in tar.getmembers()}


def members(packed: bytes) -> list[bytes]:
    """Each member with its header and padding, in order."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        infos = tar.getmembers()
    ends = [info.offset_data + info.size + -info.size % 512 for info in infos]
    return [packed[info.offset : end] for info, end in zip(infos, ends, strict=True)]


def test_a_good_bundle_passes_every_step_from_a_pipe_as_from_a_file(sealed):
    report = streamed(sealed.read_bytes())
    assert report.ok, report.failures
    assert [str(step) for step in report.steps] == [
        str(step) for step in verify_bundle(sealed, TRUST, NOW, recompute_as_sealed).steps
    ]


def test_what_was_digested_while_it_was_unpacked_is_not_read_again(sealed, monkeypatch):
    from seatrial.evidence import manifest

    monkeypatch.setattr(manifest, "sha256_file", lambda path: pytest.fail(f"{path} was read a second time"))
    assert streamed(sealed.read_bytes()).ok
    assert verify_bundle(sealed, TRUST, NOW, recompute_as_sealed).ok


def test_unpacking_gives_the_digests_that_packing_had(sealed, tmp_path):
    for name, given_by in (("file", lambda to: extract(sealed, to)), ("pipe", None)):
        (tmp_path / name).mkdir()
        found = given_by(tmp_path / name) if given_by else extract_stream(Pipe(sealed.read_bytes()), tmp_path / name)
        listed = {entry.path: entry for entry in build_manifest(tmp_path / name).files}
        assert {path: entry for path, entry in found.items() if path in listed} == listed


def test_a_changed_part_is_refused_at_once_and_nothing_after_it_is_read(sealed):
    whole = bytearray(sealed.read_bytes())
    at, size = places(bytes(whole))["records/load/part-0002.parquet"]
    whole[at + size - 1] ^= 1
    said, taken, written = refusal(bytes(whole))
    assert "the member records/load/part-0002.parquet was changed" in said
    assert taken == at + size + -size % 512
    assert written < at + size


def test_a_member_that_the_manifest_does_not_list_is_refused_before_it_is_read(sealed):
    whole = sealed.read_bytes()
    info = tarfile.TarInfo("zeros/part-9999.parquet")
    info.size, info.mode = 8 * 1024**3 - 1, 0o644
    said, taken, _ = refusal(whole[:-1024] + info.tobuf(tarfile.PAX_FORMAT))
    assert "part-9999.parquet is not in the manifest" in said
    assert taken == len(whole) - 1024 + 512


def test_a_member_of_another_size_than_the_manifest_says_is_refused_before_it_is_read(sealed):
    whole = bytearray(sealed.read_bytes())
    at, size = places(bytes(whole))["records/load/part-0003.parquet"]
    info = tarfile.TarInfo("records/load/part-0003.parquet")
    info.size, info.mode = 8 * 1024**3 - 1, 0o644
    whole[at - 512 : at] = info.tobuf(tarfile.PAX_FORMAT)
    said, taken, _ = refusal(bytes(whole))
    assert f"has {8 * 1024**3 - 1} bytes, not the {size} of the manifest" in said
    assert taken == at


def test_a_manifest_that_is_none_or_promises_too_much_ends_the_reading(sealed, monkeypatch):
    whole = bytearray(sealed.read_bytes())
    at, size = places(bytes(whole))[MANIFEST]
    whole[at] ^= 1
    said, taken, written = refusal(bytes(whole))
    assert MANIFEST in said and taken == at + size + -size % 512 and written == size
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1000)
    assert "lists more than 1000 bytes" in refusal(sealed.read_bytes())[0]


def test_attestations_are_few_and_small(sealed):
    whole = sealed.read_bytes()
    first = members(whole)[0]

    def attestation(name: str, size: int) -> bytes:
        info = tarfile.TarInfo(f"attestations/{name}")
        info.size, info.mode = size, 0o644
        return info.tobuf(tarfile.PAX_FORMAT)

    assert "larger than" in refusal(first + attestation("a", 17 * 1024 * 1024))[0]
    assert "more than 64 attestations" in refusal(first + b"".join(attestation(f"{n:03d}", 0) for n in range(65)))[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda whole: whole[:-1], "cut off at its end"),
        (lambda whole: whole[:-1024], "ends within a header"),
        (lambda whole: whole[: len(whole) // 2], "ends within member records/load"),
        (lambda whole: whole[:300], "ends within a header"),
        (lambda whole: b"", "ends within a header"),
        (lambda whole: whole + b"\0", "something after the last member"),
        (lambda whole: whole + whole, "something after the last member"),
    ],
)
def test_a_stream_that_ends_too_soon_or_goes_on_is_said_to(sealed, spoil, words):
    report = streamed(spoil(sealed.read_bytes()))
    assert len(report.failures) == len(report.steps), "nothing of it counts"
    assert words in report.steps[0].sentence


def test_whatever_length_a_stream_is_cut_to_it_is_not_verified(sealed):
    whole = sealed.read_bytes()
    for length in range(0, len(whole), 1789):
        assert not streamed(whole[:length]).ok


def test_a_real_pipe_is_read_and_a_writer_who_stalls_is_waited_for(sealed):
    whole = sealed.read_bytes()
    reader, writer = os.pipe()
    said = []

    def verify() -> None:
        with os.fdopen(reader, "rb") as source:
            said.append(streamed(source).ok)

    thread = threading.Thread(target=verify)
    thread.start()
    with os.fdopen(writer, "wb", buffering=0) as sink:
        for start in range(0, len(whole) - 1024, 65_536):
            sink.write(whole[start : min(start + 65_536, len(whole) - 1024)])
        thread.join(0.05)
        assert thread.is_alive() and not said, "a stream that has not ended is nothing yet"
        sink.write(TAIL)
    thread.join(20)
    assert said == [True]


def test_the_command_reads_a_pipe(sealed, tmp_path):
    (tmp_path / "trust.json").write_bytes(TRUST.to_bytes())
    command = [sys.executable, "-m", "seatrial.cli.main", "verify", "-", "--trust", str(tmp_path / "trust.json")]
    done = subprocess.run(command, input=sealed.read_bytes()[:-1], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"the archive is cut off at its end" in done.stdout and b"NOT VERIFIED" in done.stdout


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_byte_of_a_packed_bundle_that_is_flipped_removed_or_added_is_found(sealed, data):
    whole = bytearray(sealed.read_bytes())
    # Bytes of headers, documents and the tail are as likely to be hit as those of the parts, which are most.
    ranges = [(at, at + size) for at, size in places(bytes(whole)).values()]
    low, high = data.draw(st.sampled_from([*ranges, (0, 2048), (len(whole) - 1536, len(whole)), (0, len(whole))]))
    at = data.draw(st.integers(low, max(low, high - 1)))
    before = bytes(whole)
    match data.draw(st.sampled_from(["flip", "remove", "add", "swap"])):
        case "flip":
            whole[at] ^= data.draw(st.integers(1, 255))
        case "remove":
            del whole[at]
        case "add":
            whole.insert(at, data.draw(st.integers(0, 255)))
        case "swap":
            other = data.draw(st.integers(0, len(whole) - 1))
            whole[at], whole[other] = whole[other], whole[at]
    if bytes(whole) != before:
        found(bytes(whole))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_member_that_is_removed_added_doubled_or_moved_is_found(sealed, data):
    before = members(sealed.read_bytes())
    after = list(before)
    at, other = (data.draw(st.integers(0, len(before) - 1)) for _ in range(2))
    match data.draw(st.sampled_from(["remove", "double", "swap", "exchange data", "tail"])):
        case "remove":
            del after[at]
        case "double":
            after.insert(other, after[at])
        case "swap":
            after[at], after[other] = after[other], after[at]
        case "exchange data":
            if len(after[at]) == len(after[other]):
                after[at], after[other] = after[at][:512] + after[other][512:], after[other][:512] + after[at][512:]
        case "tail":
            del after[at:]
    if after != before:
        found(b"".join(after) + TAIL)


def found(spoilt: bytes) -> None:
    """Assert that neither the file nor the stream is verified."""
    assert not streamed(spoilt).ok
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "spoilt.tar")
        path.write_bytes(spoilt)
        assert not verify_bundle(path, TRUST, NOW, recompute_as_sealed).ok


def test_the_manifest_is_the_first_member(sealed):
    first, second, *rest = members(sealed.read_bytes())
    assert f"{MANIFEST} is not the archive's first member" in refusal(second + first + b"".join(rest) + TAIL)[0]
    at, size = places(sealed.read_bytes())[MANIFEST]
    assert parse_manifest(sealed.read_bytes()[at : at + size]).files
