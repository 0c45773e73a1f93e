"""The demo's page compiles against the types of its server; a slip on either side does not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from interop.compiler import CLIENT, compiled
from scripts.node import INTEROP

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.interop

DEMO: Final = INTEROP.parent / "src" / "sockwave" / "cli" / "demo"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The page elsewhere, to be changed."""
    folder = tmp_path / "demo"
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    config = json.loads((folder / "tsconfig.json").read_text())
    config["compilerOptions"]["paths"] = {"socket.io-client": [str(CLIENT)]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    return folder


def test_page_compiles_against_the_types_of_its_server(copy: Path) -> None:
    assert not compiled(DEMO)
    assert not compiled(copy)


def test_page_that_uses_what_the_server_has_not_is_refused(copy: Path) -> None:
    slips = [
        ("app.js", 'socket.on("activity"', 'socket.on("activities"'),
        ("app.js", 'emit("typing"', 'emit("types"'),
        ("app.js", 'request("fetch_picture", id)', 'request("get_picture", id)'),
        ("app.js", 'request("message", draft)', 'request("message", draft.length)'),
        ("app.js", 'request("join", room)', 'request("join")'),
        ("app.js", "await prepare(file)", "file.name"),
        ("app.js", "({ connections, received, sent })", "({ connections, heard, sent })"),
        ("app.js", "{ name, page: PAGE }", "{ nick: name, page: PAGE }"),
        ("messages.js", "message.author === this.me;", "message.name === this.me;"),
        ("messages.js", "textBubble(message.text)", "textBubble(message.id)"),
        ("pictures.js", "put({ id, type, data })", "put({ id, kind, data })"),
    ]
    for file, now, then in slips:
        change(copy / "static" / file, now, then)
    said = compiled(copy)
    for file, _, slip in slips:
        assert reported(copy, file, slip) in said, slip


def test_page_is_refused_when_its_server_changes(copy: Path) -> None:
    changes = [
        ("  received: number;", "  received: string;", "app.js", "graph.push({ in: received"),
        ("  author: string;", "  by: string;", "messages.js", "name.textContent = message.author"),
        ("activity: (room: string)", "activity: (room: Person)", "app.js", 'on("activity"'),
        ("  join: (name", "  enter: (name", "app.js", 'request("join"'),
        ("(answer: string | Ev", "(answer: Entered | Ev", "app.js", "await enterOrComplain(room);"),
        ("  picture: number", "  image: number", "messages.js", "message.picture === null"),
    ]
    for now, then, _, _ in changes:
        change(copy / "events.ts", now, then)
    said = compiled(copy)
    for _, then, file, use in changes:
        assert reported(copy, file, use) in said, then


def change(file: Path, now: str, then: str) -> None:
    """Put other text in place of what is there."""
    text = file.read_text()
    assert now in text
    file.write_text(text.replace(now, then))


def reported(folder: Path, file: str, text: str) -> str:
    """How the compiler says the line of a script."""
    before, found, _ = (folder / "static" / file).read_text().partition(text)
    assert found, text
    return f"static/{file}({before.count(chr(10)) + 1},"
