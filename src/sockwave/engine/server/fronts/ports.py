"""An open port, whoever serves it, and what is put on it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from sockwave.platform import has_terminal, reason_of, unix_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import AsgiApp

__all__ = ["ACCEPT_BACKLOG", "Listener", "Served", "bound_unix_socket", "exit_for"]

ACCEPT_BACKLOG: Final = 4_096
"""Connections the kernel holds for us: after a restart all clients come at once."""

_DIALLED: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all interfaces, to which nobody can connect."""


class Served(Protocol):
    """What is put on a port."""

    @property
    def engine(self) -> EngineServer:
        """The engine that takes the requests."""

    def wrap(self, app: AsgiApp) -> AsgiApp:
        """Put it in front of an application; a server of several others has its own way."""

    async def close(self) -> None:
        """End all sessions."""

    def stoppable(self, stop: Callable[[], object]) -> AbstractContextManager[None]:
        """Let `stop` of the user's server end what serves it, from any thread."""

    def open_at(self, listener: Listener) -> AbstractContextManager[None]:
        """Let its `repr` name an open port."""


@dataclass(frozen=True, slots=True)
class Listener:
    """An open port.

    Attributes:
        host: As bound; the path for a Unix socket.
        port: As bound, also when 0 was asked for; 0 for a Unix socket.
        is_secure: Whether it speaks TLS.
    """

    host: str
    port: int
    is_secure: bool = False

    @classmethod
    def of(cls, sock: socket.socket, *, is_secure: bool) -> Listener:
        """The port that a socket is bound to."""
        name = sock.getsockname()
        if isinstance(name, tuple):
            return cls(name[0], name[1], is_secure)
        return cls(os.fsdecode(name), 0, is_secure)

    @property
    def url(self) -> str:
        """Where clients on this machine connect to.

        All interfaces are reached at the loopback address. For a Unix socket it is what goes with
        the client's option `unix_path`, which is `host` then.
        """
        scheme = "https" if self.is_secure else "http"
        if not self.port:
            return f"{scheme}://localhost"
        host = _DIALLED.get(self.host, self.host)
        if ":" in host:
            host = f"[{host.replace('%', '%25')}]"  # of a zone, RFC 6874
        return f"{scheme}://{host}:{self.port}"

    @property
    def place(self) -> str:
        """What people call it: the URL, or the path of a Unix socket."""
        return self.url if self.port else self.host

    def announce(self, on_listening: Callable[[Listener], None] | None) -> None:
        """Say where it is: by the caller's own function, or on the terminal if there is one.

        The log has it in any case.
        """
        if on_listening is not None:
            on_listening(self)
        elif has_terminal():
            sys.stderr.write(f"Sockwave on {self.url} (Ctrl-C stops it)\n")


@contextmanager
def bound_unix_socket(path: str) -> Iterator[socket.socket]:
    """A Unix socket at this path, as long as the block lasts; one that was left there is replaced.

    Raises:
        OSError: Something else is there, or it is not allowed.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    with unix_socket("stream") as sock:
        sock.bind(path)
        made = os.stat(path).st_ino
        try:
            yield sock
        finally:
            with contextlib.suppress(OSError):  # taken away, or another server's by now
                if os.stat(path).st_ino == made:
                    os.unlink(path)


def exit_for(error: OSError, place: str) -> NoReturn:
    """End the process with one line that says why nobody can listen there."""
    sys.stderr.write(f"sockwave: cannot listen on {place}: {reason_of(error)}\n")
    raise SystemExit(1)
