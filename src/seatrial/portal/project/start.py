"""Starting Django from our own command line: settings, key, tables."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.portal.project.environment import read_environment

__all__ = ["prepare", "set_up"]


def prepare() -> None:
    """Make Django ready in this process: the data folder, a secret key kept in it, the settings.

    Raises:
        UsageError: The environment says what can't be, or the folder can't be written.
    """
    import django

    environment = read_environment(os.environ)
    try:
        environment.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not environment.secret_key:
            os.environ["SEATRIAL_SECRET_KEY"] = _kept_key(environment.data / "secret-key")
    except OSError as e:
        raise UsageError("the data folder can't be used", value=e, remedy="Set SEATRIAL_PORTAL_DATA.") from e
    os.environ["DJANGO_SETTINGS_MODULE"] = "seatrial.portal.project.settings"
    django.setup()


def _kept_key(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as writing:
        writing.write(secrets.token_urlsafe(64))
    return file.read_text(encoding="ascii").strip()


def set_up() -> None:
    """Bring the tables of the database to this version's form."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
