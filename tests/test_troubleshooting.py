"""docs/troubleshooting.md quotes what is really said: texts of ours, and of the browser client."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import sockwave

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "troubleshooting.md"
PACKAGE: Final = Path(sockwave.__file__).parent
BROWSER_CLIENT: Final = PACKAGE / "socketio" / "server" / "client_dist" / "socket.io.js"

OURS: Final = (
    "On the server",
    "Answers of the server",
    "In the server's log",
    "Exceptions on the server",
    "What the Python client says",
)
"""Sections whose first column quotes the package."""

OF_THE_BROWSER: Final = ("As `connect_error`", "As reason of `disconnect`")
"""Sections whose first column quotes the JavaScript client."""

FROM_THE_SERVER: Final = {"Invalid namespace"}
"""What that client hears from us, and tells."""

GAP: Final = "\N{HORIZONTAL ELLIPSIS}"
"""What differs from one time to the next."""

SLOT: Final = re.compile(r"%(?:\(\w+\))?[-+0-9.]*[sdrgf]|`[^`]*`")


def quoted(section: str) -> list[str]:
    """Texts in the first column of a section's table."""
    body = re.split(r"^#{2,3} ", PAGE.read_text(), flags=re.MULTILINE)
    (text,) = [part for part in body if part.startswith(f"{section}\n")]
    rows = re.findall(r"^\| (.*?) \| ", text, re.MULTILINE)[1:]
    return [span for row in rows for span in re.findall(r"`([^`]+)`", row)]


def spoken(node: ast.expr) -> str | None:
    """The text that an expression makes, with a gap for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return SLOT.sub(GAP, node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        return node.value.decode(errors="replace")
    if isinstance(node, ast.JoinedStr):
        parts = (
            SLOT.sub(GAP, part.value)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
            else GAP
            for part in node.values
        )
        return "".join(parts)
    return None


@cache
def source() -> str:
    """Every text in the package, docstrings left out, one a line."""
    texts: list[str] = []
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text())
        alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts += [
            text
            for node in ast.walk(tree)
            if isinstance(node, ast.expr) and node not in alone
            if (text := spoken(node)) is not None
        ]
    return "\n".join(texts)


def test_a_text_is_found_with_what_is_filled_in() -> None:
    tree = ast.parse('say(f"room {name!r} is " "full: %d sockets" % count)')
    texts = [spoken(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    assert texts == [f"room {GAP} is full: {GAP} sockets"]


@pytest.mark.parametrize("section", OURS)
def test_texts_of_ours_are_those_of_the_source(section: str) -> None:
    texts = quoted(section)
    assert len(texts) > 5
    wrong = [text for text in texts if text.replace("...", GAP) not in source()]
    assert wrong == []


@pytest.mark.parametrize("section", OF_THE_BROWSER)
def test_texts_of_the_browser_are_those_of_its_client(section: str) -> None:
    client = BROWSER_CLIENT.read_text()
    texts = quoted(section)
    assert len(texts) > 5
    wrong = [text for text in texts if text not in client and text not in FROM_THE_SERVER]
    assert wrong == []


def test_texts_that_a_browser_hears_from_us_are_ours() -> None:
    for text in FROM_THE_SERVER:
        assert text in source()


def test_every_reason_of_the_server_has_its_row() -> None:
    """Those that only a client tells stand with the client."""
    told = {*quoted("On the server"), *quoted("As reason of `disconnect`")}
    assert {reason.value for reason in sockwave.DisconnectReason} <= told
