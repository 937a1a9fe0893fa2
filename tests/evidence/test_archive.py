import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest
from evidence_builders import make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import BundleError
from seatrial.evidence import archive
from seatrial.evidence.bundle import bundle_digest, open_bundle, pack, plan_source
from seatrial.evidence.manifest import MANIFEST, write_manifest


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    root = tmp_path_factory.mktemp("archive")
    bundle = make_bundle(root / "bundle")
    pack(bundle, root / "bundle.tar")
    return bundle, root / "bundle.tar"


names = st.text(st.characters(categories=["L", "N", "S"], exclude_characters="/\\"), min_size=1, max_size=120).filter(
    lambda s: s.isprintable() and len(s.encode()) < 200
)


@settings(max_examples=40)
@given(st.dictionaries(names.map(lambda n: f"records/{n}"), st.binary(max_size=1500), min_size=1, max_size=5))
def test_packing_is_deterministic_and_gives_back_the_same_files(files):
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for where in ("one", "two"):
            for path, data in sorted(files.items(), reverse=where == "two"):
                (root / where / path).parent.mkdir(parents=True, exist_ok=True)
                (root / where / path).write_bytes(data)
                os.utime(root / where / path, (len(where), len(data)))
                (root / where / path).chmod(0o600 if where == "one" else 0o755)
            write_manifest(root / where)
            pack(root / where, root / f"{where}.tar")
        assert (root / "one.tar").read_bytes() == (root / "two.tar").read_bytes()
        with open_bundle(root / "one.tar") as opened:
            assert contents(opened) == contents(root / "two")


def test_any_tar_reader_can_read_it_and_the_manifest_comes_first(sealed):
    bundle, packed = sealed
    with tarfile.open(packed) as tar:
        members = tar.getmembers()
        assert members[0].name == MANIFEST
        assert {m.name: tar.extractfile(m).read() for m in members} == contents(bundle)
        assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


def test_a_directory_is_given_as_it_is_and_an_unpacked_copy_is_gone_afterwards(sealed):
    bundle, packed = sealed
    with open_bundle(bundle) as opened:
        assert opened == bundle
    with open_bundle(packed) as opened:
        assert bundle_digest(opened) == bundle_digest(bundle)
        assert plan_source(opened) == "plan.yaml"
    assert not opened.exists()


def test_what_is_no_bundle_is_refused(tmp_path, sealed):
    (tmp_path / "link").symlink_to(sealed[1])
    for path in (tmp_path / "absent", tmp_path / "link"):
        with pytest.raises(BundleError, match="no bundle"), open_bundle(path):
            pass


def test_an_unsealed_or_linked_directory_is_not_packed(tmp_path):
    with pytest.raises(BundleError, match=r"manifest\.json"):
        pack(make_bundle(tmp_path / "a", sealed=False), tmp_path / "a.tar")
    linked = make_bundle(tmp_path / "b")
    (linked / "records" / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="records/link"):
        pack(linked, tmp_path / "b.tar")
    assert not list(tmp_path.glob("*.tar")) + list(tmp_path.glob(".*partial"))


def test_a_bundle_with_both_plan_sources_is_refused(tmp_path):
    (tmp_path / "plan.py").write_bytes(b"")
    (tmp_path / "plan.yaml").write_bytes(b"")
    with pytest.raises(BundleError, match="exactly one"):
        plan_source(tmp_path)


def member(name, data=b"x", *, kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = (len(data) if kind == tarfile.REGTYPE else 0), 0o644, kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.PAX_FORMAT) + (data + b"\0" * (-len(data) % 512) if info.size else b"")


TAIL = b"\0" * 1024
FIRST = member(MANIFEST, b"{}")


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (member("../evil"), "outside"),
        (member("/etc/evil"), "outside"),
        (member("records/../../evil"), "outside"),
        (member("records//evil"), "outside"),
        (member("./plan.json"), "outside"),
        (member("records\\evil"), "outside"),
        (member("plan\n.json"), "outside"),
        (member("plan.json") * 2, "plan.json is there twice"),
        (FIRST, "twice"),
        (member("z") + member("a"), "member a is out of order"),
        (member("link", kind=tarfile.SYMTYPE, linkname="/etc/passwd"), "link is a symbolic link"),
        (member("hard", kind=tarfile.LNKTYPE, linkname="manifest.json"), "hard is a hard link"),
        (member("dev", kind=tarfile.CHRTYPE), "dev is a character device"),
        (member("dev", kind=tarfile.BLKTYPE), "dev is a block device"),
        (member("pipe", kind=tarfile.FIFOTYPE), "pipe is a named pipe"),
        (member("dir", kind=tarfile.DIRTYPE), "directory"),
        (member("sparse", kind=tarfile.GNUTYPE_SPARSE), "sparse"),
        (member("a") + member("a/b"), "a/b can't be unpacked"),
        (member("plan.json", mtime=7), "plan.json is not as 'pack' writes it"),
        (member("plan.json", uid=7), "plan.json is not as 'pack' writes it"),
        (member("plan.json", mode=0o777), "plan.json is not as 'pack' writes it"),
        (member("plan.json", uname="root"), "plan.json is not as 'pack' writes it"),
        (member("plan.json", pax_headers={"comment": "x"}), "plan.json is not as 'pack' writes it"),
        (member("plan.json", pax_headers={"size": "-1"}), "bad size"),
        (member("p" * 200, pax_headers={"junk": "j" * 9000}), "extended header"),
        (member("plan.json")[:-512] + b"x" + b"y" * 511, "padding after member plan.json"),
        (member("plan.json", b"x" * 5000)[:600], "plan.json is cut off"),
        (b"\x01" * 512, "damaged"),
    ],
)
def test_a_hostile_member_is_refused_and_named(tmp_path, hostile, said):
    (tmp_path / "hostile.tar").write_bytes(FIRST + hostile + TAIL)
    with pytest.raises(BundleError, match=said), open_bundle(tmp_path / "hostile.tar"):
        pass
    assert not (tmp_path.parent / "evil").exists()


def test_a_member_that_claims_more_than_there_is_takes_no_space(tmp_path):
    info = tarfile.TarInfo("bomb")
    info.size, info.mode = 10 * 1024**3, 0o644
    (tmp_path / "bomb.tar").write_bytes(FIRST + info.tobuf(tarfile.PAX_FORMAT) + TAIL)
    with pytest.raises(BundleError, match="bomb is cut off"), open_bundle(tmp_path / "bomb.tar"):
        pass


def test_too_many_or_too_large_members_are_refused(tmp_path, monkeypatch):
    (tmp_path / "many.tar").write_bytes(FIRST + member("a") + member("b") + TAIL)
    monkeypatch.setattr(archive, "MAX_FILES", 2)
    with pytest.raises(BundleError, match="more than 2 members"), open_bundle(tmp_path / "many.tar"):
        pass
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1)
    with pytest.raises(BundleError, match=r"manifest\.json is larger"), open_bundle(tmp_path / "many.tar"):
        pass
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 100)
    with pytest.raises(BundleError, match="archive is larger"), open_bundle(tmp_path / "many.tar"):
        pass


@pytest.mark.parametrize(("form", "name"), [("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz")])
def test_a_compressed_archive_is_not_decompressed(tmp_path, form, name):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{form}") as tar:
        tar.addfile(tarfile.TarInfo(MANIFEST))
    data = packed.getvalue()
    (tmp_path / "x").write_bytes(data + b"\0" * max(0, 512 - len(data)))
    with pytest.raises(BundleError, match=name), open_bundle(tmp_path / "x"):
        pass


@pytest.mark.parametrize(
    "data", [b"", TAIL, FIRST, FIRST + TAIL[:512], member("plan.json") + TAIL, FIRST + TAIL + b"\0"]
)
def test_an_archive_without_manifest_or_with_another_end_is_refused(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BundleError), open_bundle(tmp_path / "x"):
        pass


@settings(max_examples=150)
@given(st.data())
def test_any_flipped_byte_of_the_archive_is_found_or_changes_a_file(sealed, data):
    bundle, packed = sealed
    whole = bytearray(packed.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as temporary:
        flipped = Path(temporary, "x")
        flipped.write_bytes(whole)
        try:
            with open_bundle(flipped) as opened:
                assert contents(opened) != contents(bundle)
        except BundleError:
            pass


def test_a_directory_that_disappears_while_it_is_read_is_an_error_of_the_bundle(tmp_path):
    bundle = make_bundle(tmp_path / "b")
    shutil.rmtree(bundle)
    with pytest.raises(BundleError):
        pack(bundle, tmp_path / "b.tar")


def test_an_archive_that_lost_its_last_block_is_said_to_be_cut_off(tmp_path):
    whole = member("manifest.json", b"{}") + b"\0" * 1024
    (tmp_path / "cut.tar").write_bytes(whole[:-512])
    with pytest.raises(BundleError, match="cut off at its end"), open_bundle(tmp_path / "cut.tar"):
        pass
