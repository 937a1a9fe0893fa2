"""The bookings, in SQLite with a write-ahead log.

Every method is a few indexed statements (tens of microseconds), so they run in line on the event loop; there is
one connection and no ``await`` inside a method, so each method is atomic as seen from the rest of the service.

``slots.free_from`` says from when a court hour may be taken: 0 at first, the end of the hold while it is held,
``SOLD`` once it is booked. Triggers keep it, whichever release writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from seatrial.sandbox.patrons import patrons
from seatrial.sandbox.problems import SandboxError

__all__ = ["DAYS", "LIST_LIMIT", "Slot", "Store"]

DAYS = 7
LIST_LIMIT = 40
_HOURS = 16
_COURTS = 5
_REGIONS = 5
_DISTRICTS = (
    "Bayview 海灣", "Camphor Hill 樟樹山", "Eastgate 東閘", "Fernside 蕨園", "Granite Point 石角",
    "Heron Marsh 鷺澤", "Ironwood 鐵木", "Jetty Street 碼頭街", "Kiln Lane 窰里", "Lantern Park 燈籠公園",
    "Mulberry 桑園", "Northshore 北岸", "Orchid Terrace 蘭臺", "Pagoda Road 塔道", "Quarry Top 礦頂",
    "Reservoir 水塘", "Saltfield 鹽田", "Typhoon Bight 風灣", "Uplands 高原", "Westway 西路",
)  # fmt: skip

# 1e12 s lies beyond any clock reading; the partial index below must repeat it as a literal to be used.
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE patrons (id TEXT PRIMARY KEY, pin TEXT NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slots (
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, district INTEGER NOT NULL, venue INTEGER NOT NULL,
    court INTEGER NOT NULL, hour INTEGER NOT NULL, free_from REAL NOT NULL DEFAULT 0);
CREATE TABLE holds (
    id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, patron TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE bookings (
    id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, patron TEXT NOT NULL, hold INTEGER NOT NULL);
CREATE INDEX open_slots ON slots (day, id) WHERE free_from < 1e12;
CREATE INDEX bookings_slot ON bookings (slot);
CREATE INDEX bookings_patron ON bookings (patron);
CREATE TRIGGER held AFTER INSERT ON holds
    BEGIN UPDATE slots SET free_from = max(free_from, new.expires) WHERE id = new.slot; END;
CREATE TRIGGER sold AFTER INSERT ON bookings
    BEGIN UPDATE slots SET free_from = 1e12 WHERE id = new.slot; END;
"""

_FREE = """SELECT id, district, venue, court, hour FROM slots INDEXED BY open_slots
    WHERE day = ? AND id {} ? AND free_from < 1e12 AND free_from <= ? ORDER BY id LIMIT ?"""

_HOLD_IF_FREE = """INSERT INTO holds (slot, patron, expires)
    SELECT id, ?, ? FROM slots WHERE id = ? AND free_from <= ?"""

_BOOK_IF_FREE = """INSERT INTO bookings (slot, patron, hold)
    SELECT slot, patron, id FROM holds h WHERE id = ? AND patron = ? AND expires > ?
    AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.slot = h.slot)"""

_NEW_SLOT = "INSERT INTO slots (id, day, district, venue, court, hour) VALUES (?, ?, ?, ?, ?, ?)"

Slot = dict[str, object]


def _slots(count: int) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Spread ``count`` court hours over the days, the same number each, and over each day's districts."""
    slot = 0
    for day in range(1, DAYS + 1):
        in_day = count * day // DAYS - slot
        for i in range(in_day):
            slot += 1
            venue, court, hour = i // (_HOURS * _COURTS) + 1, i // _HOURS % _COURTS + 1, i % _HOURS + 7
            yield slot, day, i * len(_DISTRICTS) // in_day, venue, court, hour


class Store:
    """The database of one service.

    Args:
        path: The database file; made and seeded when it is not there, kept as it is when it is.
        patron_count: Citizens to seed.
        slot_count: Court hours to seed, spread over seven days.

    Raises:
        SandboxError: the file is not such a database, or was seeded with other counts.
    """

    def __init__(self, path: Path, *, patron_count: int, slot_count: int) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._open(path, {"patrons": patron_count, "slots": slot_count})
            except BaseException:
                self._db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise SandboxError(
                "the data directory holds no usable database", value=path, remedy=f"Empty it first ({error})."
            ) from error
        self._first_ids = dict(self._db.execute("SELECT day * 100 + district, min(id) FROM slots GROUP BY 1"))
        self._booked: int = self._db.execute("SELECT count(*) FROM bookings").fetchone()[0]

    def _open(self, path: Path, counts: dict[str, int]) -> None:
        db = self._db
        db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing that was committed; only a power cut could, and an fsync here would
        # block the event loop for as long as the disk likes.
        db.execute("PRAGMA synchronous = OFF")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
            db.execute("BEGIN")
            for statement in _statements(_SCHEMA):
                db.execute(statement)
            db.executemany(_NEW_SLOT, _slots(counts["slots"]))
            rows = ((p.id, p.pin, p.name) for p in patrons(counts["patrons"]))
            db.executemany("INSERT INTO patrons VALUES (?, ?, ?)", rows)
            db.executemany("INSERT INTO facts VALUES (?, ?)", counts.items())
            db.execute("COMMIT")
        seeded = dict(db.execute("SELECT name, value FROM facts"))
        if seeded != counts:
            raise SandboxError(
                "the data directory was seeded with other counts",
                value=path,
                remedy=f"Use {seeded}, or empty it.",
            )

    def close(self) -> None:
        """Close the database; calling it again does nothing."""
        self._db.close()

    @property
    def booked(self) -> int:
        """How many bookings have been made, counting courts sold twice as two."""
        return self._booked

    def knows(self, patron: str, pin: str) -> bool:
        """Return whether a citizen with this id and this PIN exists."""
        row = self._db.execute("SELECT 1 FROM patrons WHERE id = ? AND pin = ?", (patron, pin)).fetchone()
        return row is not None

    def free(self, day: int, patron: str, now_s: float) -> list[Slot]:
        """Return up to 40 free court hours of ``day`` (1 to 7), from the citizen's own region on.

        Citizens of one of the five regions see the same courts, so some of those who pick at the same time collide.
        """
        district = int(patron[1:]) % _REGIONS * len(_DISTRICTS) // _REGIONS
        start = self._first_ids.get(day * 100 + district, 0)
        rows = self._db.execute(_FREE.format(">="), (day, start, now_s, LIST_LIMIT)).fetchall()
        if len(rows) < LIST_LIMIT:
            rest = LIST_LIMIT - len(rows)
            rows += self._db.execute(_FREE.format("<"), (day, start, now_s, rest)).fetchall()
        return [
            {
                "id": slot,
                "venue": f"{_DISTRICTS[district]} {venue}",
                "court": court,
                "starts": f"{hour:02d}:00",
            }
            for slot, district, venue, court, hour in rows
        ]

    def exists(self, slot: int) -> bool:
        """Return whether there is such a court hour, free or not."""
        return self._db.execute("SELECT 1 FROM slots WHERE id = ?", (slot,)).fetchone() is not None

    def is_free(self, slot: int, now_s: float) -> bool:
        """Return whether a court hour is neither held nor booked."""
        query = "SELECT 1 FROM slots WHERE id = ? AND free_from <= ?"
        return self._db.execute(query, (slot, now_s)).fetchone() is not None

    def hold_if_free(self, slot: int, patron: str, now_s: float, expires_s: float) -> int | None:
        """Hold a court hour in one statement; return the hold's id, or None when it is taken."""
        done = self._db.execute(_HOLD_IF_FREE, (patron, expires_s, slot, now_s))
        return done.lastrowid if done.rowcount == 1 else None

    def write_hold(self, slot: int, patron: str, expires_s: float) -> int:
        """Write a hold without looking; return its id."""
        query = "INSERT INTO holds (slot, patron, expires) VALUES (?, ?, ?)"
        return int(self._db.execute(query, (slot, patron, expires_s)).lastrowid or 0)

    def held_slot(self, hold: int, patron: str, now_s: float) -> int | None:
        """Return the court hour of a live hold of this citizen, or None."""
        query = "SELECT slot FROM holds WHERE id = ? AND patron = ? AND expires > ?"
        row = self._db.execute(query, (hold, patron, now_s)).fetchone()
        return None if row is None else int(row[0])

    def is_booked(self, slot: int) -> bool:
        """Return whether a court hour has a booking."""
        return self._db.execute("SELECT 1 FROM bookings WHERE slot = ?", (slot,)).fetchone() is not None

    def book_if_free(self, hold: int, patron: str, now_s: float) -> int | None:
        """Book a held court hour in one statement; return the booking's id, or None when it can't be had."""
        done = self._db.execute(_BOOK_IF_FREE, (hold, patron, now_s))
        if done.rowcount != 1:
            return None
        self._booked += 1
        return done.lastrowid

    def write_booking(self, slot: int, patron: str, hold: int) -> int:
        """Write a booking without looking; return its id."""
        query = "INSERT INTO bookings (slot, patron, hold) VALUES (?, ?, ?)"
        booking = int(self._db.execute(query, (slot, patron, hold)).lastrowid or 0)
        self._booked += 1
        return booking

    def bookings_of(self, patron: str) -> list[Slot]:
        """Return the citizen's bookings, oldest first, at most the 40 newest."""
        query = """SELECT b.id, s.id, s.day, s.district, s.venue, s.court, s.hour FROM bookings b
            JOIN slots s ON s.id = b.slot WHERE b.patron = ? ORDER BY b.id DESC LIMIT ?"""
        rows = self._db.execute(query, (patron, LIST_LIMIT)).fetchall()
        return [
            {
                "booking": booking,
                "slot": slot,
                "day": day,
                "venue": f"{_DISTRICTS[district]} {venue}",
                "court": court,
                "starts": f"{hour:02d}:00",
            }
            for booking, slot, day, district, venue, court, hour in reversed(rows)
        ]

    def audit(self) -> tuple[int, list[int]]:
        """Count what the database holds: (bookings, court hours that were sold more than once, ascending)."""
        total = self._db.execute("SELECT count(*) FROM bookings").fetchone()[0]
        query = "SELECT slot FROM bookings GROUP BY slot HAVING count(*) > 1 ORDER BY slot"
        return int(total), [int(row[0]) for row in self._db.execute(query)]


def _statements(script: str) -> list[str]:
    """Split a script into statements: ``executescript`` would commit on its own."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
