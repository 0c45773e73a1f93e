"""Every line of the emit cheat sheet does what the page says: who gets it, and what comes back."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

import sockwave
from sockwave import Server, Socket
from sockwave.adapters import ClusterAdapter, MemoryBroker
from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.testing import LinkedClient
from tests.support.documents import DOCS
from tests.support.raw import until, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE: Final = (DOCS / "emit-cheatsheet.md").read_text()
CODE: Final = re.compile(r"`([^`]+)`")

WHO: Final = {
    "ada": ("/", ["a", "user:ada"]),
    "bob": ("/", ["a", "user:bob"]),
    "bob's phone": ("/", ["user:bob"]),
    "cat": ("/", ["b"]),
    "dan": ("/", ["a", "b", "c"]),
    "zoe": ("/", ["a"]),
    "root": ("/admin", ["a"]),
    "guest": ("/admin", []),
}
"""Clients with their namespaces and rooms; `zoe` is at another server, and `ada` is `socket`."""

MAIN: Final = {"ada", "bob", "bob's phone", "cat", "dan", "zoe"}

REACHED: Final = {
    "this client": {"ada"},
    "everybody but this client": MAIN - {"ada"},
    "a room, but not this client": {"bob", "dan", "zoe"},
    "two rooms, but not this client": {"bob", "cat", "dan", "zoe"},
    "everybody": MAIN,
    "a room": {"ada", "bob", "dan", "zoe"},
    "a room, in other words": {"ada", "bob", "dan", "zoe"},
    "two rooms, but not who is in a third": {"ada", "bob", "cat", "zoe"},
    "everybody but a room": {"bob's phone", "cat"},
    "one client, by the id of its socket": {"cat"},
    "all devices of a user, each of which has joined this room": {"bob", "bob's phone"},
    "everybody in a namespace": {"root", "guest"},
    "a room of a namespace": {"root"},
    "clients of this process only": MAIN - {"zoe"},
    "a room, in this process only": {"ada", "bob", "dan"},
}

SENT: Final[dict[str, tuple[set[str], tuple[str, list[Any]] | None]]] = {
    "dropped if the client cannot take it at once": ({"ada"}, ("position", [1, 2])),
    "the same to a room": ({"ada", "bob", "dan", "zoe"}, ("position", [1, 2])),
    "not compressed": ({"ada"}, ("noise", [1])),
    "binary": ({"ada"}, ("file", [{"name": "a.png", "data": b"\x89PNG"}])),
    "the event `message`": ({"ada"}, ("message", ["hi"])),
    "the event `message`, to everybody": (MAIN, ("message", ["hi"])),
    "wait until a slow client can take more": (set(), None),
}

ANSWERED: Final = {
    "wait for the answer, 60 seconds (`ack_timeout`)": "ada",
    "wait five seconds": "ada",
    "call a function with the answer": ("ada",),
    "the same, which also hears when the time is over": (None, "ada"),
    "a list with the answers of everybody": sorted(MAIN),
    "a list with the answers of a room": ["ada", "bob", "dan", "zoe"],
}

TOLD: Final = {
    'all other servers of the cluster, which listen by `@io.on("reload")`': None,
    "the same, with one answer of each": ["done"],
}

DONE: Final = {
    "how many": 4,
    "who": ["ada", "bob", "dan", "zoe"],
    "let them join": {"ada", "bob", "dan"},
    "let them leave": set[str](),
    "disconnect them": {"dan"},
}

CLIENT: Final[dict[str, Any]] = {
    "send": ["hi", 1],
    "binary": ["hi", b"\x01\x02"],
    "the event `message`": ["message", "hi"],
    "wait for the answer, until the connection is lost": 2,
    "wait five seconds": 2,
    "call a function with the answer": (2,),
    "the same, which also hears when there is none": (None, 2),
    "only if it can go out at once": ["hi", 1],
    "not compressed": ["hi", 1],
    "wait until everything is on its way": None,
}


def table(title: str) -> dict[str, str]:
    """What stands first in each row below a heading, with the Python of that row."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", section, re.MULTILINE)
    return {what: code for what, code in rows if code != "Python"}


def code_in(cell: str) -> str:
    (code,) = CODE.findall(cell)
    return str(code)


async def run_line(cell: str, names: dict[str, Any]) -> Any:
    """Run the code of a cell, and wait where it does."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    value = eval(compile(code_in(cell), "emit-cheatsheet.md", "eval", flags=flags), names)
    return await value if inspect.isawaitable(value) else value


class Stage:
    """Two servers with clients in rooms.

    Attributes:
        io: The server of all but one.
        clients: By name.
        calls: Arguments of `callback` and `on_answer_or_error`.
        reloads: What the other server was told.
    """

    def __init__(self) -> None:
        broker = MemoryBroker()
        self.io, self.other = self._server(broker), self._server(broker)
        self.clients: dict[str, LinkedClient] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.reloads: list[int] = []

        @self.other.on("reload")
        def reload(number: int) -> str:
            self.reloads.append(number)
            return "done"

    @staticmethod
    def _server(broker: MemoryBroker) -> Server:
        driver = broker.driver()
        io = Server(adapter=lambda host: ClusterAdapter(host, driver))
        for namespace in (io.of("/"), io.of("/admin")):

            @namespace.on("connection")
            def connection(socket: Socket) -> None:
                name = socket.handshake.auth["name"]
                socket.data["name"] = name
                socket.join(WHO[name][1])

        return io

    async def come(self, stack: AsyncExitStack) -> None:
        for name, (namespace, _) in WHO.items():
            io = self.other if name == "zoe" else self.io
            client = LinkedClient(io, namespace, auth={"name": name})
            client.on("ask", lambda number, name=name: name)
            self.clients[name] = await stack.enter_async_context(client)
        while await self.io.count() < len(MAIN) or await self.io.server_count() < 2:
            await asyncio.sleep(0.001)

    def names(self) -> dict[str, Any]:
        """What the lines of the page are about."""
        ids = {name: client.sid for name, client in self.clients.items()}
        return {
            "io": self.io,
            "socket": self.io.sockets[ids["ada"]],  # type: ignore[index] # it is connected
            "socket_id": ids["cat"],
            "user": "bob",
            "callback": lambda *args: self.calls.append(args),
            "on_answer_or_error": lambda error, *args: self.calls.append((error, *args)),
        }

    async def heard(self) -> dict[str, list[tuple[str, list[Any]]]]:
        """Events that have come, by client; none is on its way any more."""
        await self.io.to([str(each.sid) for each in self.clients.values()]).emit_with_ack("ask", 0)
        await self.io.of("/admin").emit_with_ack("ask", 0)
        heard = {name: client.received_nowait() for name, client in self.clients.items()}
        return {name: events for name, events in heard.items() if events}

    def members(self, room: str) -> set[str]:
        """Names of the clients of this server in a room."""
        return {s.data["name"] for s in self.io.sockets.values() if room in s.rooms}


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    async with AsyncExitStack() as stack:
        await made.come(stack)
        yield made
    for io in (made.io, made.other):
        await io.close()


def test_every_line_is_known() -> None:
    assert table("Server: to whom").keys() == REACHED.keys()
    assert table("Server: how").keys() == SENT.keys()
    assert table("Server: with an answer").keys() == ANSWERED.keys() | {"answer a client"}
    assert table("Server: to other servers").keys() == TOLD.keys()
    assert table("Server: do, instead of send").keys() == DONE.keys()
    assert table("Client").keys() == CLIENT.keys()


def test_event_reaches_whom_the_page_says() -> None:
    async def scenario() -> None:
        async with stage() as here:
            for what, cell in table("Server: to whom").items():
                await run_line(cell, here.names())
                heard = await here.heard()
                assert heard == {key: [("hi", [1])] for key in REACHED[what]}, what

    asyncio.run(within(scenario(), 40))


def test_event_is_sent_as_the_page_says() -> None:
    async def scenario() -> None:
        async with stage() as here:
            for what, cell in table("Server: how").items():
                await run_line(cell, here.names())
                who, event = SENT[what]
                assert await here.heard() == {key: [event] for key in who}, what

    asyncio.run(within(scenario(), 40))


def test_answers_are_those_of_the_clients_that_were_asked() -> None:
    async def scenario() -> None:
        async with stage() as here:
            for what, expected in ANSWERED.items():
                result = await run_line(table("Server: with an answer")[what], here.names())
                if isinstance(expected, tuple):
                    await until(lambda: here.calls)
                    result = here.calls.pop()
                assert (sorted(result) if isinstance(result, list) else result) == expected, what

    asyncio.run(within(scenario(), 40))


def test_other_servers_hear_what_is_for_them() -> None:
    async def scenario() -> None:
        async with stage() as here:
            for what, cell in table("Server: to other servers").items():
                here.reloads.clear()
                assert await run_line(cell, here.names()) == TOLD[what]
                await until(lambda: here.reloads)
                assert here.reloads == [1]

    asyncio.run(within(scenario(), 40))


def test_sockets_are_counted_fetched_moved_and_disconnected() -> None:
    async def scenario() -> None:
        async with stage() as here:
            lines = table("Server: do, instead of send")
            assert await run_line(lines["how many"], here.names()) == DONE["how many"]
            fetched = await run_line(lines["who"], here.names())
            assert sorted(socket.data["name"] for socket in fetched) == DONE["who"]
            for what in ("let them join", "let them leave"):
                await run_line(lines[what], here.names())
                assert here.members("d") == DONE[what]
            await run_line(lines["disconnect them"], here.names())
            assert await here.clients["dan"].disconnected() == "io server disconnect"
            here_still = {socket.data["name"] for socket in await here.io.fetch_sockets()}
            assert MAIN - here_still == DONE["disconnect them"]

    asyncio.run(within(scenario(), 40))


@pytest.mark.parametrize("what", CLIENT)
def test_client_sends_as_the_page_says(what: str) -> None:
    io = Server()
    got: list[list[Any]] = []
    calls: list[tuple[Any, ...]] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("ask", lambda number: number + 1)
        socket.on_any(lambda *event: got.append([*event]))

    async def scenario() -> None:
        async with io.listen() as listener, sockwave.connect(listener.url) as client:
            names = {
                "client": client,
                "callback": lambda *args: calls.append(args),
                "on_answer_or_error": lambda error, *args: calls.append((error, *args)),
            }
            result = await run_line(table("Client")[what], names)
            expected = CLIENT[what]
            if isinstance(expected, list):
                await until(lambda: got)
                assert got == [expected]
            elif isinstance(expected, tuple):
                await until(lambda: calls)
                assert calls == [expected]
            else:
                assert result == expected

    asyncio.run(within(scenario(), 40))


def test_names_that_are_taken_are_these() -> None:
    section = PAGE.partition("## Names that are taken\n")[2].partition("\n## ")[0]
    assert {*CODE.findall(section)} - {"ValueError"} == RESERVED_EVENTS
    for name in RESERVED_EVENTS:
        with pytest.raises(ValueError, match=name):
            Server().emit(name)
