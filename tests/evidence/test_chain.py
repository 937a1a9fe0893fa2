"""The chain of parts: any part or line that is changed, removed, added, swapped or moved is found, and so is a cut."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from evidence_builders import NOW, TESTER_SIGNER, TRUST, make_bundle, recompute_as_sealed
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import BundleError
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.chain import CHAIN, GENESIS, ChainWriter, chain_problems, parse_chain, parts_in
from seatrial.evidence.manifest import FileEntry
from seatrial.evidence.seal import seal
from seatrial.evidence.verifier import verify_bundle

TITLE = "the parts' chain is whole"


def run_of(folder: Path, count: int, *, closed: bool = True) -> Path:
    """Leave what a run leaves behind that brought in so many parts of records, one after the other."""
    (folder / "records" / "load").mkdir(parents=True)
    writer = ChainWriter(folder)
    for number in range(count):
        (folder / "records" / "load" / f"part-{number:04d}.parquet").write_bytes(b"rows of %d" % number)
        writer.bring_in()
    if closed:
        writer.close()
    return folder


def lying_in(folder: Path) -> dict[str, FileEntry]:
    found = {path: (folder / path).read_bytes() for path in parts_in(folder)}
    return {path: FileEntry(path, len(data), sha256_hex(data)) for path, data in found.items()}


def problems(folder: Path) -> list[str]:
    """Everything that is wrong with a folder's parts, in words."""
    try:
        return chain_problems(parse_chain((folder / CHAIN).read_bytes()), lying_in(folder))
    except BundleError as error:
        return [str(error)]


def said(bundle: Path) -> str:
    """What the step of a verification says of the chain of a bundle that its tester sealed as it is."""
    report = verify_bundle(bundle, TRUST, NOW, recompute_as_sealed)
    (step,) = [step for step in report.failures if step.title == TITLE]
    assert report.failures == (step,), "nothing else gave it away"
    return step.sentence


def test_each_line_names_a_part_its_digest_and_the_line_before(tmp_path):
    lines = (run_of(tmp_path, 2) / CHAIN).read_bytes().splitlines()
    first, second, last = map(json.loads, lines)
    assert first == {
        "number": 1,
        "path": "records/load/part-0000.parquet",
        "bytes": 9,
        "sha256": sha256_hex(b"rows of 0"),
        "previous": GENESIS,
    }
    assert second["previous"] == sha256_hex(lines[0])
    assert last == {"number": 3, "end": True, "parts": 2, "previous": sha256_hex(lines[1])}
    assert problems(tmp_path) == []


def test_a_part_is_in_the_chain_as_soon_as_it_is_in_the_bundle(tmp_path):
    run_of(tmp_path, 3, closed=False)
    chain = parse_chain((tmp_path / CHAIN).read_bytes())
    assert [part.path[-12:-8] for part in chain.parts] == ["0000", "0001", "0002"]
    assert not chain.closed


def test_a_run_that_was_killed_has_no_closing_line_and_that_is_said(tmp_path):
    run_of(tmp_path, 2, closed=False)
    assert problems(tmp_path) == [
        "the chain has no closing line: the run was killed and its bundle not recovered, or the tail was taken away"
    ]


def test_a_recovery_goes_on_where_the_run_was_killed_and_says_so(tmp_path):
    run_of(tmp_path, 2, closed=False)
    with (tmp_path / CHAIN).open("ab") as file:
        file.write(b'{"bytes":9,"numb')  # the kill came while a line was written
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "load.parquet").write_bytes(b"health")
    ChainWriter(tmp_path, recovered=True).close()
    chain = parse_chain((tmp_path / CHAIN).read_bytes())
    assert [part.path for part in chain.parts][2:] == ["health/load.parquet"]
    assert chain.closed and chain.recovered and problems(tmp_path) == []


def test_a_recovery_that_comes_to_nothing_can_be_repeated(tmp_path):
    run_of(tmp_path, 2)
    for _ in range(2):
        ChainWriter(tmp_path, recovered=True).close()
        assert problems(tmp_path) == []
    assert (tmp_path / CHAIN).read_bytes().count(b'"end"') == 1


def test_a_recovery_does_not_go_on_with_a_chain_that_somebody_changed(tmp_path):
    run_of(tmp_path, 2, closed=False)
    (tmp_path / CHAIN).write_bytes((tmp_path / CHAIN).read_bytes().replace(b'"bytes":9', b'"bytes":8', 1))
    with pytest.raises(BundleError, match="broken at line 2"):
        ChainWriter(tmp_path, recovered=True)


def test_a_new_run_does_not_go_on_with_a_chain_that_is_there(tmp_path):
    run_of(tmp_path, 1)
    with pytest.raises(BundleError, match="already"):
        ChainWriter(tmp_path)


def test_a_part_that_a_recovery_no_longer_finds_is_missed(tmp_path):
    run_of(tmp_path, 3, closed=False)
    (tmp_path / "records/load/part-0002.parquet").unlink()
    ChainWriter(tmp_path, recovered=True).close()
    assert problems(tmp_path) == ["records/load/part-0002.parquet, part 3 of the chain, is missing"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_byte_of_the_chain_that_is_flipped_cut_out_or_put_in_is_found(data):
    with tempfile.TemporaryDirectory() as temporary:
        folder = run_of(Path(temporary, "b"), data.draw(st.integers(0, 4)))
        whole = bytearray((folder / CHAIN).read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "truncate"])):
            case "flip":
                whole[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del whole[at]
            case "insert":
                whole.insert(at, data.draw(st.integers(0, 255)))
            case "truncate":
                del whole[at:]
        (folder / CHAIN).write_bytes(whole)
        assert problems(folder)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_part_that_is_changed_removed_added_or_swapped_is_found(data):
    with tempfile.TemporaryDirectory() as temporary:
        folder = run_of(Path(temporary, "b"), data.draw(st.integers(2, 5)))
        parts = [folder / path for path in parts_in(folder)]
        one, other = data.draw(st.permutations(parts))[:2]
        match data.draw(st.sampled_from(["flip", "remove", "add", "swap", "double", "rename"])):
            case "flip":
                whole = bytearray(one.read_bytes())
                whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
                one.write_bytes(whole)
            case "remove":
                one.unlink()
            case "add":
                one.with_name("part-0099.parquet").write_bytes(b"more")
            case "swap":
                first, second = one.read_bytes(), other.read_bytes()
                one.write_bytes(second)
                other.write_bytes(first)
            case "double":
                other.write_bytes(one.read_bytes())
            case "rename":
                one.rename(one.with_name("part-0098.parquet"))
        assert problems(folder)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_line_that_is_removed_added_doubled_or_moved_is_found(data):
    with tempfile.TemporaryDirectory() as temporary:
        folder = run_of(Path(temporary, "b"), data.draw(st.integers(1, 5)))
        lines = (folder / CHAIN).read_bytes().splitlines(keepends=True)
        before = list(lines)
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["remove", "double", "shuffle", "tail"])):
            case "remove":
                del lines[at]
            case "double":
                lines.insert(data.draw(st.integers(0, len(lines))), lines[at])
            case "shuffle":
                lines = data.draw(st.permutations(lines))
            case "tail":
                del lines[at:]
        (folder / CHAIN).write_bytes(b"".join(lines))
        assert lines == before or problems(folder)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"number": 1, "path": "records/a.parquet", "bytes": 1, "sha256": "a" * 64}, "fields"),
        ({"number": 1, "end": True, "parts": 0, "previous": GENESIS, "note": 1}, "fields"),
        ({"number": 2, "end": True, "parts": 0, "previous": GENESIS}, "number"),
        ({"number": 1, "end": True, "parts": 1, "previous": GENESIS}, "as a run writes it"),
        ({"number": 1, "end": False, "parts": 0, "previous": GENESIS}, "as a run writes it"),
        ({"number": True, "end": True, "parts": 0, "previous": GENESIS}, "as a run writes it"),
        ({"number": 1, "end": True, "parts": 0, "previous": GENESIS, "recovered": False}, "as a run writes it"),
        ({"number": 1, "end": True, "parts": 0, "previous": "1" * 64}, "broken at line 1"),
        ({"number": 1, "path": "../x.parquet", "bytes": 1, "sha256": "a" * 64, "previous": GENESIS}, "outside"),
        ({"number": 1, "path": "plan.json", "bytes": 1, "sha256": "a" * 64, "previous": GENESIS}, "no part"),
        ({"number": 1, "path": "records/a.parquet", "bytes": -1, "sha256": "a" * 64, "previous": GENESIS}, "size"),
        ({"number": 1, "path": "records/a.parquet", "bytes": 1, "sha256": "A" * 64, "previous": GENESIS}, "digest"),
    ],
)
def test_a_line_that_no_run_writes_is_refused(fields, words):
    with pytest.raises(BundleError, match=words):
        parse_chain(canonical_bytes(fields) + b"\n")


def test_a_chain_that_is_longer_than_any_bundle_is_refused_before_it_is_read():
    with pytest.raises(BundleError, match="longer"):
        parse_chain(b"\n" * 20_002)


def resealed(tmp_path: Path, spoil) -> Path:
    """A bundle that its own tester spoilt before sealing: the manifest and the seal are right."""
    bundle = make_bundle(tmp_path / "bundle", sealed=False)
    spoil(bundle)
    seal(bundle, [TESTER_SIGNER], NOW)
    return bundle


def test_a_seal_over_parts_that_are_not_what_the_run_brought_in_does_not_make_them_so(tmp_path):
    def swap(bundle):
        first, second = (bundle / "records/load" / f"part-000{n}.parquet" for n in (0, 1))
        first.rename(bundle / "aside")
        second.rename(first)
        (bundle / "aside").rename(second)

    assert "part-0000.parquet is not the part" in said(resealed(tmp_path / "swapped", swap))
    removed = resealed(tmp_path / "removed", lambda b: (b / "records/load/part-0001.parquet").unlink())
    assert "part-0001.parquet, part 2 of the chain, is missing" in said(removed)
    added = resealed(tmp_path / "added", lambda b: (b / "records/load/part-0002.parquet").write_bytes(b"x"))
    assert "part-0002.parquet is in no line of the chain: it was added" in said(added)


def test_a_bundle_without_a_chain_or_with_an_open_one_is_not_verified(tmp_path):
    assert CHAIN in said(resealed(tmp_path / "without", lambda b: (b / CHAIN).unlink()))

    def cut(bundle):
        lines = (bundle / CHAIN).read_bytes().splitlines(keepends=True)
        (bundle / CHAIN).write_bytes(b"".join(lines[:-1]))

    assert "no closing line" in said(resealed(tmp_path / "open", cut))


def test_a_chain_written_anew_without_a_part_in_the_middle_betrays_it_by_the_numbers(tmp_path):
    def rewrite(bundle):
        (bundle / "records/load/part-0000.parquet").unlink()
        (bundle / CHAIN).unlink()
        ChainWriter(bundle).close()

    assert "part-0001.parquet stands where part-0000 should" in said(resealed(tmp_path, rewrite))


def test_a_recovered_bundle_is_verified_and_says_what_it_is(tmp_path):
    def recover(bundle):
        shutil.rmtree(bundle / "health")
        (bundle / CHAIN).unlink()
        ChainWriter(bundle, recovered=True).close()

    report = verify_bundle(resealed(tmp_path, recover), TRUST, NOW, recompute_as_sealed)
    (step,) = [step for step in report.steps if step.title == TITLE]
    assert report.ok and "2 parts in order, closed when a run that was killed was recovered" in step.sentence
