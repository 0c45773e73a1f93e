"""Many clients on bad connections, a server that emits in every way, and the history of it all."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sockwave
from sockwave import AckTimeout, Disconnected, Server
from sockwave.testing.fault_proxy import FaultProxy
from tests.history.record import History
from tests.support.raw import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave import ClientSocket, Socket
    from sockwave.types import TransportName

__all__ = ["Workload", "run"]

NODE: Final = "a"
ROOMS: Final = tuple(f"room {number}" for number in range(10))
TRANSPORTS: Final[tuple[tuple[TransportName, ...], ...]] = (
    ("polling",),
    ("websocket",),
    ("polling", "websocket"),
)
ACK_TIMEOUT: Final = 1.0
FAULTS: Final = ("reset", "cut", "slow", "thin", "merge", "deaf", "stall", "down")


@dataclass(frozen=True)
class Workload:
    """What is run.

    Attributes:
        seed: Of everything that is left to chance, but for how tasks take turns.
        seconds: Until faults and events stop.
        clients: How many; each behind a proxy of its own.
        faults: Whether their connections are spoilt.
    """

    seed: int
    seconds: float = 5.0
    clients: int = 50
    faults: bool = True


def digest_of(*args: Any) -> str:
    """A short hash of arguments, attachments included."""
    return hashlib.blake2b(repr(args).encode(), digest_size=8).hexdigest()


class _Run:
    """One run.

    Attributes:
        history: Of it.
    """

    def __init__(self, workload: Workload) -> None:
        self.history = History()
        self._workload = workload
        self._chance = random.Random(workload.seed)
        self._count = 0
        self._stopped = asyncio.Event()
        pings = 0.5 if workload.faults else 10.0
        # Nobody gives up where nothing is spoiled: a busy machine may take longer than a second.
        self._ack_timeout = ACK_TIMEOUT if workload.faults else DEADLINE
        self._io = Server(
            connection_state_recovery=True,
            ping_interval=pings,
            ping_timeout=pings,
            upgrade_timeout=2.0,
        )
        self._io.on("connection", self._connection)

    async def run(self) -> History:
        """Run it to the end."""
        async with AsyncExitStack() as stack:
            stack.enter_context(_telling_of(self._io.logger, self._note))
            listener = await stack.enter_async_context(self._io.listen())
            proxies, sockets = [], []
            for number in range(self._workload.clients):
                proxy = FaultProxy(listener.host, listener.port, seed=number)
                proxies.append(await stack.enter_async_context(proxy))
                sockets.append(self._client(proxy.url, number))
            stack.push_async_callback(self._close, sockets)
            await until(lambda: all(socket.connected for socket in sockets))
            work = [self._emit_events(), *map(self._say_things, sockets)]
            if self._workload.faults:
                work += map(self._spoil, proxies)
            tasks = [asyncio.create_task(each) for each in work]
            await asyncio.sleep(self._workload.seconds)
            async with asyncio.timeout(4 * DEADLINE):
                while not self._has_seen_all():  # a busy machine takes longer for as much
                    await asyncio.sleep(0.5)
            self._stopped.set()
            await asyncio.gather(*tasks)
            await self._quiet(sockets)
        return self.history

    def _has_seen_all(self) -> bool:
        """Whether there was something of each kind to be judged."""
        if not self._workload.faults:
            return True
        kinds = Counter(event.op for event in self.history.events)
        is_recovered = any(e.recovered for e in self.history.events if e.op == "connect")
        return is_recovered and kinds["deliver"] > 100 and kinds["answered"] > 0

    def _note(self, line: str) -> None:
        """What the server's log says."""
        if "attachments did not come in time" in line:
            self.history.add("late", node=NODE, detail=line)

    async def _quiet(self, sockets: list[ClientSocket]) -> None:
        """Wait until all are connected and have answered a last question, behind all the rest."""
        for socket in sockets:
            async with asyncio.timeout(4 * DEADLINE):
                while True:
                    try:
                        await socket.emit_with_ack("last", timeout=ACK_TIMEOUT)
                        break
                    except (AckTimeout, Disconnected):
                        await asyncio.sleep(0.05)

    async def _close(self, sockets: list[ClientSocket]) -> None:
        for socket in sockets:
            await socket.aclose()

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._workload.seed}.{self._count}"

    def _payload(self) -> tuple[Any, ...]:
        """Arguments; one in ten has attachments."""
        chance = self._chance
        if chance.random() < 0.1:
            return ({"a": chance.randbytes(8)}, chance.randbytes(chance.choice([0, 100, 5_000])))
        return ("x" * chance.choice([1, 50, 2_000]), chance.randrange(10**6))

    # --- the server -------------------------------------------------------------------------------

    def _connection(self, socket: Socket) -> None:
        history, sid = self.history, socket.id
        history.add(
            "connect",
            node=NODE,
            sid=sid,
            rooms=tuple(sorted(socket.rooms)),
            recovered=socket.recovered,
        )

        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            history.add("disconnect", node=NODE, sid=sid, detail=str(reason))

        @socket.on("say")
        def say(id_: str, *args: Any) -> str:
            history.add("handle", node=NODE, sid=sid, id=id_, digest=digest_of(*args))
            return id_

        socket.on("last", lambda: None)

    async def _emit_events(self) -> None:
        while not self._stopped.is_set():
            for _ in range(self._chance.randrange(6)):
                self._emit_or_move()
            await asyncio.sleep(self._chance.random() * 0.01)

    def _emit_or_move(self) -> None:
        chance, io = self._chance, self._io
        sockets = list(io.sockets.values())
        if not sockets:
            return
        socket = chance.choice(sockets)
        if chance.random() < 0.2:
            self._move(socket)
            return
        rooms: tuple[str, ...] = ()
        excluded: tuple[str, ...] = ()
        match chance.randrange(5):
            case 0:
                rooms = tuple(chance.sample(ROOMS, chance.randrange(1, 3)))
            case 1:
                rooms, excluded = (chance.choice(ROOMS),), (chance.choice(ROOMS),)
            case 2:
                rooms = (socket.id,)
            case 3:
                excluded = (socket.id,)
            case _:
                pass
        id_, payload = self._new_id(), self._payload()
        self.history.add(
            "emit", node=NODE, id=id_, rooms=rooms, excluded=excluded, digest=digest_of(*payload)
        )
        target = io.to(*rooms) if rooms else io
        (target.except_(*excluded) if excluded else target).emit("event", id_, *payload)

    def _move(self, socket: Socket) -> None:
        room = self._chance.choice(ROOMS)
        if room in socket.rooms:
            socket.leave(room)
            self.history.add("leave", node=NODE, sid=socket.id, rooms=(room,))
        else:
            socket.join(room)
            self.history.add("join", node=NODE, sid=socket.id, rooms=(room,))

    # --- clients ----------------------------------------------------------------------------------

    def _client(self, url: str, number: int) -> ClientSocket:
        history = self.history
        socket = sockwave.connect(
            url,
            transports=TRANSPORTS[number % len(TRANSPORTS)],
            reconnection_delay=0.02,
            reconnection_delay_max=0.1,
            timeout=2.0,
        )
        sid, is_known = "", False

        @socket.on("connect")
        def connect() -> None:
            """The first sign; of a recovered socket, missed events come before it."""
            nonlocal sid, is_known
            if not is_known and socket.connected:
                sid, is_known = socket.id or "", True
                history.add("connected", sid=sid, recovered=socket.recovered)

        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            nonlocal is_known
            if is_known:  # as in the reference it also comes when an attempt has failed half-way
                is_known = False
                history.add("disconnected", sid=sid, detail=str(reason))

        @socket.on("event")
        def event(id_: str, first: Any, second: Any) -> None:  # the offset would be a fourth
            connect()
            history.add("deliver", sid=sid, id=id_, digest=digest_of(first, second))

        return socket

    async def _say_things(self, socket: ClientSocket) -> None:
        """Say something now and then, and ask one time in twenty."""
        chance = random.Random(self._chance.getrandbits(64))
        questions = []
        while not self._stopped.is_set():
            if socket.connected and socket.id:
                id_, payload = self._new_id(), self._payload()
                fields = {"sid": socket.id, "id": id_, "digest": digest_of(*payload)}
                if chance.random() < 0.05:
                    self.history.add("ask", **fields)
                    questions.append(asyncio.create_task(self._ask(socket, id_, payload)))
                else:
                    self.history.add("say", **fields)
                    socket.emit("say", id_, *payload)
            await asyncio.sleep(chance.random() * 0.1)
        await asyncio.gather(*questions)

    async def _ask(self, socket: ClientSocket, id_: str, payload: tuple[Any, ...]) -> None:
        try:
            answer = await socket.emit_with_ack("say", id_, *payload, timeout=self._ack_timeout)
        except (AckTimeout, Disconnected) as error:
            self.history.add("unanswered", id=id_, detail=type(error).__name__)
        else:
            self.history.add("answered", id=id_, answer=answer)

    # --- faults -----------------------------------------------------------------------------------

    async def _spoil(self, proxy: FaultProxy) -> None:
        """Break one client's way to the server again and again; in the end it is well."""
        chance = random.Random(self._chance.getrandbits(64))
        while not self._stopped.is_set():
            await asyncio.sleep(chance.random() * 2.0)
            fault = chance.choice(FAULTS)
            self.history.add("fault", detail=fault)
            match fault:
                case "reset":
                    proxy.reset()
                case "cut":
                    proxy.cut()
                case "slow":
                    proxy.set(delay=chance.random() * 0.05, jitter=chance.random() * 0.05)
                case "thin":
                    proxy.set(slice=chance.choice([1, 7, 100]), slice_until=20_000)
                case "merge":
                    proxy.set(merge=65_536)
                case "deaf":  # one direction only
                    chance.choice([proxy.to_server, proxy.to_client]).stall()
                case "stall":
                    proxy.stall()
                case _:
                    proxy.down()
            await asyncio.sleep(chance.random() * 1.5)
            proxy.set(delay=0.0, jitter=0.0, slice=None, merge=None)
            proxy.resume()
            await proxy.up()


class _Lines(logging.Handler):
    """Passes lines on."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on."""
        self._note(record.getMessage())


@contextmanager
def _telling_of(logger: logging.Logger, note: Callable[[str], None]) -> Iterator[None]:
    """Hear what a logger says from INFO on."""
    level, handler = logger.level, _Lines(note)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def run(workload: Workload) -> History:
    """Run it; the history ends when nothing is under way any more."""
    return await _Run(workload).run()
