"""The portal's tests: Django made ready, and every test of the database run on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_FOLDER = Path(tempfile.mkdtemp(prefix="seatrial-portal-test-"))
os.environ["SEATRIAL_PORTAL_DATA"] = str(_FOLDER)
os.environ["SEATRIAL_SECRET_KEY"] = secrets.token_urlsafe(64)
os.environ["DJANGO_SETTINGS_MODULE"] = "seatrial.portal.project.settings"
for _name in ("DATABASE_URL", "SEATRIAL_PORTAL_URL", "EMAIL_URL"):
    os.environ.pop(_name, None)

import django  # noqa: E402 # the settings are read from the environment above

django.setup()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: object) -> Iterator[None]:
    """Make the tables in a database of this kind; pytest runs all tests of one kind, then all of the other."""
    from django.db import connections
    from django.test.utils import setup_databases, teardown_databases
    from tests.portal.databases import postgresql

    from seatrial.portal.project.environment import read_environment

    def use(url: str) -> None:
        environ = {"DATABASE_URL": url, "SEATRIAL_PORTAL_DATA": str(_FOLDER)}
        wanted = {**read_environment(environ).database, "CONN_MAX_AGE": None}
        connections["default"].close()
        del connections["default"]
        connections.databases["default"] = {**connections.databases["default"], "TEST": {}, **wanted}
        connections.configure_settings(connections.databases)

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if request.param == "sqlite":
            use(f"sqlite:///{_FOLDER / 'portal.sqlite3'}")
            made = setup_databases(verbosity=0, interactive=False)
            yield
            teardown_databases(made, verbosity=0)
        else:
            with postgresql() as url:
                use(url)
                made = setup_databases(verbosity=0, interactive=False)
                yield
                teardown_databases(made, verbosity=0)
                connections["default"].close()


@pytest.fixture
def world(db: None) -> object:
    """Everybody and everything: see :mod:`tests.portal.people`."""
    from tests.portal.people import make_world

    return make_world()
