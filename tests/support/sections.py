"""Sections of a guide: each is a server, and what a client sees of it; both are run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scripts.check_docs import FENCE
from tests.support.documents import DOCS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave import Server
    from sockwave.engine import Listener

__all__ = ["ADDRESS", "Section", "run_block", "sections"]

ADDRESS: Final = "http://localhost:3000"
"""Where the server of a page is said to be."""


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading, up to the next of any level.

    Attributes:
        page: Name of the file in `docs/`.
        title: The heading.
        server: Blocks marked `python`: a program in pieces.
        client: Blocks marked `python client`.
    """

    page: str
    title: str
    server: tuple[str, ...]
    client: tuple[str, ...]

    @property
    def has_code(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.server or self.client)

    @property
    def packages(self) -> set[str]:
        """What its code imports, but for what comes with Python."""
        found = set()
        for node in ast.walk(ast.parse("\n".join([*self.server, *self.client]))):
            if isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
        return {name.partition(".")[0] for name in found} - sys.stdlib_module_names

    async def make_server(self) -> Server:
        """Run the server's blocks as one program; it is not listening yet."""
        io: Server = (await self._program())["io"]
        return io

    async def play(self) -> None:
        """Serve, and let the client do what it does; its assertions raise.

        Where the program has an `asgi`, that one gets the rest of the port.
        """
        program = await self._program()
        async with _serving(program["io"], program.get("asgi")) as url:
            names: dict[str, Any] = {"__name__": "client"}
            for block in self.client:
                await run_block(block.replace(ADDRESS, url), names)

    async def _program(self) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": self.page}
        await run_block("\n".join(self.server), names)
        return names


@asynccontextmanager
async def _serving(io: Server, asgi: Any) -> AsyncIterator[str]:
    """Serve as the program does at its end, on a free port."""
    if asgi is None:
        async with io.listen() as listener:
            yield listener.url
        return
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[str] = loop.create_future()

    def on_listening(listener: Listener) -> None:
        loop.call_soon_threadsafe(opened.set_result, listener.url)

    options: dict[str, Any] = {"port": 0, "app": asgi, "on_listening": on_listening}
    running = asyncio.create_task(asyncio.to_thread(io.run, **options))
    try:
        async with asyncio.timeout(10):
            url = await opened
        yield url
    finally:
        io.stop()
        await running


def sections(page: str) -> list[Section]:
    """The sections of a page in their order, what stands above the first heading included."""
    found = []
    for part in re.split(r"^##+ ", (DOCS / page).read_text(), flags=re.MULTILINE):
        blocks = [(block["mark"], block["code"]) for block in FENCE.finditer(part)]
        server = tuple(code for mark, code in blocks if mark == "python")
        client = tuple(code for mark, code in blocks if mark == "python client")
        found.append(Section(page, part.partition("\n")[0], server, client))
    return found


async def run_block(code: str, names: dict[str, Any]) -> None:
    """Run code that may `await` at its top."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compiled = compile(code, names["__name__"], "exec", flags=flags, dont_inherit=True)
    if compiled.co_flags & inspect.CO_COROUTINE:
        await eval(compiled, names)
    else:
        exec(compiled, names)
        await asyncio.sleep(0)
