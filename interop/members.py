"""Clients of every kind behind one contract, for tests of many that hear each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from interop.stage import TRANSPORTS
from sockwave import ClientSocket, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.browsers import Page
    from interop.node import JsClient, NodeDriver
    from sockwave.types import TransportName

__all__ = [
    "LONG",
    "PYTHON_TRANSPORTS",
    "JsMember",
    "Member",
    "PageMember",
    "PythonMember",
    "prepare_page",
]

LONG: Final = 60.0
"""Seconds for what comes at once where the machine has nothing else to do."""

PYTHON_TRANSPORTS: Final[dict[str, Sequence[TransportName]]] = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}
"""As `TRANSPORTS` of the stage, for clients of ours."""


class Member(Protocol):
    """One client. Asked a `question`, it answers with the value that it was made with.

    Attributes:
        kind: What it is, and how it connects.
    """

    kind: str

    async def connected(self) -> None:
        """Wait until it is, on the last of its transports."""

    async def ask(self, event: str, *args: Any) -> Any:
        """Emit, and wait for the acknowledgement, which has one value."""

    async def emit(self, event: str, *args: Any) -> None:
        """Emit."""

    async def heard(self, count: int) -> list[list[Any]]:
        """Arguments of the events `heard`: all that have come, when there are so many."""

    async def faults(self) -> list[str]:
        """What has gone wrong: refusals, and ends of the connection."""

    async def aclose(self) -> None:
        """Leave."""


class JsMember:
    """A JavaScript client of some version, in Node; `options` are its own."""

    def __init__(
        self,
        driver: NodeDriver,
        package: str,
        url: str,
        transport: str,
        answer: Any,
        **options: Any,
    ) -> None:
        self.kind = f"{package} {transport}"
        self._is_upgraded = transport == "upgrade"
        options = {"transports": TRANSPORTS[transport], "timeout": LONG * 1_000, **options}
        self._client: JsClient = driver.client(url, name=package, **options)
        self._client.answers["question"] = (answer,)
        self._heard: list[list[Any]] = []

    async def connected(self) -> None:
        await self._client.connected()
        if self._is_upgraded:
            await self._client.upgraded()

    async def ask(self, event: str, *args: Any) -> Any:
        (answer,) = await self._client.ask(event, *args)
        return answer

    async def emit(self, event: str, *args: Any) -> None:
        await self._client.emit(event, *args)

    async def heard(self, count: int) -> list[list[Any]]:
        while len(self._heard) < max(count, self._client.log.count("on heard")):
            self._heard.append(await self._client.received("heard"))
        return self._heard

    async def faults(self) -> list[str]:
        return [each for each in self._client.log if each in ("connect_error", "disconnect")]

    async def aclose(self) -> None:
        """With the driver's others."""


class PythonMember:
    """A client of ours; `options` are its own."""

    def __init__(self, url: str, transport: str, answer: Any, **options: Any) -> None:
        self.kind = f"python {transport}"
        self._wanted = "polling" if transport == "polling" else "websocket"
        self._heard: list[list[Any]] = []
        self._faults: list[str] = []
        self._more = asyncio.Event()
        self._socket: ClientSocket = connect(
            url,
            transports=PYTHON_TRANSPORTS[transport],
            reconnection=False,
            timeout=LONG,
            **options,
        )
        self._socket.on("question", lambda *args: answer)
        self._socket.on("heard", self._hear)
        self._socket.on("connect_error", lambda error: self._faults.append(str(error)))
        self._socket.on("disconnect", lambda reason, *more: self._faults.append(str(reason)))

    def _hear(self, *args: Any) -> None:
        self._heard.append(list(args))
        self._more.set()

    async def connected(self) -> None:
        async with asyncio.timeout(LONG):
            await self._socket.wait_connected()
            while self._socket.manager.transport != self._wanted:
                await asyncio.sleep(0.01)

    async def ask(self, event: str, *args: Any) -> Any:
        return await self._socket.emit_with_ack(event, *args, timeout=LONG)

    async def emit(self, event: str, *args: Any) -> None:
        self._socket.emit(event, *args)

    async def heard(self, count: int) -> list[list[Any]]:
        async with asyncio.timeout(LONG):
            while len(self._heard) < count:
                self._more.clear()
                await self._more.wait()
        return self._heard

    async def faults(self) -> list[str]:
        return self._faults

    async def aclose(self) -> None:
        await self._socket.aclose()


async def prepare_page(page: Page, bundle: str) -> None:
    """Load the client into a page of the server's own origin, and what its members need."""
    await page.run(_PREPARE, bundle)


class PageMember:
    """A socket in a page; any number of them may share one.

    A browser has six connections to a server at a time, of which each member that polls takes one
    for as long as its poll waits: more than four would leave none for what they send.
    """

    def __init__(self, page: Page, number: int, transport: str, answer: Any) -> None:
        self.kind = f"chromium {transport}"
        self._page = page
        self._number = number
        self._transports = TRANSPORTS[transport]
        self._answer = answer

    async def connected(self) -> None:
        await self._page.run(_JOIN, self._number, self._transports, _plain(self._answer))
        wanted = self._transports[-1]
        await self._page.until(
            f"members[{self._number}].socket.io.engine.transport.name === '{wanted}'"
        )

    async def ask(self, event: str, *args: Any) -> Any:
        return _bytes_of(await self._page.run(_ASK, self._number, event, *map(_plain, args)))

    async def emit(self, event: str, *args: Any) -> None:
        await self._page.run(_EMIT, self._number, event, *map(_plain, args))

    async def heard(self, count: int) -> list[list[Any]]:
        await self._page.until(f"members[{self._number}].heard.length >= {count}")
        heard: list[list[Any]] = _bytes_of(await self._page.run(_HEARD, self._number))
        return heard

    async def faults(self) -> list[str]:
        faults: list[str] = await self._page.run("return members[args[0]].faults", self._number)
        return faults

    async def aclose(self) -> None:
        """With the page."""


_PREPARE: Final = """
const script = document.createElement("script");
script.src = args[0];
await new Promise((resolve, reject) => {
  script.onload = resolve;
  script.onerror = () => reject(new Error("the bundle does not load"));
  document.head.append(script);
});
window.members = {};
window.plain = (value) =>
  value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] }
  : Array.isArray(value) ? value.map(plain)
  : value;
window.unplain = (value) =>
  Array.isArray(value) ? value.map(unplain)
  : value?.bytes ? Uint8Array.from(value.bytes)
  : value;
"""

_JOIN: Final = """
const [number, transports, answer] = args;
const socket = io({ forceNew: true, reconnection: false, timeout: 60_000, transports });
const member = (members[number] = { socket, heard: [], faults: [] });
socket.on("heard", (...all) => member.heard.push(plain(all)));
socket.on("question", (value, acknowledge) => acknowledge(unplain(answer)));
socket.on("connect_error", (error) => member.faults.push(`connect_error: ${error.message}`));
socket.on("disconnect", (reason) => member.faults.push(`disconnect: ${reason}`));
await new Promise((resolve) => socket.once("connect", resolve));
"""

_ASK: Final = """
const [number, ...all] = args;
const { socket } = members[number];
return plain(await new Promise((resolve) => socket.emit(...unplain(all), resolve)));
"""

_EMIT: Final = "members[args[0]].socket.emit(...unplain(args.slice(1)))"
_HEARD: Final = "return members[args[0]].heard"


def _plain(value: Any) -> Any:
    """A value as `unplain` of the page takes it."""
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _bytes_of(value: Any) -> Any:
    """A value of the page's `plain`."""
    if isinstance(value, dict):
        return bytes(value["bytes"])
    return [_bytes_of(item) for item in value] if isinstance(value, list) else value
