"""A server and its JavaScript clients, for the length of a test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from interop.fronts import serving

if TYPE_CHECKING:
    from interop.node import JsClient, NodeDriver
    from sockwave import Engine, Server

__all__ = ["TRANSPORTS", "Stage"]

TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


class Stage:
    """A server, and JavaScript clients of it; all over with the test.

    Attributes:
        url: Of the last server.
        driver: The clients' process.
    """

    def __init__(self, front: str, transport: str, driver: NodeDriver) -> None:
        self.url = ""
        self.driver = driver
        self.transport = transport
        self._front = front
        self._stack = AsyncExitStack()

    async def serve(self, servable: Server | Engine) -> str:
        """Put a server on the front end of this test."""
        self.url = await self._stack.enter_async_context(serving(servable, self._front))
        return self.url

    def client(self, **options: Any) -> JsClient:
        """Open a client with the transports of this test, and do not wait for it."""
        options.setdefault("transports", TRANSPORTS[self.transport])
        return self.driver.client(self.url, **options)

    async def connect(self, **options: Any) -> JsClient:
        """Open a Socket.IO client and wait until it is connected, on its last transport."""
        client = await self.client(**options).connected()
        return await client.upgraded() if self.transport == "upgrade" else client

    async def aclose(self) -> None:
        """End clients, then servers."""
        await self.driver.close_clients()
        await self._stack.aclose()
