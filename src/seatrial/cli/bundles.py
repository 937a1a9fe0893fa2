"""What the commands that read a bundle have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from seatrial.cli import exit_codes
from seatrial.errors import EvidenceError, UsageError

__all__ = ["invalid_where_unreadable", "must_exist"]


def must_exist(bundle: Path) -> None:
    """Refuse a bundle that is not there.

    Raises:
        UsageError: there is neither a folder nor a file.
    """
    if not bundle.exists():
        raise UsageError("there is no bundle here", value=bundle, remedy="Give a bundle's folder or its packed file.")


@contextmanager
def invalid_where_unreadable() -> Iterator[None]:
    """Evidence that can't be read is INVALID, which says nothing about the service; it is no FAIL."""
    try:
        yield
    except EvidenceError as error:
        print(f"seatrial: {error}", file=sys.stderr)
        raise typer.Exit(exit_codes.INVALID) from error
