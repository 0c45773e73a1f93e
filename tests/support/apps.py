"""Small servers that tests talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave import Engine, Server, Socket

if TYPE_CHECKING:
    from sockwave.engine import Session

__all__ = ["Ends", "echo_engine", "echo_server", "ends_of", "the_session", "the_socket"]

Ends = list[tuple[str, str]]
"""Reasons and descriptions of what has ended, in order."""


def echo_engine(**options: Any) -> tuple[Engine, Ends]:
    """An engine that sends back what it gets."""
    engine = Engine(**options)
    ends: Ends = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        session.on("message", session.send)
        session.on("close", lambda reason, text: ends.append((reason, text)))

    return engine, ends


def the_session(engine: Engine) -> Session:
    """The only session."""
    (session,) = engine.sessions.values()
    return session


def ends_of(io: Server) -> Ends:
    """The ends of all sockets of the main namespace, as they come."""
    ends: Ends = []

    def connection(socket: Socket) -> None:
        socket.on("disconnect", lambda reason, text: ends.append((reason, text)))

    io.on("connection", connection)
    return ends


def echo_server(**options: Any) -> tuple[Server, Ends]:
    """A server that emits every event back, and acknowledges with its arguments."""
    io = Server(**options)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("echo")
        def echo(*args: Any) -> tuple[Any, ...]:
            socket.emit("echo", *args)
            return args

        socket.on("ask", lambda *args: args)

    return io, ends_of(io)


def the_socket(io: Server) -> Socket:
    """The only socket of the main namespace."""
    (socket,) = io.sockets.values()
    return socket
