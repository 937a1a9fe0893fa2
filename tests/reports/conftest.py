from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from seatrial.model.verdict import RunVerdict
from seatrial.reports.html import render_html
from seatrial.reports.view import ReportView, report_view


def _made() -> ModuleType:
    """Load the builder beside this file: with import-mode importlib, test folders are no packages."""
    spec = importlib.util.spec_from_file_location("reports_made", Path(__file__).with_name("made.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Bundle:
    """A made bundle with its verdict, its view and its English page."""

    folder: Path
    verdict: RunVerdict
    view: ReportView
    page: str


@pytest.fixture(scope="session")
def made() -> ModuleType:
    return _made()


def _bundle(made: ModuleType, name: str, base: Path) -> Bundle:
    folder = base / name
    verdict = getattr(made, name)(folder)
    view = report_view(folder, verdict)
    return Bundle(folder, verdict, view, render_html(view))


@pytest.fixture(scope="session")
def healthy(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return _bundle(made, "healthy", tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def collapsing(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return _bundle(made, "collapsing", tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def worker_lost(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return _bundle(made, "worker_lost", tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def interrupted(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return _bundle(made, "interrupted", tmp_path_factory.mktemp("bundles"))
