"""Liars on each of the carriers: what they say is dropped, and everybody else serves on."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sockwave import ClusterTimeout, Server, Socket
from sockwave.testing import LinkedClient
from tests.live.liars import CARRIERS, ENVELOPES, LARGE, lies, raw
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.live.liars import Say

pytestmark = pytest.mark.live

PATIENCE = 40.0
ENOUGH = 20
"""Events that each client has to get before a server counts as one that is heard."""


class Stage:
    """Two servers, a client of each in the room of its name, and a liar.

    Attributes:
        a, b: The servers.
        clients: Theirs.
        say: What the liar does.
    """

    def __init__(
        self,
        servers: list[Server],
        clients: list[LinkedClient],
        say: Say,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self.a, self.b = servers
        self.clients = clients
        self.say = say
        self._caplog = caplog
        self._numbers = count()
        self._errors: list[str] = []
        for io in servers:
            io.on("cluster_error", self._errors.append)

    @property
    def dropped(self) -> list[str]:
        """Lines of the log about messages that were dropped."""
        return [line for line in self._caplog.messages if "dropped" in line]

    def id_of(self, io: Server) -> str:
        """Of a server, as the others see it."""
        return io.cluster.nodes[0].id

    @property
    def told(self) -> int:
        """How often something was dropped, or said to be lost."""
        return len(self.dropped) + len(self._errors)

    async def check(self) -> None:
        """Events of both reach both clients, once, in order, and no others do; all are counted."""
        for io, name, client in ((self.a, "B", self.clients[1]), (self.b, "A", self.clients[0])):
            got: list[Any] = []
            try:
                async with asyncio.timeout(PATIENCE):
                    while len(got) < ENOUGH:
                        io.to(name).emit("good", next(self._numbers))
                        await asyncio.sleep(0.01)
                        got += client.received_nowait()
            except TimeoutError:
                nodes = [len(each.cluster.nodes) for each in (self.a, self.b)]
                raise AssertionError(
                    f"{name} has got {got} of {next(self._numbers)}; nodes {nodes}, client "
                    f"{client.sid}, errors {self._errors}"
                ) from None
            assert {event for event, _ in got} == {"good"}
            numbers = [args[0] for _, args in got]
            assert numbers == sorted(set(numbers))
        for io in (self.a, self.b):
            async with asyncio.timeout(PATIENCE):
                while len(io.cluster.nodes) != 2 or await io.server_count() != 2:
                    await asyncio.sleep(0.02)
            assert await _count(io) == 2
            assert await io.timeout(PATIENCE).emit_with_ack("question") == [1, 1]
        assert "internal error" not in self._caplog.text


async def _count(io: Server) -> int:
    """Sockets of all servers; a connection that is made anew may take a question along."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(ClusterTimeout):
                return await io.count()


@asynccontextmanager
async def stage(
    carrier: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Begin when both servers know each other."""
    kind, name = CARRIERS[carrier], f"lies-{uuid4().hex[:8]}"
    servers: list[Server] = []
    async with AsyncExitStack() as stack:
        if kind.engine is None:  # the paths of sockets are short
            address = stack.enter_context(TemporaryDirectory())
        else:
            address = request.getfixturevalue(kind.engine)
        clients = []
        for room in "AB":
            io = Server(adapter=kind.adapter(address, name), **options)
            stack.push_async_callback(io.close)
            servers.append(io)

            @io.on("connection")
            def connection(socket: Socket, room: str = room) -> None:
                socket.join(room)

            client = await stack.enter_async_context(LinkedClient(io))
            client.on("question", lambda: 1)
            clients.append(client)
        await until(lambda: all(len(io.cluster.nodes) == 2 for io in servers), PATIENCE)
        say = await stack.enter_async_context(kind.liar(address, name))
        with caplog.at_level(logging.WARNING, "sockwave"):
            yield Stage(servers, clients, say, caplog)


WAYS = [
    (name, recovers)
    for name, carrier in CARRIERS.items()
    for recovers in ([False, True] if carrier.recovers else [False])
]


@pytest.mark.parametrize(("carrier", "recovers"), WAYS)
async def test_what_makes_no_sense_is_dropped(
    carrier: str,
    recovers: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options: dict[str, Any] = {"connection_state_recovery": True} if recovers else {}
    async with stage(carrier, request, caplog, **options) as made:
        trap = tmp_path / "trap"
        for lie in (*raw(trap), *ENVELOPES):
            await made.say(lie)
        await made.check()
        for name in ("liar", "emitter", made.id_of(made.b)):
            for number, lie in enumerate(lies(name)):
                await made.say(lie)
                if number % 200 == 0:
                    await asyncio.sleep(0.01)  # so that nobody is too slow for it
            await made.say({"uid": name, "nsp": "/", "type": 13})  # with what it has begun
            await made.check()
        assert not trap.exists()
        assert 2 <= len(made.dropped) <= 40, "one for each time that there are twice as many"


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_what_is_said_in_the_name_of_another_is_put_right(
    carrier: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is signed: it is believed, but not for long."""
    async with stage(carrier, request, caplog) as made:
        await made.check()
        name = made.id_of(made.b)
        own = {"version": 1, "parser": "default", "interest": 10**9}
        for lie in (
            {"type": 13},
            {"type": 2, "n": 10**9, "s": 10**9, "data": {"sockwave": own}},
            {"type": 101, "data": {"version": 10**9, "rooms": []}},
            {"type": 101, "data": {"version": 10**9, "filter": bytes(1024)}},
            {"type": 2, "n": 2**62, "s": 2**62},
            {"type": 13},
        ):
            await made.say({"uid": name, "nsp": "/", **lie})
        # What it says to itself is not believed at all, by any of the two.
        await made.check()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_message_of_100_mb_is_dropped(
    carrier: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(carrier, request, caplog) as made:
        await made.check()
        event = {"type": 2, "data": ["forged", "x" * LARGE]}
        message = {
            "uid": "l",
            "nsp": "/",
            "type": 3,
            "data": {"opts": {"rooms": []}, "packet": event},
        }
        for lie in (bytes(LARGE), message):
            before = made.told
            await made.say(lie)
            await until(lambda before=before: made.told > before, PATIENCE)  # type: ignore[misc]
            await made.check()
