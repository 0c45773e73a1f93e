"""What every carrier of a cluster must do, as tests that run against yours.

    class TestMyDriver(DriverSuite):
        async def make_driver(self) -> Driver:
            return MyDriver("my://localhost")

pytest finds the tests in the class. They need no plug-in: each runs an event loop of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sockwave.adapters.adapter import ClusterAdapter
from sockwave.codec.socketio import event_prefix
from sockwave.engine.core.broadcast_write import BroadcastWrite
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Driver
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.cluster_contract import ClusterMember
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import Room

__all__ = ["DriverSuite"]

LARGE: Final = 1024 * 1024


class _Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: list[str] = []
        self.gone: set[str] = set()

    def message_received(self, message: bytes) -> None:
        self.heard.append(message)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        self.gone |= addresses


class DriverSuite:
    """Tests of a `Driver`: inherit from it, and make drivers.

    Every test uses channels of its own, so that a carrier may be shared.

    Attributes:
        patience: Seconds after which what has not come does not come; tests that pass wait for as
            long as it takes only.
        silence: Seconds to wait for what must not come.
    """

    patience: float = 5.0
    silence: float = 0.05

    async def make_driver(self) -> Driver:
        """Make a driver, not started; all that one test makes reach each other."""
        raise NotImplementedError

    # --- what tests use ---------------------------------------------------------------------------

    def _run(self, test: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(test(f"/{uuid4().hex}"))

    @asynccontextmanager
    async def _drivers(self, count: int) -> AsyncIterator[list[Driver]]:
        drivers = [await self.make_driver() for _ in range(count)]
        try:
            for driver in drivers:
                await driver.start()
            yield drivers
        finally:
            for driver in drivers:
                await driver.aclose()

    async def _listen(self, driver: Driver, channel: str, address: str) -> _Ear:
        ear = _Ear()
        await driver.subscribe(channel, address, ear)
        return ear

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(self.patience):
            while not is_so():
                await asyncio.sleep(0.001)

    # --- messages ---------------------------------------------------------------------------------

    def test_message_to_all_reaches_everybody_else_once(self) -> None:
        """What is published without addresses is for the whole channel."""

        async def test(channel: str) -> None:
            async with self._drivers(3) as (a, b, c):
                await self._listen(a, channel, "a")
                ears = [await self._listen(b, channel, "b"), await self._listen(c, channel, "c")]
                a.publish(channel, b"\x00hello\xff")
                await self._until(lambda: all(ear.heard for ear in ears))
                await asyncio.sleep(self.silence)
                assert [ear.heard for ear in ears] == [[b"\x00hello\xff"]] * 2

        self._run(test)

    def test_message_to_some_reaches_them(self) -> None:
        """Addresses are obeyed: by carriers that say so, by leaving the others out."""

        async def test(channel: str) -> None:
            async with self._drivers(4) as (a, b, c, d):
                ears = [
                    await self._listen(driver, channel, name)
                    for driver, name in ((b, "b"), (c, "c"), (d, "d"))
                ]
                a.publish(channel, b"some", to=frozenset({"b", "c"}))
                await self._until(lambda: bool(ears[0].heard and ears[1].heard))
                await asyncio.sleep(self.silence)
                assert ears[0].heard == ears[1].heard == [b"some"]
                if a.capabilities.is_selective:
                    assert ears[2].heard == []

        self._run(test)

    def test_messages_arrive_in_order(self) -> None:
        """What goes to all and what goes to one are one sequence."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                sent = [b"%d" % number for number in range(500)]
                for number, message in enumerate(sent):
                    a.publish(channel, message, to=frozenset({"b"}) if number % 3 else None)
                await self._until(lambda: len(ear.heard) == len(sent))
                if a.capabilities.is_ordered:
                    assert ear.heard == sent
                else:
                    assert sorted(ear.heard) == sorted(sent)

        self._run(test)

    def test_large_message_arrives_whole(self) -> None:
        """A broadcast may have a megabyte."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                message = bytes(range(256)) * (LARGE // 256)
                a.publish(channel, message)
                await self._until(lambda: bool(ear.heard))
                assert ear.heard == [message]

        self._run(test)

    def test_channels_are_apart(self) -> None:
        """One driver listens to several, and each message comes out where it belongs."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                here = await self._listen(b, channel, "b")
                there = await self._listen(b, f"{channel}/admin", "b")
                a.publish(channel, b"1")
                a.publish(f"{channel}/admin", b"2", to=frozenset({"b"}))
                await self._until(lambda: bool(here.heard and there.heard))
                assert (here.heard, there.heard) == ([b"1"], [b"2"])

        self._run(test)

    def test_receiver_is_never_called_within_a_call(self) -> None:
        """Whoever publishes can rely on finishing first."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear, other = _Ear(), await self._listen(b, channel, "b")
                await a.subscribe(channel, "a", ear)
                a.publish(channel, b"x")
                b.publish(channel, b"y")
                assert (ear.heard, other.heard) == ([], [])
                await self._until(lambda: b"y" in ear.heard and bool(other.heard))

        self._run(test)

    def test_receiver_may_publish_and_subscribe_no_longer(self) -> None:
        """What it is told may make it act."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(a, channel, "a")

                class Answering(_Ear):
                    def message_received(self, message: bytes) -> None:
                        super().message_received(message)
                        b.publish(channel, b"answer", to=frozenset({"a"}))
                        b.unsubscribe(channel, "b")

                await b.subscribe(channel, "b", Answering())
                a.publish(channel, b"question")
                await self._until(lambda: b"answer" in ear.heard)

        self._run(test)

    # --- life -------------------------------------------------------------------------------------

    def test_published_before_the_start_is_kept(self) -> None:
        """A server may send before it is connected."""

        async def test(channel: str) -> None:
            async with self._drivers(1) as (b,):
                ear = await self._listen(b, channel, "b")
                early = await self.make_driver()
                try:
                    early.publish(channel, b"early")
                    await early.start()
                    await self._until(lambda: bool(ear.heard))
                finally:
                    await early.aclose()
                assert ear.heard == [b"early"]

        self._run(test)

    def test_nothing_comes_after_unsubscribing(self) -> None:
        """Nor does it fail to do so twice."""

        async def test(channel: str) -> None:
            async with self._drivers(3) as (a, b, c):
                gone = await self._listen(b, channel, "b")
                there = await self._listen(c, channel, "c")
                b.unsubscribe(channel, "b")
                b.unsubscribe(channel, "b")
                b.unsubscribe(f"{channel}/never", "b")
                a.publish(channel, b"x")
                await self._until(lambda: bool(there.heard))
                await asyncio.sleep(self.silence)
                assert gone.heard == []

        self._run(test)

    def test_what_was_published_before_the_end_arrives(self) -> None:
        """A goodbye is heard."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                a.publish(channel, b"goodbye")
                await a.aclose()
                await self._until(lambda: bool(ear.heard))

        self._run(test)

    def test_closed_driver_does_nothing(self) -> None:
        """Neither closing twice nor publishing afterwards is an error."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                await a.aclose()
                await a.aclose()
                a.publish(channel, b"x")
                await asyncio.sleep(self.silence)
                assert ear.heard == []

        self._run(test)

    def test_starting_twice_changes_nothing(self) -> None:
        """Each namespace starts the driver."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                await asyncio.gather(a.start(), b.start(), b.start())
                a.publish(channel, b"x")
                await self._until(lambda: bool(ear.heard))
                await asyncio.sleep(self.silence)
                assert ear.heard == [b"x"]

        self._run(test)

    def test_listeners_are_counted(self) -> None:
        """By carriers that say so."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                await self._listen(a, channel, "a")
                await self._listen(b, channel, "b")
                expected = 2 if a.capabilities.counts else None
                assert await a.count(channel) == expected

        self._run(test)

    def test_end_of_a_process_is_told(self) -> None:
        """By carriers that say so: to those in its channels, and not of those that only left."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as (a, b):
                ear = await self._listen(b, channel, "b")
                elsewhere = await self._listen(b, channel + "-other", "b")
                for address in ("left", "stayed"):
                    await self._listen(a, channel, address)
                a.unsubscribe(channel, "left")
                await a.aclose()
                expected = {"stayed"} if b.capabilities.notices_ends else set()
                if expected:
                    await self._until(lambda: bool(ear.gone))
                await asyncio.sleep(self.silence)
                assert (ear.gone, elsewhere.gone) == (expected, set())

        self._run(test)

    # --- a cluster on it --------------------------------------------------------------------------

    def test_cluster_works_on_it(self) -> None:
        """Two servers find each other, share rooms and answers, and part."""

        async def test(channel: str) -> None:
            async with self._drivers(2) as drivers:
                hosts = [_Host(channel, "a"), _Host(channel, "b")]
                a, b = (
                    ClusterAdapter(host, driver)
                    for host, driver in zip(hosts, drivers, strict=True)
                )
                for host, adapter in zip(hosts, (a, b), strict=True):
                    host.adapter = adapter
                    adapter.start()
                await self._until(lambda: all(len(host.members) == 1 for host in hosts))
                b.add(SocketId("b"), ["r"])
                a.join_remote(BroadcastOptions(("b",)), ("s",))
                a.broadcast(("x", b"\x00"), BroadcastOptions(("s",)))
                a.broadcast(("y",), BroadcastOptions())
                await self._until(lambda: len(hosts[1].socket.got) == 2)
                assert hosts[1].socket.got == [("x", b"\x00"), ("y",)]
                assert hosts[0].socket.got == [("y",)]
                assert await a.server_count() == 2
                assert (await b.count_remote(BroadcastOptions(), self.patience))[0] == 1
                (details,), outcome = await a.fetch_remote(BroadcastOptions(), self.patience)
                assert details.id == "b"
                assert details.rooms == {"b", "r", "s"}
                assert outcome.is_complete
                assert await a.server_side_emit_with_ack(("hi", 1), self.patience) == [["b", 1]]
                b.close()
                await self._until(lambda: not hosts[0].members)
                a.close()

        self._run(test)


class _Socket:
    """The one socket of a server."""

    plain = None

    def __init__(self, name: str) -> None:
        self.id = SocketId(name)
        self.got: list[tuple[Any, ...]] = []

    def deliver(self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags) -> None:
        self.got.append(tuple(args))

    def expect_ack(self, id_: int, done: Callable[[AckResult], None]) -> None:
        done((self.id,))

    def forget_ack(self, id_: int) -> None: ...


class _Host:
    """A namespace with one socket."""

    def __init__(self, name: str, socket: str) -> None:
        self.name = name
        self.event_prefix = event_prefix(name)
        self.parser: Parser | None = None
        self.broadcast_write = BroadcastWrite(lambda write: None)
        self.socket = _Socket(socket)
        self.sockets = {self.socket.id: self.socket}
        self.members: set[str] = set()
        self.adapter: ClusterAdapter | None = None

    def next_ack_id(self) -> int:
        return 0

    def join_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        if self.adapter is not None:
            for socket in self.adapter.select(options):
                self.adapter.add(socket.id, rooms)

    def leave_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None: ...

    def disconnect_local(self, options: BroadcastOptions, *, close: bool) -> None: ...

    def describe_local(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        assert self.adapter is not None
        return [
            {"id": id_, "handshake": {}, "rooms": sorted(self.adapter.rooms_of(id_)), "data": {}}
            for id_ in self.sockets
        ]

    async def server_event_received(self, event: str, *args: Any) -> Any:
        return [self.socket.id, *args]

    def member_joined(self, member: ClusterMember) -> None:
        self.members.add(member.id)

    def member_left(self, member: ClusterMember) -> None:
        self.members.discard(member.id)

    def cluster_failed(self, what: str) -> None: ...
