"""A program with workers that are counted, and write down what they do; and clients for it.

What is written down comes from the handlers and the events of the engine that every application
has, and not from what the counters hear.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sockwave
from tests.support.raw import until

if TYPE_CHECKING:
    import random

    from sockwave import ClientSocket
    from sockwave.testing.fault_proxy import FaultProxy

__all__ = ["COUNTED", "NEVER_ANSWERED", "OPTIONS", "Guest"]

NEVER_ANSWERED: Final = "unheard"
"""An event that no client has a handler for."""

OPTIONS: Final = (
    "connection_state_recovery=True,"
    " rate_limits=sys.modules['sockwave'].RateLimits(session_bytes=1e6, burst=5.0)"
)

COUNTED: Final = """
import json, time
from sockwave import AckTimeout, ConnectError, Disconnected
from sockwave.metrics import PrometheusMetrics

SENT = ["back", "news", "all news", "quiz", "unheard"]
PrometheusMetrics(io, registry=None, events=SENT).listen(PORT)
NODE = str(os.getpid())
written = os.open(f"history.{NODE}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def note(op, **fields):
    line = json.dumps({"op": op, "t": time.monotonic(), "node": NODE, **fields})
    os.write(written, line.encode() + b"\\n")

def size_of(*args):
    return len(b"42" + json.dumps(args, separators=(",", ":")).encode())

take = io.engine.session_handler

def opened(session):
    note("opened", transport=session.transport.name)
    session.on("upgrade", lambda transport: note("upgraded", transport=transport.name))

    @session.on("close")
    def closed(reason, description):
        note("closed", transport=session.transport.name, detail=str(reason))

    take(session)

io.engine.session_handler = opened

@io.engine.on("connection_error")
def denied(failure):
    note("denied", detail=str(int(failure.code)))

@io.use
def no_strangers(socket):
    if (socket.handshake.auth or {}).get("stranger"):
        note("refused")
        raise ConnectError("no strangers")

@io.on("connection")
def noting(socket):
    note("connect", sid=socket.id, recovered=socket.recovered)

    @socket.on("disconnect")
    def disconnect(reason):
        note("disconnect", sid=socket.id, detail=str(reason))

    @socket.on("say")
    def say(text):
        note("handle", event="say", size=size_of("say", text))
        if len(text) % 3 == 0:
            note("emit", event="back", sid=socket.id, size=size_of("back", text))
            socket.emit("back", text)

    @socket.on("ring")
    def ring(id_):
        note("handle", event="ring", size=size_of("ring", id_))
        note("emit", event="news", size=size_of("news", id_))
        io.local.volatile.emit("news", id_)  # without an offset, so that its size is known

    @socket.on("ring all")
    def ring_all(id_):
        note("handle", event="ring all", size=size_of("ring all", id_))
        note("emit", event="all news")
        io.emit("all news", id_)

    @socket.on("ask me")
    async def ask_me(event):
        note("handle", event="ask me", size=size_of("ask me", event))
        if not socket.connected:
            return
        note("emit", event=event, sid=socket.id, size=size_of(event))
        try:
            await socket.emit_with_ack(event, timeout=0.2 if event == "unheard" else 3600.0)
        except AckTimeout:
            note("unanswered", event=event, detail="timeout")
        except Disconnected:
            note("unanswered", event=event, detail="left")
        else:
            note("answered", event=event)

    @socket.on("fail")
    def fail():
        note("handle", event="fail", detail="failed", size=size_of("fail"))
        raise LookupError("on purpose")

    @socket.on("typed")
    def typed(number: int):
        note("handle", event="typed", size=size_of("typed", number))

    @socket.on("last")
    def last():
        note("handle", event="last")
"""
"""Handlers, for `more=` of a program; `PORT` is that of the metrics."""


class Guest:
    """A client that says things, on a way to the workers that is spoilt now and then.

    Attributes:
        socket: Its own.
        heard: How often it has got a broadcast to all, and an error of an event.
        heard_bytes: Sizes of their packets.
    """

    def __init__(self, proxy: FaultProxy, chance: random.Random, number: int) -> None:
        self.heard: Counter[str] = Counter()
        self.heard_bytes: Counter[str] = Counter()
        self._proxy = proxy
        self._chance = chance
        self.socket: ClientSocket = sockwave.connect(
            proxy.url,
            transports=("polling", "websocket") if number % 3 == 1 else ("websocket",),
            reconnection_delay=0.02,
            reconnection_delay_max=0.1,
        )
        self.socket.on("quiz", lambda: True)
        for event in ("all news", "error"):
            self.socket.on(event, partial(self._hear, event))

    def _hear(self, event: str, *args: Any) -> None:
        self.heard[event] += 1
        packet = json.dumps([event, *args], separators=(",", ":"), ensure_ascii=False)
        self.heard_bytes[event] += len(b"42" + packet.encode())

    async def talk(self, events: int, calm: int) -> None:
        """Say so many things; each spoils the connection with a chance of five in `calm`."""
        chance, socket = self._chance, self.socket
        for at in range(events):
            self._spoil(calm)
            match chance.randrange(100):
                case 0 | 1:
                    socket.emit("ask me", "quiz")
                case 2:
                    socket.emit("ask me", NEVER_ANSWERED)
                case 3:
                    socket.emit("ring", at)
                case 4 if at % 5 == 0:
                    socket.emit("fail")
                case _:
                    socket.emit("say", "x" * chance.choice([1, 30, 1_000]))
            if at % 10 == 0:
                await asyncio.sleep(0.001)
                # What is said on a lost connection is kept, and comes at once on the next.
                await until(lambda: socket.connected)

    def _spoil(self, calm: int) -> None:
        match self._chance.randrange(calm):
            case 0 | 1:
                self._proxy.reset()
            case 2:
                self._proxy.cut()
            case 3:
                self._proxy.set(slice=self._chance.choice([7, 100]), slice_until=20_000)
            case 4:
                self._proxy.set(merge=65_536)
            case _:
                pass

    async def say_last(self) -> None:
        """Wait until all that was said is handled, and the connection well."""
        self._proxy.set(slice=None, merge=None)
        while True:
            try:
                await self.socket.emit_with_ack("last", timeout=5.0)
            except (sockwave.AckTimeout, sockwave.Disconnected):
                await asyncio.sleep(0.02)
            else:
                return
