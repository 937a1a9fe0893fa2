"""Multipart bodies (RFC 7578): fields and files, laid out once for each step.

Files are read when a worker compiles its journeys; each file is held once, however many parts name it. A request
copies the constant bytes once, into the bytes that are sent; a body without variables is not copied at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from seatrial.errors import EngineError
from seatrial.model.request import MOST_FILE_BYTES, FilePart

__all__ = ["Files", "MultipartBody"]

_ESCAPES: Final = {'"': "%22", "\r": "%0D", "\n": "%0A"}
"""Of names and file names, as browsers write them (HTML, 4.10.21.8)."""


class Files:
    """The files that a plan's steps upload, each read once.

    Args:
        folder: The plan's; names are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, bytes] = {}

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            EngineError: it lies outside the folder, can't be read, or has more than 16 MiB. The plan was checked for
                all of it, so that the file has changed since.
        """
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder.resolve()):
                raise _unusable(name, "it lies outside the plan's folder")
            if path not in self._read:
                with path.open("rb") as file:
                    content = file.read(MOST_FILE_BYTES + 1)
                if len(content) > MOST_FILE_BYTES:
                    raise _unusable(name, f"it has more than {MOST_FILE_BYTES >> 20} MiB")
                self._read[path] = content
        except (OSError, ValueError, RuntimeError) as error:
            raise _unusable(name, str(getattr(error, "strerror", None) or error)) from error
        return self._read[path]


def _unusable(name: str, reason: str) -> EngineError:
    return EngineError(f"a file to upload can't be used any more ({reason})", value=name, remedy="Check the plan.")


class MultipartBody:
    """The body of one step.

    Args:
        parts: Name to a text or a file, in order; at least one.
        files: Where files are read.
        compile_text: From a template to a function from a session's variables to its text; from a text without
            variables to that text.
    """

    def __init__(
        self,
        parts: Mapping[str, str | FilePart],
        files: Files,
        compile_text: Callable[[str], Callable[[Mapping[str, Any]], str] | str],
    ) -> None:
        heads: list[bytes] = []
        contents: list[bytes | Callable[[Mapping[str, Any]], str]] = []
        for name, part in parts.items():
            if isinstance(part, FilePart):
                told = Path(part.file).name if part.name is None else part.name
                heads.append(_head(name, f'; filename="{_escaped(told)}"', part.type))
                contents.append(files.read(part.file))
            else:
                text = compile_text(part)
                heads.append(_head(name, "", None))
                contents.append(_lines(text) if isinstance(text, str) else text)
        self._heads = heads
        self._contents = contents
        constant = [content for content in contents if isinstance(content, bytes)]
        self._boundary = _boundary(parts, [*heads, *constant])
        self.fixed = self._joined(self._boundary, constant) if len(constant) == len(contents) else None
        """The whole body where no part has a variable; else None."""

    @property
    def boundary(self) -> str:
        """Return the boundary, as it is where no variable's value contains it."""
        return self._boundary

    def render(self, variables: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return the boundary and the whole body for one session.

        Raises:
            UnsetVariableError: a variable has no value.
        """
        if self.fixed is not None:
            return self._boundary, self.fixed
        contents, boundary = [], self._boundary
        for content in self._contents:
            if isinstance(content, bytes):
                contents.append(content)
            else:
                filled = _lines(content(variables))
                contents.append(filled)
                # A service that gives back what it was sent could otherwise end a part of a later request.
                while boundary.encode() in filled:
                    boundary += "x"
        if boundary != self._boundary:
            boundary = _unlike(boundary, contents)
        return boundary, self._joined(boundary, contents)

    def _joined(self, boundary: str, contents: list[bytes]) -> bytes:
        delimiter = f"--{boundary}\r\n".encode()
        pieces: list[bytes] = []
        for head, content in zip(self._heads, contents, strict=True):
            pieces += [delimiter, head, content, b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode())
        return b"".join(pieces)


def _head(name: str, file_name: str, kind: str | None) -> bytes:
    lines = [f'content-disposition: form-data; name="{_escaped(name)}"{file_name}']
    if kind is not None:
        lines.append(f"content-type: {kind}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _escaped(name: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in name)


def _lines(text: str) -> bytes:
    """Return a field's text with the line ends that browsers send (HTML, 4.10.21.8)."""
    if "\r" in text or "\n" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return text.encode(errors="surrogatepass")


def _boundary(parts: Mapping[str, str | FilePart], constant: list[bytes]) -> str:
    """Return a boundary that is the same in every run of a step and occurs in none of its constant bytes."""
    written = json.dumps({name: part if isinstance(part, str) else part.model_dump() for name, part in parts.items()})
    return _unlike(f"seatrial-{hashlib.sha256(written.encode()).hexdigest()[:32]}", constant)


def _unlike(boundary: str, contents: list[bytes]) -> str:
    while any(boundary.encode() in content for content in contents):
        boundary += "x"
    return boundary
