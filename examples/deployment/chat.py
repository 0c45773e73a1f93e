"""A chat as it is deployed, by the files beside it: docs/deployment.md says how.

`pip install sockwave`, then in this folder `sockwave run chat:io`.
"""

import os

from sockwave import Server, Socket

io = Server(
    trusted_proxies=["unix", "127.0.0.1"],  # nginx and its likes on this machine
    cors=os.environ.get("PAGES", "").split() or None,  # origins of pages that are elsewhere
    connection_state_recovery=True,
)


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.join("lobby")


@io.event
def where(socket: Socket) -> str:
    """What a proxy should have told us; try it once."""
    return f"{socket.handshake.address}, {'with' if socket.handshake.secure else 'without'} TLS"


@io.event
def say(socket: Socket, text: str) -> str:
    socket.to("lobby").emit("said", text)
    return "delivered"
