"""Code on the page about the client runs, and its options exist."""

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

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "client.md").read_text()
BLOCKS = [match["code"] for match in FENCE.finditer(PAGE) if match["mark"] == "python"]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
async def test_block_runs(number: int) -> None:
    async with native_server().listen() as listener:
        source = BLOCKS[number].replace("http://localhost:3000", listener.url)
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
