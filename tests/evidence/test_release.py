import json
from dataclasses import replace

import pytest
from evidence_builders import RELEASE
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import EvidenceError
from seatrial.model.release import MAX_SUBJECTS, Release, Subject, compare_releases, parse_release, release_of


def test_files_directories_and_images_become_one_sorted_subject_list(tmp_path):
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "b.py").write_bytes(b"b")
    (tmp_path / "src" / "deep" / "a.py").write_bytes(b"a")
    (tmp_path / "edge.conf").write_bytes(b"rules")
    release = release_of(
        "booking",
        "2.1",
        [("app", tmp_path / "src"), ("edge rules", tmp_path / "edge.conf")],
        [("image", "c" * 64)],
    )
    assert [s.name for s in release.subjects] == ["app/b.py", "app/deep/a.py", "edge rules", "image"]
    assert parse_release(release.to_bytes()) == release


def test_a_link_in_a_directory_is_refused_because_a_digest_does_not_bind_its_target(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"x")
    (tmp_path / "d" / "link").symlink_to("/etc/hostname")
    with pytest.raises(EvidenceError, match="app/link"):
        release_of("a", "1", [("app", tmp_path / "d")])


def test_a_release_of_nothing_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for sources in ([], [("x", tmp_path / "empty")], [("x", tmp_path / "absent")]):
        with pytest.raises(EvidenceError):
            release_of("a", "1", sources)


def test_one_label_for_two_things_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(EvidenceError, match="twice"):
        release_of("a", "1", [("app", tmp_path / "x")], [("app", "a" * 64)])


def test_too_many_subjects_are_refused():
    with pytest.raises(EvidenceError, match="more than"):
        Release("a", "1", tuple(Subject(f"{n:05}", "a" * 64) for n in range(MAX_SUBJECTS + 1)))


def edited(change):
    document = json.loads(RELEASE.to_bytes())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="seatrial-release/2"),
        lambda d: d.update(waiver=True),
        lambda d: d.pop("version"),
        lambda d: d.update(name=""),
        lambda d: d.update(version=21),
        lambda d: d.update(name="a\nb"),
        lambda d: d.update(subjects=[]),
        lambda d: d.update(subjects={}),
        lambda d: d["subjects"].reverse(),
        lambda d: d["subjects"].append(d["subjects"][-1]),
        lambda d: d["subjects"][0].update(uri="https://example.org"),
        lambda d: d["subjects"][0].update(name=None),
        lambda d: d["subjects"][0]["digest"].update(sha1="a" * 40),
        lambda d: d["subjects"][0].update(digest={"sha256": "A" * 64}),
        lambda d: d["subjects"][0].update(digest={"sha256": "a" * 63}),
        lambda d: d["subjects"].__setitem__(0, "app"),
    ],
)
def test_a_manifest_with_anything_odd_is_refused(change):
    with pytest.raises(EvidenceError):
        parse_release(edited(change))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"format":1,"format":2}', b"[" * 100_000])
def test_a_manifest_that_is_no_document_is_refused(data):
    with pytest.raises(EvidenceError):
        parse_release(data)


def test_each_missing_extra_and_different_subject_is_named():
    kept, changed, gone, new = (Subject(n, "a" * 64) for n in ("kept", "changed", "gone", "new"))
    comparison = compare_releases([kept, changed, gone], [new, replace(changed, sha256="b" * 64), kept])
    assert not comparison.same
    assert comparison.sentences() == (
        "subject gone is bound but not deployed",
        "subject new is deployed but not bound",
        f"subject changed differs: bound sha256:{'a' * 64}, deployed sha256:{'b' * 64}",
    )


digests = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable() and s.strip())


@given(st.dictionaries(names, digests, min_size=1, max_size=5), names)
def test_a_manifest_round_trips_and_equals_itself(subjects, version):
    release = Release("booking", version, tuple(sorted(Subject(n, d) for n, d in subjects.items())))
    assert parse_release(release.to_bytes()) == release
    assert compare_releases(release.subjects, reversed(release.subjects)).same
