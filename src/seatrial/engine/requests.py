"""Requests made from a step's templates: what never changes is laid out once, the rest is filled in."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring as json_text
from typing import Any
from urllib.parse import quote

from seatrial.engine.cookies import cookie_bytes
from seatrial.engine.multipart import Files, MultipartBody
from seatrial.model.request import Auth, RequestStep
from seatrial.model.template import Variable, parse_template, variables_in

__all__ = ["Render", "UnsetVariableError", "compile_request", "origin_of"]

Variables = Mapping[str, Any]
Render = Callable[[Variables, Mapping[str, str]], bytes]
_Part = str | Callable[[Variables], str]

_PLAIN = "-._~"
_PLAIN_ONLY = re.compile(r"[A-Za-z0-9\-._~]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class UnsetVariableError(Exception):
    """A template names a variable that has no value in this session, or none that can stand there."""


def _getter(variable: Variable) -> Callable[[Variables], Any]:
    """Return a function from a session's variables to this one's value; it raises where there is none."""
    return _filler(variable, lambda value: value)


def _filler(variable: Variable, put: Callable[[Any], Any]) -> Callable[[Variables], Any]:
    """Return a function from a session's variables to what ``put`` makes of this one's value.

    One call for both, since every request of a trial makes several of them; it raises where there is no value.
    """
    name, field = variable.name, variable.field

    def plain(variables: Variables) -> Any:
        try:
            value = variables[name]
        except KeyError as error:
            raise UnsetVariableError(f"{variable} has no value") from error
        return put(value)

    def column(variables: Variables) -> Any:
        try:
            value = variables[name][field]
        except (KeyError, TypeError) as error:
            raise UnsetVariableError(f"{variable} has no value") from error
        return put(value)

    return plain if field is None else column


def _text(value: Any) -> str:
    """Return a value as it stands in a path, a header or a form: JSON's spelling for what is not text."""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """Return a value as JSON. Texts and whole numbers, which most are, take a tenth of the usual way's time."""
    kind = type(value)
    if kind is str:
        return json_text(value)
    return str(value) if kind is int else json.dumps(value, ensure_ascii=False)


def _parts(template: str, encode: Callable[[Any], str]) -> list[_Part]:
    """Return a template's literal texts as they are and its variables as functions, encoded.

    Args:
        template: The text.
        encode: From a variable's value, of whatever type, to the text that stands there.
    """
    return [part if isinstance(part, str) else _filler(part, encode) for part in parse_template(template)]


def _quoted(value: Any) -> str:
    text = _text(value)
    if _PLAIN_ONLY.fullmatch(text):
        return text
    return quote(text, safe=_PLAIN, errors="surrogatepass")


def _address(base: str) -> Callable[[str], str]:
    """Return what turns a variable that begins a path, such as an extracted Location, into the request's target."""

    def fill(value: str) -> str:
        if not value.startswith("/") or value.startswith("//"):
            raise UnsetVariableError(f"a path must begin with one slash: {value[:40]!r}")
        whole = value if value == base or value.startswith(f"{base}/") else base + value
        return quote(whole.partition("#")[0], safe=_PLAIN + "%/?:@!$&'()*+,;=", errors="surrogatepass")

    return fill


def origin_of(base: str) -> str:
    """Return the ``http://host:port`` that a base begins with where requests go through a proxy; else nothing."""
    return "/".join(base.split("/", 3)[:3]) if base.startswith("http://") else ""


def _path_parts(step: RequestStep, base: str) -> list[_Part]:
    pieces = parse_template(step.path)
    if not isinstance(pieces[0], Variable):
        return [base, *_parts(step.path, _quoted)]
    get, fill = _getter(pieces[0]), _address(base)
    rest = step.path.partition("}")[2]
    return [lambda variables: fill(_text(get(variables))), *_parts(rest, _quoted)]


def _head_safe(value: Any) -> str:
    """Return a header value from data, without anything that could start a field of its own."""
    text: str = value if type(value) is str else _text(value)
    if not text.isprintable() and _CONTROL.search(text):  # the first alone is what nearly every value costs
        raise UnsetVariableError(f"a value with control characters can't stand in a header: {text[:40]!r}")
    return text


def _json_parts(value: Any) -> list[_Part]:
    """Return a JSON value as text parts. ``"${x}"`` alone keeps the type of x; within more text x is text."""
    if isinstance(value, dict):
        parts: list[_Part] = ["{"]
        for index, (key, item) in enumerate(value.items()):
            parts.append(("," if index else "") + json.dumps(str(key), ensure_ascii=False) + ":")
            parts += _json_parts(item)
        return [*parts, "}"]
    if isinstance(value, (list, tuple)):
        parts = ["["]
        for index, item in enumerate(value):
            parts += [","] if index else []
            parts += _json_parts(item)
        return [*parts, "]"]
    if not isinstance(value, str):
        return [json.dumps(value)]
    pieces = parse_template(value)
    if len(pieces) == 1 and isinstance(pieces[0], Variable):
        return [_filler(pieces[0], _json)]
    if all(isinstance(piece, str) for piece in pieces):
        return [json.dumps("".join(map(str, pieces)), ensure_ascii=False)]
    inner = _joiner(_parts(value, _text))
    return [lambda variables: json_text(inner(variables))]


def _form_parts(form: Mapping[str, str | int | float]) -> list[_Part]:
    parts: list[_Part] = []
    for index, (name, value) in enumerate(form.items()):
        parts.append(("&" if index else "") + _quoted(name) + "=")
        # Literal text is encoded as well: it is data here, not syntax.
        encoded = _parts(str(value), _quoted)
        parts += [_quoted(part) if isinstance(part, str) else part for part in encoded]
    return parts


def _joiner(parts: list[_Part]) -> Callable[[Variables], str]:
    """Return a function from a session's variables to the whole text, neighbouring literals joined beforehand."""
    merged: list[_Part] = [""]
    for part in parts:
        last = merged[-1]
        if isinstance(part, str) and isinstance(last, str):
            merged[-1] = last + part
        else:
            merged.append(part)
    if len(merged) == 1:
        (only,) = merged
        return lambda variables: str(only)
    before, fill, after = merged[0], merged[1], merged[2] if len(merged) > 2 else ""
    if len(merged) <= 3 and isinstance(before, str) and isinstance(after, str) and not isinstance(fill, str):
        return lambda variables: before + fill(variables) + after  # the most frequent case by far
    return lambda variables: "".join([part if isinstance(part, str) else part(variables) for part in merged])


def _body_parts(step: RequestStep) -> tuple[list[_Part] | None, str | None]:
    if step.json_body is not None:
        return _json_parts(step.json_body), "application/json"
    if step.form is not None:
        return _form_parts(step.form), "application/x-www-form-urlencoded"
    if step.body is not None:
        return _parts(step.body, _text), None
    return None, None


def _own_auth_parts(auth: Auth) -> list[_Part]:
    """Return the Authorization field (RFC 7617 in UTF-8, RFC 6750) as text parts."""
    if auth.basic is None:
        return ["authorization: Bearer ", *_parts(str(auth.bearer), _head_safe), "\r\n"]
    user, password = (_joiner(_parts(text, _head_safe)) for text in (auth.basic.user, auth.basic.password))

    def credentials(variables: Variables) -> str:
        name = user(variables)
        if ":" in name:
            raise UnsetVariableError(f"a user name with a colon can't be sent: {name[:40]!r}")
        return b64encode(f"{name}:{password(variables)}".encode(errors="surrogatepass")).decode()

    return ["authorization: Basic ", credentials, "\r\n"]


def _auth_parts(own: Auth | None, general: Auth | None) -> list[_Part]:
    """Return the Authorization field of a step: its own, or its journey's once all of its variables have values."""
    if own is not None:
        return _own_auth_parts(own)
    if general is None:
        return []
    field = _joiner(_own_auth_parts(general))
    names = {variable.name for variable in variables_in(general.model_dump(exclude_none=True))}
    return [lambda variables: field(variables) if all(name in variables for name in names) else ""]


def compile_request(
    step: RequestStep,
    base: str,
    fields: Mapping[str, str],
    auth: Auth | None = None,
    files: Files | None = None,
) -> Render:
    """Return a function from (variables, cookies) to the whole request as bytes.

    Args:
        step: The step.
        base: Path in front of the step's own, after ``http://host:port`` where a proxy is told the whole address.
        fields: Header fields of every request, ``host`` among them; the step's own win.
        auth: As whom, where the step does not say; sent as soon as its variables have values.
        files: Where the files of multipart bodies are read; needed only for those.

    The function raises :class:`UnsetVariableError` when a variable has no value.

    Raises:
        EngineError: a file of a multipart body can't be read.
    """
    body, kind = _body_parts(step)
    own = {name.lower() for name in step.headers}
    authorised = [] if "authorization" in own else _auth_parts(step.auth, auth)
    origin = origin_of(base)
    path: list[_Part] = [f"{step.method} {origin}", *_path_parts(step, base.removeprefix(origin))]
    if step.query:
        literal = "?" not in step.path
        for name, value in step.query.items():
            path += ["?" if literal else "&", _quoted(name), "="]
            path += [_quoted(p) if isinstance(p, str) else p for p in _parts(str(value), _quoted)]
            literal = False
    head: list[_Part] = [*path, " HTTP/1.1\r\n"]
    taken = own | {name.lower() for name in fields}
    general = {"content-type": kind, **fields} if kind and "content-type" not in taken else dict(fields)
    for name, value in general.items():
        replaced = (authorised and name.lower() == "authorization") or (
            step.multipart is not None and name.lower() == "content-type"
        )
        if name.lower() not in own and not replaced:
            head.append(f"{name}: {value}\r\n")
    head += authorised
    for name, value in step.headers.items():
        head += [f"{name}: ", *_parts(value, _head_safe), "\r\n"]
    if step.multipart is not None and files is not None:
        return _multipart_renderer(head, MultipartBody(step.multipart, files, _text_filler))
    return _renderer(head, body, step.method)


def _text_filler(template: str) -> str | Callable[[Variables], str]:
    parts = _parts(template, _text)
    if all(isinstance(part, str) for part in parts):
        return "".join(map(str, parts))
    return _joiner(parts)


def _multipart_renderer(head: list[_Part], body: MultipartBody) -> Render:
    start_of = _joiner(head)

    def fields_of(boundary: str, content: bytes) -> str:
        return f"content-type: multipart/form-data; boundary={boundary}\r\ncontent-length: {len(content)}\r\n"

    fixed = None if body.fixed is None else fields_of(body.boundary, body.fixed)
    if fixed is not None and body.fixed is not None and all(isinstance(part, str) for part in head):
        return _constant((start_of({}) + fixed).encode(), body.fixed)

    def filled(variables: Variables, cookies: Mapping[str, str]) -> bytes:
        boundary, content = body.render(variables)
        start = (start_of(variables) + (fixed or fields_of(boundary, content))).encode(errors="surrogatepass")
        # One join: a large file is copied once.
        return b"".join((start, _cookie_field(cookies) if cookies else b"", b"\r\n", content))

    return filled


def _constant(start: bytes, content: bytes) -> Render:
    """Return what renders a request in which only the session's cookies change."""
    whole = start + b"\r\n" + content

    def fixed(variables: Variables, cookies: Mapping[str, str]) -> bytes:
        return b"".join((start, _cookie_field(cookies), b"\r\n", content)) if cookies else whole

    return fixed


def _renderer(head: list[_Part], body: list[_Part] | None, method: str) -> Render:
    sends_length = body is not None or method in {"POST", "PUT", "PATCH"}
    start_of, content_of = _joiner(head), _joiner(body or [])
    if all(isinstance(part, str) for part in [*head, *(body or [])]):
        content = content_of({}).encode()
        length = f"content-length: {len(content)}\r\n" if sends_length else ""
        return _constant((start_of({}) + length).encode(), content)

    def filled(variables: Variables, cookies: Mapping[str, str]) -> bytes:
        # JSON from a service may hold half a surrogate pair; it goes back as it came, and nothing breaks.
        content = content_of(variables).encode(errors="surrogatepass") if sends_length else b""
        start = start_of(variables)
        if sends_length:
            start = f"{start}content-length: {len(content)}\r\n"
        if cookies:
            return start.encode(errors="surrogatepass") + _cookie_field(cookies) + b"\r\n" + content
        return f"{start}\r\n".encode(errors="surrogatepass") + content

    return filled


def _cookie_field(cookies: Mapping[str, str]) -> bytes:
    return b"cookie: " + cookie_bytes(cookies) + b"\r\n"
