"""What packages above the server do for it, reached by name: nothing here imports them.

A method of `Server` whose work is done by a package that is built on the server asks `reach` for
it, and hands itself over:

    return reach("workers")(self, host, port, workers=workers)

Which names there are is said by `register` in `sockwave/__init__.py`, which stands above all
packages. A package is imported when it is asked for, so that whoever does without it does without
its cost and its dependencies, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.server.beside import Paths
    from sockwave.observe import ConnectionRecord
    from sockwave.socketio.server.health_values import Health, HealthOptions

__all__ = [
    "Closable",
    "Connections",
    "Extension",
    "HealthWatch",
    "Neighbours",
    "Relaying",
    "modules",
    "reach",
    "register",
]


@dataclass(frozen=True, slots=True)
class Extension:
    """Where the work is done.

    Attributes:
        module: Whose function it is.
        function: Called with the server, and with what the method of the server was given.
        extra: What to install for it, as in `sockwave[redis]`; None where nothing is needed.
    """

    module: str
    function: str
    extra: str | None = None


_extensions: dict[str, Extension] = {}


def register(name: str, extension: Extension) -> None:
    """Make a package reachable.

    Raises:
        ValueError: Another one has this name.
    """
    if _extensions.setdefault(name, extension) != extension:
        raise ValueError(f"there is an extension {name!r} already")


def modules() -> list[str]:
    """Name the modules that may be imported by what is registered: no import shows them."""
    return sorted({extension.module for extension in _extensions.values()})


def reach(name: str) -> Callable[..., Any]:
    """Import the package of a name, and give its function.

    Raises:
        LookupError: No package has this name.
        ImportError: Something that it needs is not installed; the text says what to do.
    """
    extension = _extensions.get(name)
    if extension is None:
        raise LookupError(f"there is no extension {name!r}")
    try:
        module = import_module(extension.module)
    except ModuleNotFoundError as error:
        if extension.extra is None:
            raise
        wanted = f'pip install "sockwave[{extension.extra}]"'
        raise ImportError(f"{name} needs {error.name}: {wanted}", name=error.name) from error
    function: Callable[..., Any] = getattr(module, extension.function)
    return function


class Neighbours(Protocol):
    """What `join_neighbours` gives: the server's place among processes that share its port."""

    async def aclose(self) -> None:
        """The server is closed."""


class Relaying(Protocol):
    """What `join_relay` gives: the server's place among those that answer for each other."""

    async def aclose(self) -> None:
        """The server is closed."""


class HealthWatch(Protocol):
    """What `health` gives: looks after a server."""

    options: HealthOptions

    def look(self) -> Health:
        """Say how it is now."""

    def paths(self) -> Paths:
        """What answers at the paths of the options."""


class Closable(Protocol):
    """What `inspect` gives: where others may ask."""

    def close(self) -> None:
        """The server is closed."""


class Connections(Protocol):
    """What `keep_records` gives: records of connections, open ones and those that have ended."""

    def find(self, who: str, *, limit: int = 20) -> list[ConnectionRecord]:
        """Look for connections by the id of a socket or of a session, an address or a user.

        Args:
            who: One of these, whole; of a session also the beginning that logs show, `abcd...`.
            limit: Most that are returned.

        Returns:
            The latest ones first, open ones before all others. Those that are open have no end yet.

        To be called in the event loop of the server.
        """

    def recent(self, limit: int = 100) -> list[ConnectionRecord]:
        """Give those that ended last, and handshakes that were refused; the latest ones first."""

    def describe(self, socket: str) -> dict[str, Any] | None:
        """Give the record of a socket as values of JSON, by its id; None where there is none."""
