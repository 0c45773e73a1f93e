"""The JavaScript of pages, run by Node with the stock client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.node import NODE_MODULES, find_node
from scripts.stranger.desk import Failed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from scripts.stranger.desk import Desk, Terminal

__all__ = ["javascript", "window"]

CLIENT: Final = NODE_MODULES / "sio4"
"""The newest one of socket.io-client that tests use."""

WINDOW: Final = Path(__file__).resolve().parent / "clients" / "page.cjs"


def _node() -> Path:
    found = find_node()
    if found is None or not CLIENT.is_dir():
        raise Failed("Node.js and its packages are not installed: `make node`")
    return found.node


def javascript(desk: Desk, code: str, *, before: str = "", after: str = "") -> str:
    """Run code of a page as a module, and return what it prints.

    Args:
        before: What a page leaves to its reader; `client` is the client's `io`.
        after: What ends it.
    """
    names = "" if "io =" in before else "const io = client;"
    head = f"const {{ io: client }} = require({str(CLIENT)!r});\n{names}\n{before}"
    body = f"(async () => {{\n{desk.text(code)}\n{after}\n}})();\n"
    (desk.folder / "program.cjs").write_text(f"{head}\n{body}")
    return desk.run(f"{_node()} program.cjs")


def window(desk: Desk, url: str, *names: str) -> AbstractContextManager[Terminal]:
    """Open the page of the chat for each name, one after the other; each line shown is printed."""
    quoted = " ".join(f"'{name}'" for name in names)
    return desk.terminal(f"{_node()} {WINDOW} {CLIENT} {url} {quoted}", sign="> ")
