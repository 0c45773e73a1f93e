"""Servers of a mixed cluster, in JavaScript and ours, behind one contract."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from abc import ABC, abstractmethod
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self

from interop.node import LINE_LIMIT, PATIENCE, JsError, pack, unpack
from sockwave import AckTimeout, Server, Socket
from tests.support.peers import INTEROP, NodePeer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from sockwave import Namespace
    from sockwave.testing import AdapterMaker

__all__ = [
    "ClusterServer",
    "ProcessServer",
    "PythonServer",
    "Target",
    "choose",
    "node_server",
    "python_server",
    "to",
    "without_dates",
]

Target = dict[str, Any]
"""What operators choose, in the words of `server.cjs`."""

ASKING: Final = 10.0
"""Seconds that one socket has for its answer."""


def to(*rooms: str, excluded: tuple[str, ...] = (), **flags: Any) -> Target:
    """Choose sockets; without rooms all of them.

    Args:
        flags: `volatile`, `compress`, `local`, and `timeout` in seconds.
    """
    return {"rooms": list(rooms), "except": list(excluded), **flags}


class ClusterServer(ABC):
    """A server, from entering to leaving the context.

    Attributes:
        name: What it calls itself.
        kind: `node` or `python`.
        url: Where clients find it.
    """

    kind: str
    url: str

    def __init__(self, name: str) -> None:
        self.name = name
        self._notes: defaultdict[str, asyncio.Queue[list[Any]]] = defaultdict(asyncio.Queue)

    def __repr__(self) -> str:
        return self.name

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Start it."""

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """End it."""

    @abstractmethod
    async def do(self, op: str, namespace: str = "/", **fields: Any) -> Any:
        """Do one of the operations of `server.cjs`."""

    async def emit(self, target: Target, event: str, *args: Any, namespace: str = "/") -> None:
        """Broadcast."""
        await self.do("emit", namespace, target=target, event=event, args=args)

    async def ask(self, target: Target, event: str, *args: Any) -> list[Any]:
        """Broadcast, and return the answers of all."""
        outcome = await self.do("ask", target=target, event=event, args=args)
        assert "error" not in outcome, outcome
        answers: list[Any] = outcome["answers"]
        return answers

    async def ask_in_vain(self, target: Target, event: str, *args: Any) -> list[Any]:
        """Broadcast, and return the answers of some: the others do not answer in time."""
        outcome = await self.do("ask", target=target, event=event, args=args)
        assert outcome.get("error"), outcome
        answers: list[Any] = outcome["answers"]
        return answers

    async def fetch(self, target: Target) -> dict[str, dict[str, Any]]:
        """Sockets by their ids."""
        sockets = await self.do("fetch", target=target)
        return {socket["id"]: socket for socket in sockets}

    async def remote(self, id_: str, what: str, **fields: Any) -> Any:
        """Do something to one socket of another server, through what fetching gives for it."""
        return await self.do("remote", socket=id_, what=what, **fields)

    async def noted(self, namespace: str = "/") -> list[Any]:
        """Arguments of the next `note` of another server."""
        async with asyncio.timeout(PATIENCE):
            return await self._notes[namespace].get()

    def notes(self) -> int:
        """How many of them wait to be looked at."""
        return sum(queue.qsize() for queue in self._notes.values())


class ProcessServer(ClusterServer):
    """A server in a process, asked for each operation on its standard input.

    Args:
        kind: `node` or `python`.
        command: Runs it.
        env: Its environment; it is told the rest there.
        carrier: Which adapter it has.
        engine: Address of its Redis or PostgreSQL.
        recovers: Whether it has connection state recovery.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        command: Sequence[str | Path],
        env: dict[str, str],
        carrier: str,
        engine: str,
        *,
        recovers: bool = False,
    ) -> None:
        super().__init__(name)
        self.kind = kind
        self._command = command
        self._env = {**env, "CARRIER": carrier, "ENGINE": engine, "NAME": name}
        if recovers:
            self._env["RECOVERY"] = "1"
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._env,
            limit=LINE_LIMIT,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        async with asyncio.timeout(PATIENCE):
            first = await self._stdout.readline()
        assert first, f"{self.name} does not start"
        self.url = f"http://127.0.0.1:{json.loads(first)['port']}"
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        frames: TracebackType | None = None,
    ) -> None:
        self._stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self._reading

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()

    async def do(self, op: str, namespace: str = "/", **fields: Any) -> Any:
        id_ = next(self._ids)
        line = json.dumps({"id": id_, "op": op, "namespace": namespace, **pack(fields)})
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[id_] = answer
        self._stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def _read(self) -> None:
        while line := await self._stdout.readline():
            message = json.loads(line, object_hook=unpack)
            if "event" in message:
                self._notes[message["namespace"]].put_nowait(message["args"])
                continue
            answer = self._answers.pop(message["id"], None)
            if answer is None or answer.done():
                print(message, file=sys.stderr)
            elif "error" in message:
                answer.set_exception(JsError(message["error"]))
            else:
                answer.set_result(message.get("result"))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(JsError(f"{self.name} has ended"))


def node_server(
    name: str, peer: NodePeer, carrier: str, engine: str, *, recovers: bool = False
) -> ProcessServer:
    """`server.cjs`; see `ProcessServer`."""
    command = (peer.executable, INTEROP / "cluster" / "server.cjs")
    return ProcessServer(name, "node", command, peer.env, carrier, engine, recovers=recovers)


def python_server(name: str, carrier: str, engine: str, *, recovers: bool = False) -> ProcessServer:
    """A server of ours in a process; see `ProcessServer`."""
    command = (sys.executable, "-m", "interop.cluster.serve")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return ProcessServer(name, "python", command, env, carrier, engine, recovers=recovers)


class PythonServer(ClusterServer):
    """A server of ours, in this event loop; it does what `server.cjs` does, line by line.

    Args:
        make_adapter: Its adapter.
        options: More options of the server.

    Attributes:
        noting: Gets namespace and arguments of each `note` of another server.
    """

    kind = "python"

    def __init__(self, name: str, make_adapter: AdapterMaker, **options: Any) -> None:
        super().__init__(name)
        self.io = Server(adapter=make_adapter, **options)
        self._stack = AsyncExitStack()
        self._end = asyncio.Event()
        self.noting: Callable[[str, list[Any]], None] = self._note
        self._serve(self.io.of("/"))
        self._serve(self.io.of("/chat"))

    async def __aenter__(self) -> Self:
        listener = await self._stack.enter_async_context(self.io.listen())
        self.url = f"http://{listener.host}:{listener.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._end.set()
        await self._stack.aclose()

    def _note(self, namespace: str, args: list[Any]) -> None:
        self._notes[namespace].put_nowait(args)

    def _serve(self, namespace: Namespace) -> None:
        @namespace.on("connection")
        def connection(socket: Socket) -> None:
            auth = socket.handshake.auth
            socket.data.update({"name": auth["name"], "nested": [None, {}]})
            socket.join(auth.get("rooms", []))

        namespace.on("note", lambda *args: self.noting(namespace.name, _packed(args)))
        namespace.on("question", lambda *args: {"name": self.name, "args": list(args)})

        namespace.on("silence", self._end.wait)

    async def do(self, op: str, namespace: str = "/", **fields: Any) -> Any:
        fields["args"] = without_dates(fields.get("args", ()))
        here = self.io.of(namespace)
        if (act := _ACTS.get(op)) is not None:
            act(choose(here, fields["target"]), fields)
            return None
        async with asyncio.timeout(PATIENCE):
            return await _OPERATIONS[op](here, fields)


def _packed(value: Any) -> Any:
    """What came, with dates as `server.cjs` tells them."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    return [_packed(item) for item in value] if isinstance(value, (list, tuple)) else value


def without_dates(value: Any) -> Any:
    """There is none in JSON: programs here send the text that JavaScript makes of one."""
    if isinstance(value, dict):
        if "$date" in value:
            return value["$date"]
        return {key: without_dates(item) for key, item in value.items()}
    return [without_dates(item) for item in value] if isinstance(value, (list, tuple)) else value


def choose(chosen: Any, target: Target) -> Any:
    """Use the operators of a namespace, an emitter, or a socket."""
    if target.get("rooms"):
        chosen = chosen.to(target["rooms"])
    if target.get("except"):
        chosen = chosen.except_(target["except"])
    if target.get("volatile"):
        chosen = chosen.volatile
    if "compress" in target:
        chosen = chosen.compress(target["compress"])
    if target.get("local"):
        chosen = chosen.local
    if "timeout" in target:
        chosen = chosen.timeout(target["timeout"])
    return chosen


async def _asked(question: Awaitable[Any]) -> dict[str, Any]:
    try:
        return {"answers": await question}
    except AckTimeout as error:
        return {"answers": error.responses, "error": str(error) or "time-out"}


def _described(socket: Any) -> dict[str, Any]:
    handshake = socket.handshake
    names = ("auth", "url", "address", "secure", "xdomain", "issued")
    return {
        "id": socket.id,
        "rooms": sorted(socket.rooms),
        "data": dict(socket.data),
        "handshake": {
            **{name: getattr(handshake, name) for name in names},
            "headers": {name: handshake.headers.get(name) for name in handshake.headers},
            "query": dict(handshake.query),
        },
    }


async def _ask(here: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return await _asked(
        choose(here, fields["target"]).emit_with_ack(fields["event"], *fields["args"])
    )


async def _fetch(here: Any, fields: dict[str, Any]) -> list[dict[str, Any]]:
    sockets = await choose(here, fields["target"]).fetch_sockets()
    return [_described(socket) for socket in sockets]


async def _count(here: Any, fields: dict[str, Any]) -> int:
    counted: int = await choose(here, fields["target"]).count()
    return counted


async def _server_emit(here: Any, fields: dict[str, Any]) -> None:
    here.server_side_emit(fields["event"], *fields["args"])


async def _server_ask(here: Any, fields: dict[str, Any]) -> dict[str, Any]:
    # Five seconds, as those in JavaScript wait.
    return await _asked(here.server_side_emit_with_ack(fields["event"], *fields["args"], timeout=5))


async def _server_count(here: Any, fields: dict[str, Any]) -> int:
    count: int = await here.server.server_count()
    return count


async def _socket_emit(here: Any, fields: dict[str, Any]) -> None:
    socket = here.sockets[fields["socket"]]
    rooms = fields["target"].get("rooms")
    choose(socket if rooms else socket.broadcast, fields["target"]).emit(
        fields["event"], *fields["args"]
    )


async def _remote(here: Any, fields: dict[str, Any]) -> Any:
    (socket,) = await here.in_(fields["socket"]).fetch_sockets()
    match fields["what"]:
        case "emit":
            socket.emit(fields["event"], *fields["args"])
        case "ask":
            question = socket.emit_with_ack(fields["event"], *fields["args"], timeout=ASKING)
            return await _asked(question)
        case "join":
            socket.join(fields["rooms"])
        case "leave":
            socket.leave(fields["rooms"])
        case "disconnect":
            socket.disconnect(close=fields["close"])
    return None


_ACTS: Final[dict[str, Callable[[Any, dict[str, Any]], None]]] = {
    "emit": lambda on, fields: on.emit(fields["event"], *fields["args"]),
    "join": lambda on, fields: on.sockets_join(fields["rooms"]),
    "leave": lambda on, fields: on.sockets_leave(fields["rooms"]),
    "disconnect": lambda on, fields: on.disconnect_sockets(close=fields["close"]),
}

_OPERATIONS: Final[dict[str, Callable[[Any, dict[str, Any]], Awaitable[Any]]]] = {
    "ask": _ask,
    "fetch": _fetch,
    "count": _count,
    "serverEmit": _server_emit,
    "serverAsk": _server_ask,
    "serverCount": _server_count,
    "socketEmit": _socket_emit,
    "remote": _remote,
}
