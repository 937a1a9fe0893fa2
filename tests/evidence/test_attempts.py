"""The log of attempts: any changed, removed, swapped or cut line is found, and a start without an end is seen."""

import json
from itertools import pairwise

import pytest
from evidence_builders import NOW
from hypothesis import assume, given
from hypothesis import strategies as st

from seatrial.errors import EvidenceError, RecordingError, UsageError
from seatrial.evidence.attempts import AttemptsLog, Line, attempt_of, parse_log
from seatrial.evidence.canonical import canonical_bytes, sha256_hex
from seatrial.model.attempt import ENDINGS, numbers, outcome

SEAL = sha256_hex(b"a seal")
ENDS = st.none() | st.tuples(st.sampled_from(["PASS", "FAIL", "INVALID"]), st.sampled_from(ENDINGS))


def made(folder, ends):
    """Write a log with one attempt for each end, None for one that was killed, and return its file."""
    path = folder / "attempts.jsonl"
    log = AttemptsLog(path, SEAL)
    for number, end in enumerate(ends, start=1):
        start = log.start(f"bundle {number}", NOW)
        if end:
            log.end(start, NOW, evidence=sha256_hex(b"%d" % number), verdict=end[0], ending=end[1])
    log.close()
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("attempts")


def lines_of(folder, ends):
    path = made(folder, ends)
    data = path.read_bytes()
    path.unlink()
    return data


def refused(data, seal=SEAL):
    with pytest.raises(EvidenceError) as error:
        parse_log(data, seal)
    return str(error.value)


@given(ends=st.lists(ENDS, max_size=6))
def test_what_was_written_is_read_and_each_line_names_the_one_before(folder, ends):
    data = lines_of(folder, ends)
    lines = parse_log(data, SEAL)
    assert b"".join(line.to_bytes() for line in lines) == data
    assert [line.previous for line in lines[:1]] == [SEAL] * bool(lines)
    assert all(after.previous == before.digest for before, after in pairwise(lines))
    assert len(lines) == len(ends) + sum(end is not None for end in ends)


@given(ends=st.lists(ENDS, min_size=1, max_size=5), data=st.data())
def test_any_byte_that_is_changed_inserted_or_taken_out_is_found(folder, ends, data):
    whole = bytearray(lines_of(folder, ends))
    at = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["flip", "take", "insert"])):
        case "flip":
            whole[at] ^= data.draw(st.integers(1, 255))
        case "take":
            del whole[at]
        case "insert":
            whole.insert(at, data.draw(st.integers(0, 255)))
    refused(bytes(whole))


@given(ends=st.lists(ENDS, min_size=1, max_size=5), data=st.data())
def test_a_log_that_is_cut_within_a_line_is_found(folder, ends, data):
    whole = lines_of(folder, ends)
    at = data.draw(st.integers(1, len(whole) - 1))
    assume(whole[at - 1 : at] != b"\n")
    assert "is cut" in refused(whole[:at])


@given(ends=st.lists(ENDS, min_size=2, max_size=5), data=st.data())
def test_a_line_that_is_removed_swapped_or_repeated_is_found(folder, ends, data):
    lines = lines_of(folder, ends).splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 2))
    match data.draw(st.sampled_from(["remove", "swap", "repeat"])):
        case "remove":
            del lines[at]
        case "swap":
            lines[at], lines[at + 1] = lines[at + 1], lines[at]
        case "repeat":
            lines.insert(at, lines[at])
    refused(b"".join(lines))


def test_lines_taken_off_the_end_leave_another_last_digest_which_a_bundle_names(folder):
    whole = parse_log(lines_of(folder, [("FAIL", "completed"), None]), SEAL)
    shorter = parse_log(b"".join(line.to_bytes() for line in whole[:-1]), SEAL)
    assert shorter[-1].digest != whole[-1].digest


def test_a_log_of_another_seal_is_refused(folder):
    data = lines_of(folder, [("FAIL", "completed")])
    other = sha256_hex(b"another")
    assert f"the seal is sha256:{other}" in refused(data, other)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([Line(1, 1, SEAL, "ended", "2026-06-01T09:00:00Z", "b", "0" * 64, "PASS", "completed")], "not under way"),
        ([Line(1, 2, SEAL, "started", "2026-06-01T09:00:00Z", "b")], "starts attempt 2 after 0"),
        ([Line(2, 1, SEAL, "started", "2026-06-01T09:00:00Z", "b")], "sequence number 2"),
        ([Line(1, 1, "nothing", "started", "2026-06-01T09:00:00Z", "b")], "malformed"),
        ([Line(1, 1, SEAL, "started", "yesterday", "b")], "RFC 3339"),
        ([Line(1, 1, SEAL, "paused", "2026-06-01T09:00:00Z", "b")], "missing or unknown"),
    ],
)
def test_a_line_that_is_chained_rightly_and_says_nonsense_is_refused(lines, said):
    assert said in refused(b"".join(line.to_bytes() for line in lines))


def test_an_end_in_words_that_there_are_not_is_refused(folder):
    start = parse_log(lines_of(folder, [None]), SEAL)[0]
    for verdict, ending in (("GREEN", "completed"), ("PASS", "gloriously")):
        end = Line(2, 1, start.digest, "ended", "2026-06-01T09:00:00Z", start.bundle, "0" * 64, verdict, ending)
        assert "in a way that there is not" in refused(start.to_bytes() + end.to_bytes())


def test_an_unknown_field_makes_a_line_unreadable(folder):
    document = json.loads(lines_of(folder, [None])) | {"note": "never mind"}
    assert "missing or unknown" in refused(canonical_bytes(document) + b"\n")


def test_a_start_without_an_end_is_seen_in_the_next_attempt(folder):
    lines = parse_log(lines_of(folder, [("FAIL", "completed"), None, ("INVALID", "interrupted"), None]), SEAL)
    attempt = attempt_of(lines)
    assert attempt.number == 4
    assert [outcome(one) for one in attempt.earlier] == ["FAIL", "not ended", "INVALID (interrupted)"]
    assert numbers(one.number for one in attempt.not_passed) == "1, 2 and 3"
    with pytest.raises(EvidenceError, match="not the start"):
        attempt_of(lines[:2])


def test_only_one_run_at_a_time_can_hold_the_log(tmp_path):
    path = made(tmp_path, [None])
    holder = AttemptsLog(path, SEAL)
    with pytest.raises(UsageError, match="under way"):
        AttemptsLog(path, SEAL)
    holder.close()
    holder.close()
    AttemptsLog(path, SEAL).close()


def test_an_attempt_is_ended_once_and_only_where_it_began(tmp_path):
    log = AttemptsLog(tmp_path / "a", SEAL)
    start = log.start("one", NOW)
    end = {"evidence": "0" * 64, "verdict": "FAIL", "ending": "completed"}
    log.end(start, NOW, **end)
    with pytest.raises(EvidenceError, match="not under way"):
        log.end(start, NOW, **end)
    with pytest.raises(EvidenceError, match="not under way"):
        log.end(Line(9, 9, SEAL, "started", start.at, "nine"), NOW, **end)
    log.close()


def test_a_link_is_not_followed_and_a_log_that_should_be_there_is_not_made(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link", tmp_path / "absent"):
        with pytest.raises(UsageError, match="can't be opened"):
            AttemptsLog(path, SEAL, create=False)
    assert not (tmp_path / "elsewhere").exists() and not (tmp_path / "absent").exists()


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    from seatrial.evidence import attempts

    log = AttemptsLog(tmp_path / "a", SEAL)
    log.start("one", NOW)
    before, real = (tmp_path / "a").read_bytes(), attempts.os.write
    with monkeypatch.context() as disk:
        disk.setattr(attempts.os, "write", lambda fd, data: real(fd, data[:20]))
        with pytest.raises(RecordingError, match="can't be written"):
            log.start("two", NOW)
    assert (tmp_path / "a").read_bytes() == before
    assert log.start("two", NOW).attempt == 2
    log.close()
