"""Several processes as one server: adapters of clusters, and what carries their messages."""

from sockwave.adapters.adapter import ClusterAdapter
from sockwave.adapters.driver import Capabilities, Driver, Receiver
from sockwave.adapters.memory import Faults, MemoryBroker, MemoryDriver
from sockwave.adapters.nats.adapter import NatsAdapter
from sockwave.adapters.nats.jetstream.options import JetStream
from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.postgres.adapter import PostgresAdapter
from sockwave.adapters.python_socketio.adapter import PythonSocketIOAdapter
from sockwave.adapters.redis.adapters import RedisAdapter, ShardedRedisAdapter
from sockwave.adapters.redis.streams import RedisStreamsAdapter
from sockwave.adapters.unix import UnixDriver
from sockwave.adapters.workers import WorkersAdapter

__all__ = [
    "Capabilities",
    "ClusterAdapter",
    "ClusterOptions",
    "Driver",
    "Faults",
    "JetStream",
    "MemoryBroker",
    "MemoryDriver",
    "NatsAdapter",
    "PostgresAdapter",
    "PythonSocketIOAdapter",
    "Receiver",
    "RedisAdapter",
    "RedisStreamsAdapter",
    "ShardedRedisAdapter",
    "UnixDriver",
    "WorkersAdapter",
]
