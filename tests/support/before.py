"""What pages say about the library that somebody comes from: its programs run, too.

A section of such a page has a program of the other library, marked `python before` or `js before`,
and one of ours. What a client sees of both is marked `python client`; where the other one differs,
what it sees there is marked `python client before`.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from scripts.check_docs import FENCE
from tests.support.documents import DOCS
from tests.support.peers import INTEROP, node
from tests.support.sections import ADDRESS, run_block

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Before", "programs_before"]

LISTENS: Final = """
io.httpServer.on("listening", () => console.log(io.httpServer.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
"""
"""What a program of Node prints, and when it ends."""


@dataclass(frozen=True, slots=True)
class Before:
    """A program of another library, and what a client sees of it.

    Attributes:
        title: Heading of its section.
        language: `python` or `js`.
        program: Whole.
        client: Blocks of code.
    """

    title: str
    language: str
    program: str
    client: tuple[str, ...]

    async def play(self) -> str:
        """Serve, let the client do what it does, and return what the program has written."""
        if self.language == "js":
            return await self._play_in_node()
        names: dict[str, Any] = {"__name__": "before"}
        await run_block(self.program, names)
        serving = _wsgi if hasattr(names["app"], "wsgi_app") else _asgi
        async with serving(names["app"]) as url:
            await self._play_client(url)
        return ""

    async def _play_client(self, url: str) -> None:
        names: dict[str, Any] = {"__name__": "client"}
        for block in self.client:
            await run_block(block.replace(ADDRESS, url), names)

    async def _play_in_node(self) -> str:
        peer = node()
        program = self.program.replace("new Server(3000", "new Server(0") + LISTENS
        process = await asyncio.create_subprocess_exec(
            peer.executable,
            "-e",
            program,
            cwd=INTEROP,
            env=peer.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(await process.stdout.readline())
            await self._play_client(f"http://127.0.0.1:{port}")
        finally:
            process.stdin.close()
            _, written = await process.communicate()
        return written.decode()


def programs_before(page: str) -> list[Before]:
    """The programs of a page that are of another library."""
    found = []
    for part in re.split(r"^##+ ", (DOCS / page).read_text(), flags=re.MULTILINE):
        blocks = [(block["mark"], block["code"]) for block in FENCE.finditer(part)]
        clients = [code for mark, code in blocks if mark == "python client before"]
        same = [code for mark, code in blocks if mark == "python client"]
        for mark, code in blocks:
            language, _, when = mark.partition(" ")
            if when == "before" and (clients or same):
                title = part.partition("\n")[0]
                found.append(Before(title, language, code, tuple(clients or same)))
    return found


@asynccontextmanager
async def _asgi(app: Any) -> AsyncIterator[str]:
    """Serve an application that needs nothing of us."""
    sock = socket.create_server(("127.0.0.1", 0))
    # python-engineio leaves a poll open whose client has gone.
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def _wsgi(app: Any) -> AsyncIterator[str]:
    """Serve an application of Flask, as its own server does."""
    from werkzeug.serving import make_server  # comes with Flask, which is not always there

    server = make_server("127.0.0.1", 0, app, threaded=True)
    running = asyncio.create_task(asyncio.to_thread(server.serve_forever, 0.05))
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await asyncio.to_thread(server.shutdown)
        await running
        server.server_close()
