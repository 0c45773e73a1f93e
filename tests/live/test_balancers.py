"""Clients of all kinds behind nginx and HAProxy, as the files in `examples/balancers` set them up.

Three servers, and TLS at the balancer. Servers that are joined by `WorkersAdapter`, or that have
`relay=True`, need none that keeps clients where they are; others do.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from interop.members import LONG, PYTHON_TRANSPORTS, JsMember, PythonMember
from interop.node import NodeDriver
from interop.stage import TRANSPORTS
from sockwave import AckTimeout, Disconnected, connect
from tests.live.balancers import HAProxy, Nginx, Servers
from tests.support import peers
from tests.support.certificate import write_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from interop.members import Member
    from sockwave import ClientSocket
    from tests.live.balancers import Balancer, Passed

MORE: Final = """
from server import SERVER, io

@io.on("connection")
def connection(socket):
    socket.on("where", lambda: SERVER)
    socket.on("who", lambda: socket.id)
    socket.on("echo", lambda *args: [*args])
    socket.on("client", lambda: [socket.handshake.address, socket.handshake.secure])

    @socket.on("shout")
    def shout(room, *args):
        io.to(room).emit("heard", *args)

    @socket.on("survey")
    async def survey(room):
        return [answer for answer in await io.to(room).emit_with_ack("question", timeout=60.0)]

    @socket.on("tell")
    def tell(room, number):
        io.to(room).emit("told", number)
        return True

    @socket.on("count")
    async def count(room):
        return await io.in_(room).count()
"""

OF_KIND: Final = 5
"""Clients of each kind with each transport."""
CLIENTS: Final = OF_KIND * len(TRANSPORTS) * 2
ROOMS: Final = 3
SHOUTS: Final = 10


@dataclass(frozen=True)
class Recipe:
    """A file, and what it does with clients.

    Attributes:
        is_sticky: Whether it keeps a session where it is.
        changes: Words of it that the page says to change.
    """

    kind: type[Nginx | HAProxy]
    file: str
    is_sticky: bool = True
    changes: Mapping[str, str] = field(default_factory=dict)


RECIPES: Final = {
    "nginx by session": Recipe(Nginx, "nginx-by-session.conf"),
    "nginx by address": Recipe(Nginx, "nginx-by-address.conf"),
    "nginx, any server": Recipe(Nginx, "nginx-any-server.conf", is_sticky=False),
    "HAProxy by session": Recipe(HAProxy, "haproxy-by-session.cfg"),
    "HAProxy by cookie": Recipe(HAProxy, "haproxy-by-cookie.cfg"),
    "HAProxy by our cookie": Recipe(
        HAProxy,
        "haproxy-by-cookie.cfg",
        changes={
            "cookie server insert indirect nocache httponly secure": "cookie io prefix nocache"
        },
    ),
    "HAProxy, any server": Recipe(HAProxy, "haproxy-any-server.cfg", is_sticky=False),
}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "chat.pem")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """That of the servers' program, `tried`: the example, and more for its clients to do."""
    (tmp_path / "tried.py").write_text(MORE)
    return tmp_path


def room_of(number: int) -> str:
    return f"room {number % ROOMS}"


def address_of(number: int) -> str:
    return f"192.0.2.{number + 1}"


def from_address(number: int) -> dict[str, str]:
    """Headers of a client that has an address of its own."""
    return {"X-Forwarded-For": address_of(number)}


def trust(certificate: Path) -> tuple[ssl.SSLContext, str]:
    """What clients of ours, and of JavaScript, take for an authority."""
    return ssl.create_default_context(cafile=certificate), certificate.read_text()


@asynccontextmanager
async def crowd(
    balancer: Balancer, certificate: Path, driver: NodeDriver
) -> AsyncIterator[list[Member]]:
    """Both kinds of clients with all transports, connected, each of an address of its own."""
    trusted, authority = trust(certificate)
    members: list[Member] = []
    try:
        for transport in TRANSPORTS:
            for _ in range(OF_KIND):
                number = len(members)
                members.append(
                    JsMember(
                        *(driver, "sio4", balancer.url, transport, number),
                        ca=authority,
                        extraHeaders=from_address(number),
                        withCredentials=True,
                    )
                )
                members.append(
                    PythonMember(
                        *(balancer.url, transport, number + 1),
                        ssl=trusted,
                        extra_headers=from_address(number + 1),
                        with_credentials=True,
                    )
                )
        await asyncio.gather(*(member.connected() for member in members))
        yield members
    finally:
        await driver.close_clients()
        for member in members:
            await member.aclose()


CARRIERS: Final = {
    "workers": "",
    "redis": "redis_url",
    "streams": "redis_url",
    "postgres": "postgres_dsn",
    "nats": "nats_url",
}
"""Names of adapters, as the example has them, and the fixtures that have the addresses."""

PLACES: Final = [
    *((name, "workers") for name in RECIPES),
    *((name, "redis") for name, recipe in RECIPES.items() if recipe.is_sticky),
    *((name, "streams") for name in ("nginx by session", "HAProxy by session")),
    *((name, "postgres") for name in ("nginx by session", "HAProxy by cookie")),
    *((name, "nats") for name in ("nginx by address", "HAProxy by session")),
    *(("nginx, any server", carrier) for carrier in ("redis", "streams", "postgres", "nats")),
    *(("HAProxy, any server", carrier) for carrier in ("redis", "nats")),
]
"""Recipes, and what joins the servers behind them."""

FAREWELLS: Final = [
    # Any of the others may carry a client's WebSocket, which then is a new one without recovery.
    place
    for place in PLACES
    if RECIPES[place[0]].is_sticky or place[1] != "redis"
]


def carried(
    carrier: str, folder: Path, request: pytest.FixtureRequest, *, is_sticky: bool = True
) -> Servers:
    """Servers that are joined by a carrier, and relay where nothing keeps clients in place."""
    settings = {"ADAPTER": carrier}
    if not is_sticky and carrier != "workers":
        settings["RELAY"] = "yes"
    if fixture := CARRIERS[carrier]:
        settings["CARRIER"] = request.getfixturevalue(fixture)
    return Servers(folder, "tried", settings)


@pytest.mark.interop
@pytest.mark.parametrize(("name", "carrier"), PLACES)
async def test_clients_behind_a_balancer_are_of_one_server(
    name: str, carrier: str, folder: Path, certificate: Path, request: pytest.FixtureRequest
) -> None:
    recipe = RECIPES[name]
    with carried(carrier, folder, request, is_sticky=recipe.is_sticky) as servers:
        with recipe.kind(recipe.file, servers, certificate, recipe.changes) as balancer:
            async with (
                NodeDriver(peers.node()) as driver,
                crowd(balancer, certificate, driver) as members,
            ):
                assert len(members) == CLIENTS
                await check_places(members)
                await check_rooms(members)
                await check_shouts(members)
                assert [await member.faults() for member in members] == [[]] * CLIENTS
            await asyncio.to_thread(balancer.stop)
            check_ways(balancer.passed(), is_sticky=recipe.is_sticky)
        assert "bad request" not in servers.output
        assert "refused" not in servers.output


async def check_places(members: list[Member]) -> None:
    """All servers have clients, and know where these are; long messages arrive."""
    assert {await member.ask("where") for member in members} == {"a", "b", "c"}
    for number, member in enumerate(members):
        assert await member.ask("client") == [address_of(number), True], member.kind
    long = "x" * 900_000  # a poll's body may have a million bytes
    for member in members[:: OF_KIND * 2] + members[1 :: OF_KIND * 2]:
        assert await member.ask("echo", 1, b"\x00\xff", long) == [1, b"\x00\xff", long]


async def check_rooms(members: list[Member]) -> None:
    """Rooms have clients of all servers, and whoever asks a room is answered by all in it."""
    for number, member in enumerate(members):
        await member.ask("enter", room_of(number))
    for room in range(ROOMS):
        asked = [number for number in range(CLIENTS) if number % ROOMS == room]
        places = {await members[number].ask("where"): members[number] for number in asked}
        for member in places.values():
            while await member.ask("count", room_of(room)) != len(asked):
                await asyncio.sleep(0.01)
            assert sorted(await member.ask("survey", room_of(room))) == asked


async def check_shouts(members: list[Member]) -> None:
    """Each event comes once to all in its room, and those of one client in their order."""

    async def shout(number: int) -> None:
        for turn in range(SHOUTS):
            await members[number].emit("shout", room_of(number), number, turn, bytes([turn]))

    shouting = range(0, CLIENTS, 2 * OF_KIND - 1)
    await asyncio.gather(*map(shout, shouting))
    shouters: dict[str, list[int]] = defaultdict(list)
    for number in shouting:
        shouters[room_of(number)].append(number)
    for number, member in enumerate(members):
        await member.heard(SHOUTS * len(shouters[room_of(number)]))
        await member.ask("where")  # behind whatever is too much
    for number, member in enumerate(members):
        expected = shouters[room_of(number)]
        heard = await member.heard(0)
        assert len(heard) == SHOUTS * len(expected), member.kind
        for each in expected:
            # JavaScript's clients hand out the offset for recovery behind the arguments.
            from_one = [event[:3] for event in heard if event[0] == each]
            assert from_one == [[each, turn, bytes([turn])] for turn in range(SHOUTS)]


def check_ways(passed: list[Passed], *, is_sticky: bool) -> None:
    """No request was refused, and those of a session went to one server, or to many."""
    assert {each.status for each in passed} <= {101, 200}
    ways: dict[str, list[str]] = defaultdict(list)
    for each in passed:
        if each.sid:
            ways[each.sid].append(each.server)
    polling = [way for way in ways.values() if len(way) > 5]
    assert len(polling) >= CLIENTS // 3
    if is_sticky:
        assert {len(set(way)) for way in ways.values()} == {1}
    else:
        assert {len(set(way)) for way in polling} <= {2, 3}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_example_is_one_server_on_each_carrier(
    carrier: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    with carried(carrier, folder, request) as servers:
        async with AsyncExitStack() as stack:
            clients = []
            for port in servers.ports:
                client = connect(f"http://127.0.0.1:{port}", transports=["websocket"])
                stack.push_async_callback(client.aclose)
                clients.append(client)
            heard: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in clients]
            for client, queue in zip(clients, heard, strict=True):
                client.on("said", queue.put_nowait)
            names = [
                await client.emit_with_ack("enter", "kitchen", timeout=LONG) for client in clients
            ]
            assert names == [*servers.each]
            for client in clients:
                while await client.emit_with_ack("count", "kitchen", timeout=LONG) != len(clients):
                    await asyncio.sleep(0.01)
            for number, client in enumerate(clients):
                client.emit("say", "kitchen", f"soup {number}")
                async with asyncio.timeout(LONG):
                    assert [await queue.get() for queue in heard] == [f"soup {number}"] * len(
                        clients
                    )


class Listener(Protocol):
    """A client that connects again after a loss, and keeps what it is told."""

    kind: str

    async def ask(self, event: str, *args: Any) -> Any:
        """Emit, and wait for the acknowledgement, which has one value."""

    async def told(self, last: int) -> list[int]:
        """All numbers until this one."""

    async def is_recovered(self) -> bool:
        """Whether its last connection goes on with the one before."""

    async def aclose(self) -> None:
        """Leave."""


class JsListener:
    """In JavaScript."""

    def __init__(
        self, driver: NodeDriver, url: str, transport: str, authority: str, number: int
    ) -> None:
        self.kind = f"sio4 {transport}"
        self._told: list[int] = []
        self._client = driver.client(
            url,
            transports=TRANSPORTS[transport],
            ca=authority,
            extraHeaders=from_address(number),
            withCredentials=True,
            reconnection=True,
            reconnectionDelay=50,
            reconnectionDelayMax=500,
        )

    async def ask(self, event: str, *args: Any) -> Any:
        (answer,) = await self._client.ask(event, *args)
        return answer

    async def told(self, last: int) -> list[int]:
        while last not in self._told:
            self._told.append((await self._client.received("told"))[0])
        return self._told

    async def is_recovered(self) -> bool:
        recovered: bool = await self._client.evaluate("socket.recovered === true")
        return recovered

    async def aclose(self) -> None:
        """With the driver's others."""


class PythonListener:
    """Of ours."""

    def __init__(self, url: str, transport: str, trusted: ssl.SSLContext, number: int) -> None:
        self.kind = f"python {transport}"
        self._told: list[int] = []
        self._more = asyncio.Event()
        self._socket = connect(
            url,
            transports=PYTHON_TRANSPORTS[transport],
            ssl=trusted,
            extra_headers=from_address(number),
            with_credentials=True,
            reconnection_delay=0.05,
            reconnection_delay_max=0.5,
        )
        self._socket.on("told", self._hear)

    def _hear(self, number: int) -> None:
        self._told.append(number)
        self._more.set()

    async def ask(self, event: str, *args: Any) -> Any:
        return await self._socket.emit_with_ack(event, *args, timeout=LONG)

    async def told(self, last: int) -> list[int]:
        async with asyncio.timeout(LONG):
            while last not in self._told:
                self._more.clear()
                await self._more.wait()
        return self._told

    async def is_recovered(self) -> bool:
        return self._socket.recovered

    async def aclose(self) -> None:
        await self._socket.aclose()


@pytest.mark.interop
@pytest.mark.parametrize(("name", "carrier"), FAREWELLS)
async def test_server_that_is_taken_away_leaves_its_clients_to_others(
    name: str, carrier: str, folder: Path, certificate: Path, request: pytest.FixtureRequest
) -> None:
    recipe = RECIPES[name]
    with (
        carried(carrier, folder, request, is_sticky=recipe.is_sticky) as servers,
        recipe.kind(recipe.file, servers, certificate, recipe.changes) as balancer,
    ):
        async with NodeDriver(peers.node()) as driver, AsyncExitStack() as stack:
            where_b = f"http://127.0.0.1:{servers.each['b'].port}"
            teller = connect(where_b, transports=["websocket"])
            stack.push_async_callback(teller.aclose)
            stack.push_async_callback(driver.close_clients)
            trusted, authority = trust(certificate)
            listeners: list[Listener] = []
            for transport in [*TRANSPORTS] * 3:
                where = (balancer.url, transport)
                listeners.append(JsListener(driver, *where, authority, len(listeners)))
                python = PythonListener(*where, trusted, len(listeners))
                stack.push_async_callback(python.aclose)
                listeners.append(python)
            await check_farewell(listeners, servers, teller, recovers=carrier != "redis")


@pytest.mark.interop
@pytest.mark.parametrize("carrier", ["redis", "nats"])
async def test_clients_go_on_when_a_server_that_relays_is_killed(
    carrier: str, folder: Path, certificate: Path, request: pytest.FixtureRequest
) -> None:
    with (
        carried(carrier, folder, request, is_sticky=False) as servers,
        Nginx("nginx-any-server.conf", servers, certificate) as balancer,
    ):
        async with NodeDriver(peers.node()) as driver:
            trusted, authority = trust(certificate)
            listeners: list[Listener] = []
            for transport in [*TRANSPORTS] * 3:
                where = (balancer.url, transport)
                listeners.append(JsListener(driver, *where, authority, len(listeners)))
                listeners.append(PythonListener(*where, trusted, len(listeners)))
            try:
                await check_killed(listeners, servers)
            finally:
                await driver.close_clients()
                await asyncio.gather(*(listener.aclose() for listener in listeners))


async def check_killed(listeners: list[Listener], servers: Servers) -> None:
    """Kill the server of most clients: these, and those whose requests were there, come again, and
    who has nothing to do with it goes on as it was."""
    places = [await listener.ask("where") for listener in listeners]
    names = [await listener.ask("who") for listener in listeners]
    killed = max(servers.each, key=places.count)
    await asyncio.to_thread(servers.each[killed].kill)
    now = await asyncio.gather(*(asked_again(listener, "where") for listener in listeners))
    assert killed not in now
    for listener, place, name in zip(listeners, places, names, strict=True):
        if listener.kind.endswith("websocket") and place != killed:
            assert await listener.ask("who") == name, listener.kind


async def asked_again(listener: Listener, event: str) -> Any:
    """Ask until there is an answer: one that was on its way to a server is lost with it."""
    async with asyncio.timeout(LONG):
        while True:
            with suppress(TimeoutError, Disconnected, AckTimeout):
                async with asyncio.timeout(LONG / 20):
                    return await listener.ask(event)


async def check_farewell(
    listeners: list[Listener], servers: Servers, teller: ClientSocket, *, recovers: bool
) -> None:
    """Tell all of them numbers while a server goes, not the teller's: each has each once, in order,
    and so have those of the server that goes if they can be recovered."""
    for listener in listeners:
        await listener.ask("enter", "all")
    places = [await listener.ask("where") for listener in listeners]
    leaving = servers.each[max("ac", key=places.count)]
    assert leaving.name in places, "nobody is there"
    while await teller.emit_with_ack("count", "all", timeout=LONG) != len(listeners):
        await asyncio.sleep(0.01)
    number = 0
    while leaving.exit_code is None:
        if number == 20:
            leaving.drain()
        assert await teller.emit_with_ack("tell", "all", number, timeout=LONG)
        number += 1
        await asyncio.sleep(0.02)
    assert leaving.exit_code == 0, leaving.output
    stayed = [
        listener for listener, name in zip(listeners, places, strict=True) if name != leaving.name
    ]
    moved = [listener for listener in listeners if listener not in stayed]
    if not recovers:  # they are new ones, in no room
        for listener in moved:
            await listener.ask("enter", "all")
        while await teller.emit_with_ack("count", "all", timeout=LONG) != len(listeners):
            await asyncio.sleep(0.01)
    assert await teller.emit_with_ack("tell", "all", number, timeout=LONG)
    for listener in stayed if not recovers else listeners:
        assert await listener.told(number) == [*range(number + 1)], listener.kind
    for listener in moved:
        assert await listener.is_recovered() is recovers, listener.kind
        assert await listener.ask("where") != leaving.name
        told = await listener.told(number)
        assert told == sorted({*told}), listener.kind
