"""Taking a file in and giving it back.

A file's type is what its bytes are. Types are few; whatever is not among them is refused. Nothing is ever run,
unpacked or drawn from here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from django.conf import settings
from django.http import FileResponse
from django.utils.translation import gettext as _

from seatrial.errors import UsageError
from seatrial.portal.accounts.models import User
from seatrial.portal.files.models import StoredFile

__all__ = ["DOCUMENTS", "MAX_DOCUMENT_BYTES", "Readable", "attachment", "media_type_of", "store"]

MAX_DOCUMENT_BYTES = 25 * 1024 * 1024
DOCUMENTS = frozenset(
    {
        *("application/pdf", "application/json", "application/zip", "application/yaml"),
        *("image/png", "image/jpeg", "text/csv", "text/plain"),
    }
)
_BLOCK = 1024 * 1024
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),  # a spreadsheet or a text of an office program is one as well
)
_BY_SUFFIX = {".json": "application/json", ".csv": "text/csv", ".yaml": "application/yaml", ".yml": "application/yaml"}


class Readable(Protocol):
    """What a file is read from: an open file, or what a form took in."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


def store(
    stream: Readable,
    name: str,
    *,
    by: User | None,
    types: Iterable[str] = DOCUMENTS,
    most_bytes: int = MAX_DOCUMENT_BYTES,
) -> StoredFile:
    """Keep a file by its digest.

    Raises:
        UsageError: It is empty, larger than ``most_bytes``, or of a type that is not taken.
    """
    folder = Path(settings.PORTAL_DATA) / "files"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shown = PurePosixPath(name.replace("\\", "/")).name[:200] or "file"
    digest, size, head = hashlib.sha256(), 0, b""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".taking-") as taking:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > most_bytes:
                raise UsageError(_("the file is too large"), value=shown, remedy=_limit(most_bytes))
            head = head or block[:4096]
            digest.update(block)
            taking.write(block)
        if not size:
            raise UsageError(_("the file is empty"), value=shown, remedy=_("Choose another file."))
        kind = media_type_of(head, shown)
        if kind not in set(types):
            raise UsageError(
                _("files of this type are not taken"), value=f"{shown}: {kind}", remedy=_("Hand in a PDF, for example.")
            )
        taking.flush()
        os.fsync(taking.fileno())
        kept = StoredFile(name=shown, sha256=digest.hexdigest(), size=size, media_type=kind, uploaded_by=by)
        kept.path.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # the same bytes were handed in before
            os.link(taking.name, kept.path)
    kept.save()
    return kept


def _limit(most_bytes: int) -> str:
    return _("%(size)d MB at most.") % {"size": most_bytes // (1024 * 1024)}


def media_type_of(head: bytes, name: str) -> str:
    """Return the type of a file by its first bytes; the name only tells sorts of text apart."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    try:
        text = head.decode("utf-8", errors="strict") if len(head) < 4096 else head[:-3].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return "application/octet-stream"
    if "\x00" in text:
        return "application/octet-stream"
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower(), "text/plain")


def attachment(file: StoredFile) -> FileResponse:
    """Return a file as an answer that no browser opens by itself.

    Raises:
        UsageError: The bytes are gone, or are not those that were handed in.
    """
    try:
        with file.path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as e:
        raise UsageError(_("the file is gone from the store"), value=file.sha256, remedy=_("Restore it.")) from e
    if found != file.sha256:
        raise UsageError(_("the file was changed in the store"), value=file.sha256, remedy=_("Restore it."))
    response = FileResponse(file.path.open("rb"), as_attachment=True, filename=file.name, content_type=file.media_type)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
