"""Guests of the tutorial's chat: clients of ours and of JavaScript that come back after a loss."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from interop.members import LONG, PYTHON_TRANSPORTS
from interop.stage import TRANSPORTS
from sockwave import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.node import NodeDriver

__all__ = ["Guest", "JsGuest", "PythonGuest"]


class Guest(Protocol):
    """Somebody with a name.

    Attributes:
        name: As the others see it.
    """

    name: str

    async def connected(self) -> None:
        """Wait until the chat has let it in."""

    async def ask(self, event: str, *args: Any) -> Any:
        """Emit, and wait for the acknowledgement, which has one value."""

    async def said(self, last: str) -> list[str]:
        """All that others have said, until this."""

    async def noted(self, last: str) -> list[str]:
        """All that the chat has told, until this."""

    async def is_recovered(self) -> bool:
        """Whether its last connection goes on with the one before."""

    async def aclose(self) -> None:
        """Leave."""


class PythonGuest:
    """With a client of ours."""

    def __init__(self, url: str, transport: str, name: str) -> None:
        self.name = name
        self._said: list[str] = []
        self._notes: list[str] = []
        self._more = asyncio.Condition()
        self._socket = connect(
            url,
            auth={"name": name},
            transports=PYTHON_TRANSPORTS[transport],
            reconnection_delay=0.05,
            reconnection_delay_max=0.5,
        )
        self._socket.on("said", self._hear)
        self._socket.on("note", self._note)

    async def _hear(self, name: str, line: str) -> None:
        await self._keep(self._said, line)

    async def _note(self, line: str) -> None:
        await self._keep(self._notes, line)

    async def _keep(self, lines: list[str], line: str) -> None:
        lines.append(line)
        async with self._more:
            self._more.notify_all()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG), self._more:
            await self._more.wait_for(is_so)

    async def connected(self) -> None:
        async with asyncio.timeout(LONG):
            await self._socket.wait_connected()

    async def ask(self, event: str, *args: Any) -> Any:
        return await self._socket.emit_with_ack(event, *args, timeout=LONG)

    async def said(self, last: str) -> list[str]:
        await self._until(lambda: last in self._said)
        return [*self._said]

    async def noted(self, last: str) -> list[str]:
        await self._until(lambda: last in self._notes)
        return [*self._notes]

    async def is_recovered(self) -> bool:
        return self._socket.recovered

    async def aclose(self) -> None:
        await self._socket.aclose()


class JsGuest:
    """With a client of JavaScript, in Node."""

    def __init__(self, driver: NodeDriver, url: str, transport: str, name: str) -> None:
        self.name = name
        self._said: list[str] = []
        self._notes: list[str] = []
        self._client = driver.client(
            url,
            auth={"name": name},
            transports=TRANSPORTS[transport],
            reconnection=True,
            reconnectionDelay=50,
            reconnectionDelayMax=500,
        )

    async def connected(self) -> None:
        await self._client.connected()

    async def ask(self, event: str, *args: Any) -> Any:
        (answer,) = await self._client.ask(event, *args)
        return answer

    async def said(self, last: str) -> list[str]:
        while last not in self._said:
            self._said.append((await self._client.received("said"))[1])
        return [*self._said]

    async def noted(self, last: str) -> list[str]:
        while last not in self._notes:
            self._notes.append((await self._client.received("note"))[0])
        return [*self._notes]

    async def is_recovered(self) -> bool:
        recovered: bool = await self._client.evaluate("socket.recovered === true")
        return recovered

    async def aclose(self) -> None:
        """With the driver's others."""
