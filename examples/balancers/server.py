"""One of several servers behind a balancer: rooms reach the clients of all of them.

`pip install "sockwave[redis]"`, `[postgres]` or `[nats]`, then in this folder on each machine, with
a name of its own: `SERVER=a ADAPTER=redis CARRIER=redis://10.0.0.9 PROXIES=10.0.0.10 sockwave run
server:io --host 0.0.0.0 --drain-period 10`. On one machine it goes without ADAPTER, CARRIER and
PROXIES, and each server has another --port.

The files beside it are configurations of balancers; docs/balancers.md says which to take.
"""

import os
import secrets
from typing import Any

from sockwave import HealthOptions, Request, Server, Socket
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    WorkersAdapter,
)

ADAPTERS: dict[str, Any] = {
    "workers": WorkersAdapter,
    "redis": RedisAdapter,
    "streams": RedisStreamsAdapter,
    "postgres": PostgresAdapter,
    "nats": NatsAdapter,
}
SERVER = os.environ.get("SERVER", "a")  # as balancers know it
ADAPTER = os.environ.get("ADAPTER", "workers")
CARRIER = os.environ.get("CARRIER", "/tmp/chat-sockets")  # where it is; the same for all servers
RELAY = os.environ.get("RELAY") == "yes"  # where a balancer keeps no client at its server
PROXIES = os.environ.get("PROXIES", "127.0.0.1")  # whose word about clients is believed


def session_id(request: Request) -> str:
    """Ends with the name of the server, by which balancers can find it again."""
    return f"{secrets.token_urlsafe(15)}-{SERVER}"


io = Server(
    adapter=ADAPTERS[ADAPTER](CARRIER),
    relay=RELAY,
    connection_state_recovery=ADAPTER != "redis",  # its channels keep nothing
    generate_id=session_id,
    cookie=True,  # `io`, with the session's id: one of the things that balancers can go by
    trusted_proxies=PROXIES.split(","),
    health=HealthOptions(needs_cluster=False),  # without their carrier all would be unready at once
)


@io.on("connection")
def connection(socket: Socket) -> None:
    @socket.on("enter")
    def enter(room: str) -> str:
        socket.join(room)
        return SERVER

    @socket.on("say")
    def say(room: str, text: str) -> None:
        io.to(room).emit("said", text)
