"""JavaScript clients in a Node.js process, as objects of this side."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self

from tests.support.peers import INTEROP, NodePeer

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PATIENCE", "JsClient", "JsError", "NodeDriver", "pack", "unpack"]

PATIENCE: Final = 15.0
"""Seconds until what should happen counts as missing."""

LINE_LIMIT: Final = 64 * 1024 * 1024


class JsError(Exception):
    """Code on the other side threw."""


def pack(value: Any) -> Any:
    """Write bytes in the form that `driver.cjs` reads."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    return value


def unpack(value: dict[str, Any]) -> Any:
    """Read bytes in the form that `pack` writes; an `object_hook` of `json`."""
    return base64.b64decode(value["$bytes"]) if "$bytes" in value else value


class NodeDriver:
    """`driver.cjs` in a process, from entering to leaving the context.

    Attributes:
        peer: Which Node.
    """

    def __init__(self, peer: NodePeer) -> None:
        self.peer = peer
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._clients: dict[int, JsClient] = {}

    async def __aenter__(self) -> Self:
        """Start Node."""
        self._process = await asyncio.create_subprocess_exec(
            self.peer.executable,
            INTEROP / "driver.cjs",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.peer.env,
            limit=LINE_LIMIT,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """End it, by its standard input; by force if that does not help."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()

    def client(
        self,
        url: str,
        *,
        name: str = "sio4",
        namespace: str = "/",
        on: JsClient | None = None,
        **options: Any,
    ) -> JsClient:
        """Open a client and do not wait for it.

        Args:
            name: The package: `sio1` to `sio4`, `eio3`, `eio4` or `eio6`.
            on: Another namespace on this one's connection.
            options: The client's own, in its camelCase.
        """
        client = JsClient(self, next(self._ids))
        self._clients[client.id] = client
        request = {"name": name, "url": url, "namespace": namespace, "options": options}
        self._write("open", client=client.id, on=on and on.id, **request)
        return client

    async def close_clients(self) -> None:
        """End all clients."""
        self._clients.clear()
        await self.request("close")

    async def request(self, op: str, **fields: Any) -> Any:
        """Let the driver do something, and wait until it is done.

        Raises:
            JsError: It threw.
        """
        if self._reading.done():
            raise JsError("Node has ended")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._write(op, **fields)] = answer
        async with asyncio.timeout(PATIENCE):
            return await answer

    def _write(self, op: str, **fields: Any) -> int:
        id_ = next(self._ids)
        line = json.dumps({"id": id_, "op": op, **pack(fields)})
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        return id_

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = json.loads(line, object_hook=unpack)
            if "event" in message:
                client = self._clients.get(message["client"])
                if client is not None:
                    client.reported(message["event"], message["args"], message.get("ack"))
                continue
            answer = self._answers.pop(message["id"], None)
            if answer is None or answer.done():
                if "error" in message:
                    print(message["error"], file=sys.stderr)
            elif "error" in message:
                answer.set_exception(JsError(message["error"]))
            else:
                answer.set_result(message.get("result"))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(JsError("Node has ended"))


class JsClient:
    """A socket of a JavaScript client.

    Attributes:
        log: Names of all that it reported, in order: `connect`, `disconnect`, `on <event>`, ...
        answers: By event: arguments with which an acknowledgement that the server asks for is sent.
    """

    def __init__(self, driver: NodeDriver, id_: int) -> None:
        self.id = id_
        self.log: list[str] = []
        self.answers: dict[str, tuple[Any, ...]] = {}
        self._driver = driver
        self._reports: defaultdict[str, asyncio.Queue[list[Any]]] = defaultdict(asyncio.Queue)

    def reported(self, event: str, args: list[Any], ack: int | None) -> None:
        """Something has happened there."""
        self.log.append(event)
        self._reports[event].put_nowait(args)
        name = event.removeprefix("on ")
        if ack is not None and name in self.answers:
            self._driver._write("ack", ack=ack, args=self.answers[name])

    async def next(self, event: str) -> list[Any]:
        """Arguments of the next report of a kind: `connect`, `disconnect`, `on <event>`, ..."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._reports[event].get()
        except TimeoutError:
            raise AssertionError(f"no {event!r}; there was {self.log}") from None

    async def received(self, event: str) -> list[Any]:
        """Arguments of the next event of a name that the server sends."""
        return await self.next(f"on {event}")

    async def connected(self) -> Self:
        """Wait for the namespace."""
        failing = asyncio.ensure_future(self._reports["connect_error"].get())
        joining = asyncio.ensure_future(self._reports["connect"].get())
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({failing, joining}, return_when=asyncio.FIRST_COMPLETED)
            assert joining.done(), f"refused: {failing.result()}"
        except TimeoutError:
            raise AssertionError(f"not connected; there was {self.log}") from None
        finally:
            failing.cancel()
            joining.cancel()
        return self

    async def upgraded(self) -> Self:
        """Wait until a Socket.IO client is on its WebSocket."""
        await self.run(
            "const engine = socket.io.engine;"
            "if (engine.transport.name !== 'websocket') await once(engine, 'upgrade');"
        )
        return self

    async def run(self, code: str, *args: Any) -> Any:
        """Run JavaScript with `socket`, `args` and `once(emitter, event)` in scope; may `await`."""
        return await self._driver.request("run", client=self.id, code=code, args=args)

    async def evaluate(self, expression: str, *args: Any) -> Any:
        """Value of a JavaScript expression."""
        return await self.run(f"return {expression}", *args)

    async def emit(self, event: str, *args: Any) -> None:
        """Emit an event."""
        await self.run("socket.emit(...args)", event, *args)

    async def ask(self, event: str, *args: Any) -> list[Any]:
        """Emit an event and wait for the arguments of the acknowledgement."""
        answer: list[Any] = await self.run(
            "return await new Promise((resolve) => socket.emit(...args, (...all) => resolve(all)))",
            event,
            *args,
        )
        return answer
