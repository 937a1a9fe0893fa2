"""The record: its chain, its triggers, and what a walk finds."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from tests.portal.people import World

from seatrial.errors import EvidenceError
from seatrial.portal.audit import chain
from seatrial.portal.audit.models import AuditEntry
from seatrial.portal.cases.states import Role


@pytest.fixture
def three(world: World) -> World:
    with transaction.atomic():
        for number in range(3):
            chain.append("case.test", by=world.people[Role.CASE_OFFICER], particulars={"number": number})
    return world


def test_an_empty_record_is_whole_and_its_head_is_nothing(db: None):
    assert str(chain.verify()) == "0:" + "0" * 64


def test_entries_follow_each_other(three: World):
    numbers = list(AuditEntry.objects.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == [1, 2, 3]
    assert chain.verify() == chain.head()
    assert chain.verify(chain.Head.parse(str(chain.head()))).sequence == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET what = 'x'",
        "DELETE FROM audit_auditentry",
        "DELETE FROM audit_auditentry WHERE sequence = 3",
    ],
)
def test_the_database_refuses_to_change_or_remove_an_entry(three: World, statement: str):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert chain.verify().sequence == 3


def test_the_database_refuses_what_goes_round_those_triggers(three: World):
    statement = {
        "postgresql": "TRUNCATE audit_auditentry",
        "sqlite": "INSERT OR REPLACE INTO audit_auditentry SELECT * FROM audit_auditentry WHERE sequence = 2",
    }[connection.vendor]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def _without_triggers(statement: str) -> None:
    """Do what somebody with the database's own password could do."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        else:
            for name in ("audit_no_update", "audit_no_delete", "audit_no_replace"):
                cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit_auditentry SET what = 'case.other' WHERE sequence = 2", "entry 2 was changed"),
        ("UPDATE audit_auditentry SET actor_name = 'x' WHERE sequence = 3", "entry 3 was changed"),
        ("DELETE FROM audit_auditentry WHERE sequence = 1", "entry 1 is missing"),
        ("DELETE FROM audit_auditentry WHERE sequence = 2", "entry 2 is missing"),
        ("UPDATE audit_auditentry SET previous = hash WHERE sequence = 3", "entry 3 does not follow entry 2"),
    ],
)
def test_a_walk_names_the_first_entry_that_is_not_as_it_was(three: World, statement: str, found: str):
    _without_triggers(statement)
    with pytest.raises(EvidenceError, match=found):
        chain.verify()


def test_a_cut_off_end_is_seen_by_whoever_kept_the_head(three: World):
    kept = chain.head()
    _without_triggers("DELETE FROM audit_auditentry WHERE sequence = 3")
    assert chain.verify().sequence == 2
    with pytest.raises(EvidenceError, match="cut off: entry 3 was seen"):
        chain.verify(kept)


def test_a_record_written_anew_is_seen_by_whoever_kept_the_head(three: World):
    with pytest.raises(EvidenceError, match="entry 3 is not the one that was seen"):
        chain.verify(chain.Head(3, "a" * 64))


@pytest.mark.parametrize("text", ["", "3", "3:", "x:" + "a" * 64, "3:" + "A" * 64, "-1:" + "a" * 64])
def test_what_is_no_head_is_refused(text: str):
    with pytest.raises(EvidenceError, match="no head"):
        chain.Head.parse(text)
