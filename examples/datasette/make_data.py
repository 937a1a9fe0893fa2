"""Make a small SQLite file of venues and bookings, the same one every time: ``python make_data.py leisure.db``."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

DISTRICTS = ("Central", "Eastern", "Islands", "Kwun Tong", "Sha Tin", "Tuen Mun", "Wan Chai", "Yuen Long")
SPORTS = ("badminton", "basketball", "squash", "table tennis", "tennis")
VENUES, DAYS, FIRST_HOUR, LAST_HOUR = 40, 7, 7, 22


def make(path: Path) -> None:
    """Write the database; a file that is already there is replaced."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE venues (id INTEGER PRIMARY KEY, name TEXT, district TEXT, sport TEXT)")
        database.execute(
            "CREATE TABLE bookings (id INTEGER PRIMARY KEY, venue INTEGER REFERENCES venues(id),"
            " day INTEGER, hour INTEGER, patron TEXT)"
        )
        database.executemany(
            "INSERT INTO venues VALUES (?, ?, ?, ?)",
            (
                (number, f"Venue {number}", DISTRICTS[number % len(DISTRICTS)], SPORTS[number % len(SPORTS)])
                for number in range(1, VENUES + 1)
            ),
        )
        database.executemany(
            "INSERT INTO bookings (venue, day, hour, patron) VALUES (?, ?, ?, ?)",
            (
                (venue, day, hour, f"P{(venue * 7919 + day * 131 + hour * 17) % 10_000:06d}")
                for venue in range(1, VENUES + 1)
                for day in range(1, DAYS + 1)
                for hour in range(FIRST_HOUR, LAST_HOUR + 1)
                if (venue * 31 + day * 7 + hour * 3) % 5 < 3  # three hours in five are taken
            ),
        )
        database.execute("CREATE INDEX bookings_venue ON bookings (venue)")
    database.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python make_data.py FILE")
    make(Path(sys.argv[1]))
