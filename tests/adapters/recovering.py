"""A cluster whose sockets come back to any of its processes, and what each client must get from it:
processes are real adapters on a carrier in memory, in a loop in which waiting takes no time."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from sockwave.adapters.memory import Faults, MemoryBroker
from sockwave.adapters.recovering import RecoveringClusterAdapter
from sockwave.engine.core.heartbeat import TimingWheel
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.recovery import Recovery, SavedSession
from sockwave.socketio.core.recovery_contract import RecoveryMeans
from sockwave.types import SocketId
from tests.adapters.fakes import FakeClusterNamespace
from tests.engine.core.fakes import wire
from tests.socketio.core.fakes import FakeSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sockwave.adapters import Capabilities
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.socketio.core.outgoing import EncodedPacket

__all__ = ["Client", "Process", "World"]


class LoopClock:
    """Deadlines by the time of the running loop."""

    def __init__(self) -> None:
        self._wheel = TimingWheel()

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        self._wheel.schedule(entry, deadline)

    def cancel(self, entry: WheelEntry) -> None:
        self._wheel.cancel(entry)


@dataclass
class FakeConnection:
    """A session, as far as its id."""

    id: str


class ServerSocket(FakeSocket):
    """A socket as the adapter sees it, with what belongs to it."""

    def __init__(self, name: str, pid: str, data: dict[str, Any]) -> None:
        super().__init__(name)
        self.pid: str | None = pid
        self.data = data
        self.conn = FakeConnection(f"session of {name}")


class Namespace(FakeClusterNamespace):
    """A namespace with lost sockets."""

    adapter: RecoveringClusterAdapter

    def __init__(self) -> None:
        super().__init__()
        self.recovery_means = RecoveryMeans(
            clock=LoopClock(),
            options=Recovery(),
            grace=45.0,
            max_replay=10**6,
            vacated=self.vacated,
        )

    def vacated(self) -> None:
        """Nobody may come back any more."""

    def leave_local(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        lost = self.adapter.select_lost(options)
        super().leave_local(options, rooms)
        for id_ in lost:
            for room in rooms:
                self.adapter.remove(id_, room)

    def join_local(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        lost = self.adapter.select_lost(options)
        super().join_local(options, rooms)
        for id_ in lost:
            self.adapter.add(id_, rooms)

    def disconnect_local(self, options: BroadcastOptions, *, close: bool) -> None:
        for id_ in self.adapter.select_lost(options):
            self.adapter.revoke(id_)
        super().disconnect_local(options, close=close)


class Process:
    """A process of the cluster."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self.name = name
        self.driver = broker.driver()
        self.namespace = Namespace()
        self.adapter = self.namespace.adapter = RecoveringClusterAdapter(
            self.namespace, self.driver, self.namespace.recovery_means
        )
        self.adapter.when_wanted(self._wanted)
        self.is_running = True
        self.numbers = itertools.count()
        self.adapter.start()

    @property
    def sockets(self) -> dict[SocketId, Any]:
        return self.namespace.sockets

    def let_in(self, client: Client, rooms: tuple[str, ...]) -> None:
        """A new socket for a client."""
        id_ = SocketId(f"{client.name}_{next(client.numbers)}".rjust(20, "_"))
        pid = self.adapter.epoch + id_
        self.adapter.begin(id_)
        client.socket = ServerSocket(id_, pid, {"client": client.name})
        self.sockets[id_] = client.socket
        self.adapter.watch(id_, client.socket)
        self.adapter.add(id_, rooms)
        client.pid, client.offset, client.process, client.taken = pid, None, self, 0

    async def restore(self, client: Client) -> bool:
        """A client is back; whether it is recovered."""
        assert client.pid is not None
        self._wanted(client.pid)
        found: Any = self.adapter.restore(client.pid, client.offset)
        session: SavedSession | None = await found if isawaitable(found) else found
        if session is None or not self.is_running:
            return False
        assert session.data == {"client": client.name}
        missed = self.adapter.replay(session.id)
        if missed is None:
            return False
        client.socket = ServerSocket(session.id, client.pid, session.data)
        self.sockets[session.id] = client.socket
        self.adapter.watch(session.id, client.socket)
        client.socket.packets += [packet_texts(packet) for packet in missed]
        client.process, client.taken = self, 0
        return True

    def _wanted(self, pid: str) -> None:
        for socket in list(self.sockets.values()):
            if socket.pid == pid:
                self.lose(socket)

    def lose(self, socket: ServerSocket) -> None:
        """The loss of a connection is noticed."""
        if self.sockets.pop(socket.id, None) is None or socket.pid is None:
            return
        rooms = tuple(self.adapter.rooms_of(socket.id) - {socket.id})
        session = SavedSession(socket.id, socket.pid, rooms, socket.data, socket.conn.id)
        self.adapter.save(session)
        self.adapter.remove_all(socket.id)

    def emit(self, name: str, options: BroadcastOptions) -> None:
        """Broadcast an event."""
        self.adapter.broadcast((name, {"binary": b"\x00"}), options)

    def close(self) -> None:
        """Say goodbye."""
        for socket in list(self.sockets.values()):
            self.lose(socket)
        self.is_running = False
        self.adapter.close()
        self.driver.kill()

    def die(self) -> None:
        """End without a word."""
        self.is_running = False
        self.driver.kill()
        # Its loop is that of the test: nothing of it may go on.
        self.adapter.close()


def packet_texts(packet: EncodedPacket) -> list[str]:
    """What goes over the wire."""
    return wire([packet.text, *packet.attachments])


@dataclass
class Client:
    """A client, what it has got, and what it must have got.

    Attributes:
        rooms: Where it is, as the application has it.
        must: Events that it has to get.
        may: Events that it may get: somebody was joining or dying at that moment.
        got: Names of what it has got, in order.
        taken: Packets of its socket that have arrived.
    """

    name: str
    pid: str | None = None
    offset: str | None = None
    process: Process | None = None
    socket: Any = None
    rooms: set[str] = field(default_factory=set)
    must: list[str] = field(default_factory=list)
    may: set[str] = field(default_factory=set)
    got: list[str] = field(default_factory=list)
    taken: int = 0
    is_connected: bool = False
    is_returning: bool = False
    is_revoked: bool = False
    numbers: Any = field(default_factory=itertools.count)

    def take(self, most: int = 10**9) -> None:
        """Packets of its socket arrive."""
        for packet in self.socket.packets[self.taken : self.taken + most]:
            self.taken += 1
            text = packet[0]
            self.got.append(text.split('"')[1])
            self.offset = text.removesuffix('"]').rpartition('"')[2]

    def forget(self) -> None:
        """It is a new one."""
        self.pid = self.offset = self.process = self.socket = None
        self.rooms, self.must, self.may, self.got = set(), [], set(), []
        self.is_revoked = False

    def check(self) -> None:
        """Nothing is missing, nothing came twice, nothing was for somebody else."""
        assert len(set(self.got)) == len(self.got), "an event came twice"
        assert set(self.must) <= set(self.got), f"missing: {set(self.must) - set(self.got)}"
        allowed = set(self.must) | self.may
        assert set(self.got) <= allowed, f"foreign: {set(self.got) - allowed}"
        last: dict[str, int] = {}
        for name in self.got:
            sender, _, number = name.partition(":")
            assert int(number) > last.get(sender, -1), "events of one process are out of order"
            last[sender] = int(number)


class World:
    """Processes and clients that do what a script says."""

    def __init__(
        self, seed: int, processes: int = 3, capabilities: Capabilities | None = None
    ) -> None:
        self.broker = MemoryBroker(seed=seed, capabilities=capabilities)
        self.broker.faults = Faults(delay=0.01)
        self.names = itertools.count()
        self.processes = [self.start() for _ in range(processes)]
        self.clients: list[Client] = []
        self.recovered = 0
        self.renewed = 0
        # Of what happened since all was quiet.
        self.unsettled: set[str] = set()
        self.dying: set[str] = set()
        self.moved: set[str] = set()
        self.latest: list[str] = []

    def start(self) -> Process:
        return Process(self.broker, f"P{next(self.names)}")

    @property
    def running(self) -> list[Process]:
        return [each for each in self.processes if each.is_running]

    async def settle(self, seconds: float = 3.0) -> None:
        """Let everybody hear everything."""
        for process in self.running:
            process.driver.resume()
        await asyncio.sleep(seconds)
        self.unsettled.clear()
        self.dying.clear()
        self.moved.clear()
        self.latest.clear()

    def unsettle(self, client: Client) -> None:
        """It joins or leaves rooms: what is sent at that moment may reach it or not."""
        self.unsettled.add(client.name)
        client.may.update(self.latest)
        client.must = [name for name in client.must if name not in client.may]

    def end(self, process: Process, *, is_dead: bool) -> None:
        """A process ends: what it has sent at that moment may be lost with it."""
        self.dying.add(process.name)
        if is_dead:
            sent = {name for name in self.latest if name.startswith(process.name + ":")}
            for client in self.clients:
                client.may |= sent
                client.must = [name for name in client.must if name not in client.may]
            process.die()
        else:
            process.close()

    # --- clients ---

    def connect(self, client: Client, process: Process, rooms: tuple[str, ...]) -> None:
        """A client comes for the first time, or again as a new one."""
        client.forget()
        process.let_in(client, rooms)
        client.rooms, client.is_connected = set(rooms), True
        self.unsettle(client)

    def cut(self, client: Client, arrived: int, *, is_noticed: bool) -> None:
        """Its connection breaks, with some packets on the way."""
        client.take(arrived)
        client.is_connected = False
        if is_noticed and client.process is not None and client.process.is_running:
            client.process.lose(client.socket)

    async def come_back(self, client: Client, process: Process) -> bool:
        """It comes back; whether it was recovered."""
        if await process.restore(client):
            client.is_connected = True
            self.recovered += 1
            return True
        self.renewed += 1
        if process.is_running:
            self.connect(client, process, ("r",))
        else:
            client.forget()
        return False

    def returning(self, client: Client, process: Process) -> Awaitable[bool]:
        """The same, beside what follows."""
        client.is_returning = True
        returning = asyncio.ensure_future(self.come_back(client, process))

        def done(_: object) -> None:
            client.is_returning = False

        returning.add_done_callback(done)
        return returning

    # --- what is sent ---

    def emit(self, process: Process, options: BroadcastOptions) -> str:
        """Broadcast, and note who has to get it."""
        name = f"{process.name}:{next(process.numbers)}"
        for client in self.clients:
            if client.pid is None:
                continue
            id_ = client.pid[13:]
            rooms = {*client.rooms, id_}
            is_meant = (options.rooms is None or bool(rooms & set(options.rooms))) and not (
                rooms & set(options.excluded)
            )
            if client.name in self.unsettled or process.name in self.dying:
                client.may.add(name)
            elif is_meant:
                client.must.append(name)
        self.latest.append(name)
        process.emit(name, options)
        return name

    def emit_to(self, client: Client) -> None:
        """What the socket itself emits, where it is."""
        process = client.process
        if client.pid is None or process is None or not process.is_running:
            return
        id_ = SocketId(client.pid[13:])
        if process.adapter.is_here(id_):
            name = f"{process.name}:{next(process.numbers)}"
            (client.may.add if process.name in self.dying else client.must.append)(name)
            flags = BroadcastFlags(local=True)
            self.latest.append(name)
            process.emit(name, BroadcastOptions(rooms=(id_,), flags=flags))

    def change(
        self, process: Process, what: str, options: BroadcastOptions, rooms: tuple[str, ...]
    ) -> None:
        """The application moves clients, or takes them out, wherever they are."""
        for client in self.clients:
            if client.pid is None:
                continue
            here = {*client.rooms, client.pid[13:]}
            if here & set(options.rooms or here) and not here & set(options.excluded):
                self.unsettle(client)
                if what == "join":
                    client.rooms |= set(rooms)
                elif what == "leave":
                    client.rooms -= set(rooms)
                else:
                    client.is_revoked = True
        namespace, adapter = process.namespace, process.adapter
        if what == "join":
            adapter.join_remote(options, rooms)
            namespace.join_local(options, rooms)
        elif what == "leave":
            adapter.leave_remote(options, rooms)
            namespace.leave_local(options, rooms)
        else:
            adapter.disconnect_remote(options, close=False)
            namespace.disconnect_local(options, close=False)

    def check(self) -> None:
        """All that must hold, for those who are connected."""
        for client in self.clients:
            if client.is_connected and client.pid is not None:
                client.take()
                client.check()
