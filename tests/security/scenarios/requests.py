"""What an application sees of a request, and what it answers wrongly."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockwave import Request, Server


async def headers(io: Server, sid: str) -> dict[str, str]:
    """Headers of the request that began a session."""
    return dict(io.engine.sessions[sid].request.headers)


async def cookies(io: Server, sid: str) -> dict[str, str]:
    """Its cookies."""
    return io.engine.sessions[sid].request.cookies


async def say_everything(io: Server, on: bool) -> None:
    """Log at DEBUG, or not any longer."""
    logging.getLogger("sockwave").setLevel(logging.DEBUG if on else logging.NOTSET)
    io.engine.driver.debug = on


_added: list[tuple[str, Any]] = []


async def add_headers(io: Server, event: str, added: list[list[str]]) -> None:
    """Let a handler of `headers` or `initial_headers` add some, where the query asks for it."""

    def add(headers: list[tuple[str, str]], request: Request) -> None:
        if "split" in request.query:
            headers += [(name, value) for name, value in added]

    io.engine.on(event, add)
    _added.append((event, add))


async def add_none(io: Server) -> None:
    """Take them back."""
    while _added:
        io.engine.off(*_added.pop())
