"""What tests of the server share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockwave import HandlerFailure, Server, Socket
    from sockwave.testing import LinkedClient


async def settle(turns: int = 20) -> None:
    """Let everything that is on its way arrive."""
    for _ in range(turns):
        await asyncio.sleep(0)


def socket_of(io: Server, client: LinkedClient, namespace: str = "/") -> Socket:
    """The server's side of a client."""
    assert client.sid is not None
    return io.of(namespace).sockets[client.sid]


class Failures:
    """What the `on_error` hook of a server hears."""

    def __init__(self, io: Server) -> None:
        self.heard: list[tuple[str, Exception]] = []
        self.sockets: list[Socket] = []
        io.on_error(self._hook)

    def _hook(self, error: Exception, failure: HandlerFailure) -> None:
        self.heard.append((failure.event, error))
        self.sockets.append(failure.socket)

    @property
    def events(self) -> list[str]:
        """Names of the events whose handlers failed."""
        return [event for event, _ in self.heard]


class Log(list[Any]):
    """A list that is also a handler: it keeps the arguments of each call."""

    def __call__(self, *args: Any) -> None:
        self.append(args)
