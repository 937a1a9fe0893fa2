import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from evidence_builders import make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import BundleError
from seatrial.evidence import manifest as manifest_module
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.evidence.manifest import (
    MANIFEST,
    DifferenceKind,
    build_manifest,
    check_directory,
    parse_manifest,
    write_manifest,
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("manifest") / "bundle")


def test_the_manifest_lists_every_file_but_itself_and_the_attestations(bundle):
    manifest = parse_manifest((bundle / MANIFEST).read_bytes())
    paths = [f.path for f in manifest.files]
    assert paths == sorted(paths)
    assert MANIFEST not in paths and not any(p.startswith("attestations/") for p in paths)
    assert "records/load/part-0000.parquet" in paths
    assert build_manifest(bundle) == manifest
    assert check_directory(bundle, manifest) == ()


def test_a_missing_an_extra_and_a_changed_file_are_each_named(tmp_path, bundle):
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    manifest = parse_manifest((copy / MANIFEST).read_bytes())
    (copy / "policy.json").unlink()
    (copy / "extra.txt").write_bytes(b"")
    (copy / "records" / "link").symlink_to("/etc/hostname")
    before = manifest.entry("plan.json")
    (copy / "plan.json").write_bytes(b"{}")
    found = {d.path: d for d in check_directory(copy, manifest)}
    assert {p: d.kind for p, d in found.items()} == {
        "policy.json": DifferenceKind.MISSING,
        "extra.txt": DifferenceKind.EXTRA,
        "records/link": DifferenceKind.EXTRA,
        "plan.json": DifferenceKind.CHANGED,
    }
    for part in (f"{before.bytes} bytes", before.sha256, "found 2 bytes", sha256_hex(b"{}")):
        assert part in found["plan.json"].sentence
    assert "symbolic link" in found["records/link"].sentence


def test_a_file_swapped_for_a_link_to_equal_bytes_is_found(tmp_path, bundle):
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    (copy / "plan.json").rename(tmp_path / "outside.json")
    (copy / "plan.json").symlink_to(tmp_path / "outside.json")
    (found,) = check_directory(copy, parse_manifest((copy / MANIFEST).read_bytes()))
    assert (found.path, found.kind) == ("plan.json", DifferenceKind.CHANGED)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_removed_added_or_swapped_byte_or_file_is_found_and_named(bundle, data):
    manifest = parse_manifest((bundle / MANIFEST).read_bytes())
    victims = st.sampled_from([f.path for f in manifest.files])
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(bundle, Path(temporary, "copy")))
        victim = data.draw(victims)
        whole = bytearray((copy / victim).read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        expected = {victim}
        match data.draw(st.sampled_from(["flip", "cut", "insert", "append", "remove", "add", "swap"])):
            case "flip":
                whole[at] ^= data.draw(st.integers(1, 255))
                (copy / victim).write_bytes(whole)
            case "cut":
                del whole[at]
                (copy / victim).write_bytes(whole)
            case "insert":
                whole.insert(at, data.draw(st.integers(0, 255)))
                (copy / victim).write_bytes(whole)
            case "append":
                (copy / victim).write_bytes(bytes(whole) + b"\0")
            case "remove":
                (copy / victim).unlink()
            case "add":
                expected = {f"{victim}.orig"}
                (copy / f"{victim}.orig").write_bytes(bytes(whole))
            case "swap":
                other = data.draw(victims.filter(lambda p: p != victim))
                expected = {victim, other}
                (copy / victim).rename(copy / "held")
                (copy / other).rename(copy / victim)
                (copy / "held").rename(copy / other)
        found = check_directory(copy, manifest)
        assert {d.path for d in found} == expected
        assert all(d.path in d.sentence for d in found)


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: os.symlink("/etc/hostname", p), lambda p: os.symlink("/", p)])
def test_a_bundle_with_a_link_or_special_file_gets_no_manifest(tmp_path, make):
    (tmp_path / "plan.json").write_bytes(b"{}")
    make(tmp_path / "odd")
    with pytest.raises(BundleError, match="odd"):
        build_manifest(tmp_path)


def test_an_empty_overfull_unlistable_or_oddly_named_bundle_gets_no_manifest(tmp_path, monkeypatch):
    with pytest.raises(BundleError, match="empty"):
        build_manifest(tmp_path)
    with pytest.raises(BundleError, match="listed"):
        build_manifest(tmp_path / "absent")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"")
    monkeypatch.setattr(manifest_module, "MAX_FILES", 1)
    with pytest.raises(BundleError, match="more than 1 files"):
        build_manifest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "a\nb")
    with pytest.raises(BundleError, match="outside"):
        build_manifest(tmp_path)


def test_a_manifest_that_can_not_be_written_is_an_error_of_the_bundle(tmp_path):
    (tmp_path / "plan.json").write_bytes(b"{}")
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(BundleError, match="written"):
        write_manifest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="seatrial-bundle/2"),
        lambda d: d.update(note="x"),
        lambda d: d.update(files=[]),
        lambda d: d["files"].reverse(),
        lambda d: d["files"].append(d["files"][-1]),
        lambda d: d["files"][0].update(path="../x"),
        lambda d: d["files"][0].update(path="/x"),
        lambda d: d["files"][0].update(path=""),
        lambda d: d["files"][0].update(path="a" * 600),
        lambda d: d["files"][0].update(path=None),
        lambda d: d["files"][0].update(bytes=-1),
        lambda d: d["files"][0].update(bytes=True),
        lambda d: d["files"][0].update(sha256="z" * 64),
        lambda d: d["files"][0].update(mode=420),
        lambda d: d["files"].insert(0, {"path": "attestations/x", "bytes": 0, "sha256": "a" * 64}),
        lambda d: d["files"].append({"path": "zz\ud800", "bytes": 0, "sha256": "a" * 64}),
    ],
)
def test_a_manifest_with_anything_odd_is_refused(bundle, change):
    document = json.loads((bundle / MANIFEST).read_bytes())
    change(document)
    with pytest.raises(BundleError):
        parse_manifest(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def test_a_manifest_in_another_spelling_is_refused(bundle):
    data = (bundle / MANIFEST).read_bytes()
    for other in (data + b"\n", json.dumps(json.loads(data)).encode(), b"", b"[]", canonical_bytes({})):
        with pytest.raises(BundleError):
            parse_manifest(other)
