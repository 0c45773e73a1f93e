"""One of several servers behind a balancer: rooms reach the clients of all of them.

`pip install "sockwave[redis]"`, `[postgres]` or `[nats]`, then in this folder on each machine, with
a name of its own: `SERVER=a CARRIER=redis://10.0.0.9 PROXIES=10.0.0.10 sockwave run server:io
--host 0.0.0.0 --drain-period 10`. On one machine CARRIER may be a directory, and each server has
another --port.
The files beside it are configurations of balancers; docs/balancers.md says which to take.
"""

import os
import secrets

from sockwave import Request, Server, Socket
from sockwave.adapters import NatsAdapter, PostgresAdapter, RedisAdapter, WorkersAdapter

SERVER = os.environ.get("SERVER", "a")  # as balancers know it
CARRIER = os.environ.get("CARRIER", "/tmp/chat-sockets")  # the same for all servers
PROXIES = os.environ.get("PROXIES", "127.0.0.1")  # whose word about clients is believed

is_redis = CARRIER.startswith(("redis://", "rediss://"))


def adapter() -> NatsAdapter | PostgresAdapter | RedisAdapter | WorkersAdapter:
    if is_redis:
        return RedisAdapter(CARRIER)
    if CARRIER.startswith("nats://"):
        return NatsAdapter(CARRIER)
    if CARRIER.startswith("postgresql://"):
        return PostgresAdapter(CARRIER)
    return WorkersAdapter(CARRIER)


def session_id(request: Request) -> str:
    """Ends with the name of the server, by which balancers can find it again."""
    return f"{secrets.token_urlsafe(15)}-{SERVER}"


io = Server(
    adapter=adapter(),
    connection_state_recovery=not is_redis,  # its channels keep nothing
    generate_id=session_id,
    cookie=True,  # `io`, with the session's id: one of the things that balancers can go by
    trusted_proxies=PROXIES.split(","),
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
