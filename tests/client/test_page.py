"""Code on the pages about the client runs, and its options exist."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.check_docs import FENCE
from sockwave.socketio.client.keywords import ConnectOptionsDict
from tests.client.servers import native_server

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = (DOCS / "client.md").read_text()


def blocks(page: str) -> list[str]:
    """Blocks of Python of a page."""
    found = FENCE.finditer((DOCS / page).read_text())
    return [match["code"] for match in found if match["mark"] == "python"]


@pytest.mark.parametrize("source", blocks("client.md"))
async def test_block_runs(source: str) -> None:
    async with native_server().listen() as listener:
        source = source.replace("http://localhost:3000", listener.url)
        code = compile(source, "client.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        names: dict[str, Any] = {"__name__": "__main__"}
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, names)
        else:
            await asyncio.to_thread(exec, code, names)


def test_options_on_the_page_exist() -> None:
    table = PAGE.partition("## Reaching the server")[2].partition("## From")[0]
    named = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(named) > 5
    assert set(named) <= ConnectOptionsDict.__optional_keys__


async def test_page_of_debugging_shows_what_a_client_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (source,) = [block for block in blocks("debugging.md") if "sockwave.connect" in block]
    async with native_server().listen() as listener:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(source.replace("http://localhost:3000", listener.url), names)
        socket = names["socket"]
        assert await socket.emit_with_ack("ack", 1, timeout=30) == 1
        socket.emit("echo", "hello")
        async for _ in socket.events("echo"):
            break
        lost = asyncio.Event()
        socket.on("disconnect", lambda *_: lost.set())
    await lost.wait()
    await socket.aclose()
    shown = capsys.readouterr().out
    for line in (
        "went: ack (1,)",
        f"<ClientSocket / of {listener.url}: connected as ",
        "came: echo ('hello',)",
        "packet: ",
        "lost: transport close",
    ):
        assert line in shown
