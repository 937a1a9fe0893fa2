"""Journeys written in Python: for local, trusted use.

Checking a plan never runs its code: :func:`inspect_journey` only parses the file. :func:`load_journey` runs it.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import stat
import sys
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from seatrial.errors import PlanError, Problem

__all__ = ["JourneyFunction", "PythonSource", "inspect_journey", "load_journey"]

JourneyFunction: TypeAlias = Callable[[Any], Coroutine[Any, Any, None]]

_MAX_BYTES = 1 << 20
_SHAPE = "Write it as: async def name(session)."


@dataclass(frozen=True, slots=True)
class PythonSource:
    """What a file says without being run.

    Attributes:
        texts: Every text literal in it.
        dynamic: Whether it builds text at run time, so that ``texts`` may lack a step's name.
        source: Its bytes.
    """

    texts: frozenset[str]
    dynamic: bool
    source: bytes


def _wrong(what: str, where: str, value: str, remedy: str) -> PlanError:
    return PlanError([Problem(what, where, value, remedy)])


def _locate(reference: str, base: Path) -> tuple[Path, str, bytes]:
    file, colon, function = reference.rpartition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise _wrong("not a journey in Python", str(base), reference, "Write file.py:function.")
    path = base / file
    try:
        if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size > _MAX_BYTES:
            raise _wrong("not a Python file of at most 1 MiB", str(path), reference, "Name a Python file.")
        return path, function, path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise _wrong(f"the file can't be read ({reason})", str(path), reference, "Put it beside the plan.") from error


def inspect_journey(reference: str, base: Path) -> PythonSource:
    """Check a journey in Python without running its file.

    Args:
        reference: ``file.py:function``.
        base: The plan's folder.

    Raises:
        PlanError: no such file or function, not Python, not ``async def``, or not exactly one parameter.
    """
    path, function, source = _locate(reference, base)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise _wrong("not Python", f"{path}:{line}", reference, "Mend the file.") from error
    found = [n for n in tree.body if isinstance(n, ast.AsyncFunctionDef | ast.FunctionDef) and n.name == function]
    if not found:
        raise _wrong(f"no function {function} at the top of the file", str(path), reference, _SHAPE)
    definition = found[-1]
    _check_shape(
        isinstance(definition, ast.AsyncFunctionDef),
        _parameters(definition.args),
        f"{path}:{definition.lineno}",
        reference,
    )
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return PythonSource(
        frozenset(text for text in texts if isinstance(text, str)),
        any(isinstance(n, ast.JoinedStr) for n in ast.walk(tree)),
        source,
    )


def _parameters(arguments: ast.arguments) -> int:
    """Return how many parameters there are; -1 where they can't be filled by one positional value."""
    if arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
        return -1
    return len(arguments.posonlyargs) + len(arguments.args)


def _check_shape(is_async: bool, parameters: int, where: str, reference: str) -> None:
    if not is_async:
        raise _wrong("a journey that is not async def", where, reference, _SHAPE)
    if parameters != 1:
        raise _wrong("a journey takes exactly one parameter, the session", where, reference, _SHAPE)


def load_journey(reference: str, base: Path) -> JourneyFunction:
    """Return the coroutine function of a journey in Python.

    This EXECUTES the file, with all the rights of the caller. Use it for your own files only, never for a
    stranger's plan.

    Args:
        reference: ``file.py:function``.
        base: The plan's folder.

    Raises:
        PlanError: as :func:`inspect_journey`, or the file fails while it is executed.
    """
    inspect_journey(reference, base)
    path, function, _ = _locate(reference, base)
    name = f"seatrial_journey_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _wrong("not a Python module", str(path), reference, "Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _wrong(
            f"the file fails: {type(error).__name__}: {error}", str(path), reference, "Mend the file."
        ) from error
    journey = getattr(module, function, None)
    if not callable(journey):
        raise _wrong(f"no function {function} once the file has run", str(path), reference, _SHAPE)
    # The file may have replaced what its text shows, for example by a decorator.
    _check_shape(inspect.iscoroutinefunction(journey), len(inspect.signature(journey).parameters), str(path), reference)
    found: JourneyFunction = journey
    return found
