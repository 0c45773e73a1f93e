"""Emitting from processes that serve nobody: jobs, web applications, scripts.

    async with RedisEmitter("redis://localhost:6379") as emitter:
        await emitter.to("lobby").emit("news", 1)
        answers = await emitter.to("lobby").emit_with_ack("ready?", timeout=5.0)

The servers have the adapter that fits. `sockwave.sync` has the same emitters for code without
asyncio.
"""

from sockwave.emitters.nats import NatsEmitter
from sockwave.emitters.postgres import PostgresEmitter
from sockwave.emitters.reaching import EmitterOperator, FetchedSocket, NamespaceEmitter
from sockwave.emitters.redis import RedisEmitter, RedisStreamsEmitter

__all__ = [
    "EmitterOperator",
    "FetchedSocket",
    "NamespaceEmitter",
    "NatsEmitter",
    "PostgresEmitter",
    "RedisEmitter",
    "RedisStreamsEmitter",
]
