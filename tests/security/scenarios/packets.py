"""The server's part in attacks by packets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sockwave import Server, Socket

ERRORS_NAMESPACE: Final = "/errors"
"""Where `handle_errors` has a handler."""

_errors: list[str] = []


async def handle_errors(io: Server) -> None:
    """Have a namespace whose sockets handle `error`, which is also the name of a client's event."""
    if ERRORS_NAMESPACE in io.namespaces:
        return

    @io.of(ERRORS_NAMESPACE).on("connection")
    def connection(socket: Socket) -> None:
        socket.on("error", lambda error: _errors.append(str(error)))


async def take_errors(io: Server) -> list[str]:
    """What its handlers got since the last call."""
    taken = list(_errors)
    _errors.clear()
    return taken
