"""A second server of the process, which speaks msgpack, on a port of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from sockwave import MsgpackParser, Server

_running = AsyncExitStack()


async def listen(io: Server) -> int:
    """Begin to listen; gives the port."""
    other = Server(parser=MsgpackParser())

    @other.event
    def echo(socket: Any, *args: Any) -> Any:
        return args

    return (await _running.enter_async_context(other.listen())).port


async def close(io: Server) -> None:
    """End it."""
    await _running.aclose()
