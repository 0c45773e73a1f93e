"""The client, and emitters, for scripts and threads: asyncio's behind calls that block.

import sockwave.sync

with sockwave.sync.connect("http://localhost:3000") as socket:
    socket.emit("hello")
    print(socket.emit_with_ack("echo", "hi", timeout=5.0))
    for (text,) in socket.events("message", timeout=60.0): ...

with sockwave.sync.RedisEmitter("redis://localhost:6379") as emitter:
    emitter.to("lobby").emit("news", 1)
    answers = emitter.to("lobby").emit_with_ack("ready?", timeout=5.0)
"""

from sockwave.sync.client import EndOfEvents, Events, Manager, Operator, Socket, connect
from sockwave.sync.emitters import NatsEmitter, PostgresEmitter, RedisEmitter, RedisStreamsEmitter
from sockwave.sync.reaching import EmitterOperator, FetchedSocket, NamespaceEmitter

__all__ = [
    "EmitterOperator",
    "EndOfEvents",
    "Events",
    "FetchedSocket",
    "Manager",
    "NamespaceEmitter",
    "NatsEmitter",
    "Operator",
    "PostgresEmitter",
    "RedisEmitter",
    "RedisStreamsEmitter",
    "Socket",
    "connect",
]
