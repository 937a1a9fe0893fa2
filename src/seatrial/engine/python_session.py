"""What a journey written in Python is given: ``async def book(session): ...``.

    async def book(session):
        home = await session.get("/sessions?day=3", name="list sessions")
        slot = session.random.choice(home.json()["free"])["id"]
        await session.pause(1.0)
        await session.post("/bookings", name="book", json={"slot": slot}, status=(201, 409))

Only these awaitables work: the engine resumes the coroutine itself, there is no asyncio loop under it. A step that
does not end ok raises :class:`seatrial.engine.session.StepFailedError`; a journey that does not catch it ends there.
"""

from __future__ import annotations

import json as json_module
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from seatrial.engine.answers import CheckAnswer, compile_check, json_of
from seatrial.engine.cookies import cookie_bytes, store_cookies
from seatrial.engine.http.message import Response
from seatrial.engine.http.request import encode_request
from seatrial.engine.redirects import follow
from seatrial.engine.session import PAUSE, REQUEST, Session
from seatrial.errors import EngineError
from seatrial.model.journey import Check
from seatrial.model.sample import Outcome

__all__ = ["Answer", "JourneyFunction", "PythonSession", "start_python"]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class _Wait:
    """An awaitable that hands one word to the driver and returns what the driver sends back."""

    __slots__ = ("_word",)

    def __init__(self, word: int) -> None:
        self._word = word

    def __await__(self) -> Generator[int, Any, Any]:
        return (yield self._word)


@dataclass(slots=True)
class _Asked:
    """What following redirects needs to know of a request."""

    wait_ns: int
    hops: int
    is_head: bool


class _Followed:
    """An awaitable that hands every word of a generator to the driver and returns what the generator returns."""

    __slots__ = ("_generator",)

    def __init__(self, generator: Generator[int, Any, Response]) -> None:
        self._generator = generator

    def __await__(self) -> Generator[int, Any, Response]:
        return self._generator


_REQUEST: Awaitable[Any] = _Wait(REQUEST)
_PAUSE: Awaitable[Any] = _Wait(PAUSE)


class Answer:
    """An answer as a journey sees it."""

    __slots__ = ("_response",)

    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """Return the status."""
        return self._response.status

    @property
    def body(self) -> bytes:
        """Return the body."""
        return self._response.body

    @property
    def text(self) -> str:
        """Return the body as UTF-8; what is not is replaced."""
        return self._response.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError when it is not."""
        return json_of(self._response)

    def header(self, name: str) -> str | None:
        """Return the first value of a header field, or None."""
        values = self._response.headers(name)
        return values[0] if values else None


class PythonSession:
    """The session interface for journeys in Python; the same exchange, cookies and records as for plans in YAML.

    Attributes:
        variables: The feeds' rows: ``session.variables["patron"]["id"]``.
        random: Seeded for this session by the schedule.
    """

    def __init__(self, session: Session, step_names: tuple[str, ...], hops: int = 0) -> None:
        self._session = session
        self._hops = hops
        self._steps = {name: index for index, name in enumerate(step_names)}
        self._checks: dict[tuple[int, ...], CheckAnswer] = {}
        self.variables = session.variables
        self.random = random.Random(session.draw(2**63))  # noqa: S311 -- load, not secrets

    async def get(self, path: str, **options: Any) -> Answer:
        """Send GET; see :meth:`request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """Send POST; see :meth:`request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        """Send PUT; see :meth:`request`."""
        return await self.request("PUT", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        """Send DELETE; see :meth:`request`."""
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        name: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        status: int | tuple[int, ...] = (),
        check: Callable[[Answer], bool] | None = None,
        deadline: float | None = None,
        redirects: int | None = None,
    ) -> Answer:
        """Send one request and return its answer.

        Args:
            method: In upper case.
            path: From the target's base, with its query.
            name: One of the journey's ``step_names``.
            headers: Further header fields.
            json: Body as JSON. At most one of ``json``, ``form``, ``body``.
            form: Body as a form.
            body: Body as it is.
            status: Expected statuses; any below 400 when empty.
            check: Must return true for the answer, else the step's check has failed.
            deadline: Seconds for the whole answer.
            redirects: How many are followed, on the target alone; the plan's number where it is left out, and none
                where ``status`` expects one.

        Raises:
            StepFailedError: the step did not end ok; or it could not be sent as it is, for example because of a
                line break in a header.
            EngineError: ``name`` is not one of the journey's step names.
        """
        session, driver = self._session, self._session.driver
        if name not in self._steps:
            raise EngineError("a step that the plan does not list", value=name, remedy="Add it to step_names.")
        body, kind = _body(json, form, body)
        wait_ns = driver.response_wait_ns if deadline is None else round(deadline * 1e9)
        try:
            data = encode_request(method, driver.prefix + path, self._fields(kind, headers or {}), body)
        except ValueError as error:
            raise session.refuse(self._steps[name], wait_ns, str(error)) from error
        session.prepare(self._steps[name], data, wait_ns, method == "HEAD", method in _IDEMPOTENT)
        response: Response = await _REQUEST
        if response.sets_cookies:
            store_cookies(session.cookies, response.headers("set-cookie"))
        expected = (status,) if isinstance(status, int) else status
        hops = self._hops if redirects is None else redirects
        if response.status >= 300 and hops and not any(300 <= one < 400 for one in expected):
            response = await _Followed(follow(session, _Asked(wait_ns, hops, method == "HEAD"), data, response))
        answer = Answer(response)
        outcome, detail = self._check(expected)(response)
        if outcome is Outcome.OK and check is not None and not check(answer):
            outcome, detail = Outcome.CHECK_FAILED, "the journey's own check"
        session.settle(response, outcome, detail)
        return answer

    def _fields(self, kind: str | None, own: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the header fields of a request, each name once: the step's own win."""
        fields = {} if kind is None else {"content-type": ("content-type", kind)}
        for name, value in (*self._session.driver.fields.items(), *own.items()):
            fields[name.lower()] = (name, value)
        if self._session.cookies:
            fields["cookie"] = ("cookie", cookie_bytes(self._session.cookies).decode("utf-8", "surrogateescape"))
        return list(fields.values())

    async def pause(self, seconds: float) -> None:
        """Think for ``seconds`` (zero or more) from the end of the last step."""
        self._session.wake_ns = self._session.ready_ns + max(0, round(seconds * 1e9))
        await _PAUSE

    def _check(self, status: tuple[int, ...]) -> CheckAnswer:
        if status not in self._checks:
            self._checks[status] = compile_check(Check(status=status))
        return self._checks[status]


def _body(json: Any, form: Mapping[str, Any] | None, body: bytes | None) -> tuple[bytes | None, str | None]:
    """Return a request's body and its media type."""
    if json is not None:
        return json_module.dumps(json, ensure_ascii=False).encode(errors="surrogatepass"), "application/json"
    if form is not None:
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    return body, None


JourneyFunction = Callable[[PythonSession], Coroutine[Any, Any, None]]


def start_python(function: JourneyFunction, step_names: tuple[str, ...], hops: int = 0) -> Callable[[Session], Any]:
    """Return what makes a session's coroutine from a journey function.

    Args:
        function: The journey.
        step_names: The names it may give to its requests.
        hops: Redirects that are followed where a request does not say.
    """
    return lambda session: function(PythonSession(session, step_names, hops))
