"""The page that compares says what is so: its figures, what others have, and what is not there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, Final

import pytest

from scripts.site.staging import ROOT
from tests.support.documents import DOCS
from tests.support.peers import INTEROP, package

PAGE: Final = (DOCS / "compared.md").read_text()
PERFORMANCE: Final = (DOCS / "performance.md").read_text()


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """Cells of the tables below a heading, by the first of each row."""
    section = f"\n{text}".partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    lines = [line[2:-2].split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {first: others for first, *others in lines}


def test_figures_are_those_of_the_page_about_performance() -> None:
    told, measured = rows(PAGE, "## Figures"), rows(PERFORMANCE, "# Performance")
    assert len(told) == 8
    for work, ratios in told.items():
        if work != "work":
            assert ratios == measured[work][-2:], work


@pytest.mark.parametrize("word", ["volatile", "recover", "fetch_sockets", "on_any"])
def test_python_socketio_lacks_what_the_page_says(word: str) -> None:
    package("socketio")
    socketio: Any = importlib.import_module("socketio")
    for kind in (socketio.AsyncServer, socketio.AsyncRedisManager, socketio.AsyncNamespace):
        assert not [name for name in dir(kind) if word in name]


def test_python_socketio_has_what_the_page_says() -> None:
    package("socketio")
    socketio: Any = importlib.import_module("socketio")
    assert hasattr(socketio.AsyncServer, "instrument")
    for manager in ("KombuManager", "KafkaManager", "ZmqManager"):
        assert hasattr(socketio, manager)


def test_versions_are_those_that_are_tried() -> None:
    constraints = (ROOT / "requirements" / "constraints.txt").read_text()
    theirs = re.search(r"^python-socketio==(\d+\.\d+)", constraints, re.MULTILINE)
    assert theirs is not None
    assert f"python-socketio {theirs[1]}," in PAGE
    (node,) = re.findall(r'"socket.io": "[^\d"]*(\d+\.\d+)', (INTEROP / "package.json").read_text())
    assert f"socket.io {node} on Node" in PAGE


def test_python_socketio_has_no_types() -> None:
    package("socketio")
    assert rows(PAGE, "## At a glance")["types"][1] == "none"
    for name in ("socketio", "engineio"):
        (folder,) = importlib.import_module(name).__path__
        assert not (Path(folder) / "py.typed").exists()
