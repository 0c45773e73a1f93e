"""Options of a client beyond those of its engine: of the manager, and of each socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.codec.json import MAX_DEPTH
from sockwave.codec.socketio import DEFAULT_MAX_ATTACHMENTS
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.core.option_checks import check_integer, check_number, warn_of_milliseconds
from sockwave.engine.core.option_names import check_names, strict_options

if TYPE_CHECKING:
    from sockwave.socketio.core.parser import Parser

__all__ = [
    "Auth",
    "ManagerOptions",
    "SocketOptions",
    "check_socket_options",
    "split_options",
]

Auth: TypeAlias = "Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Any] | None]"
"""What a socket tells the server when it joins its namespace: a mapping, or a function that is
asked at each connection and reconnection; it may be `async def`."""


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """Options of a manager beyond those of its engine.

    Attributes:
        reconnection: Connect again after a loss, and after a first attempt that failed.
        reconnection_attempts: Attempts after a loss before it gives up; None or 0: for ever.
        reconnection_delay: Seconds before the first of them; it doubles with each.
        reconnection_delay_max: Seconds; the longest delay.
        randomization_factor: How far a delay may deviate, as a part of it, 0 to 1; it keeps many
            clients from coming back in the same moment.
        auto_connect: Connect as soon as there is a socket; else at `socket.connect()`.
        max_attachments: Binary parts of one packet from the server, 10 as in the reference; their
            sum may be as many times `max_payload`.
        max_depth: Nesting of a packet's JSON.
        max_pending_handlers: `async def` handlers that may run at a time; past it events wait, in
            order, while acknowledgements and heartbeats are taken.
        max_pending_bytes: Bytes of events that wait, together with those whose handlers run: of
            these up to half of it. Past it nothing is read from the server until handlers end,
            acknowledgements included, and the log says so.
        parser: How packets are encoded, the same as the server's; None is JSON.
    """

    reconnection: bool = True
    reconnection_attempts: int | None = None
    reconnection_delay: float = 1.0
    reconnection_delay_max: float = 5.0
    randomization_factor: float = 0.5
    auto_connect: bool = True
    max_attachments: int = DEFAULT_MAX_ATTACHMENTS
    max_depth: int = MAX_DEPTH
    max_pending_handlers: int = 1_000
    max_pending_bytes: int = 64 * 1024 * 1024
    parser: Parser | None = None

    def __post_init__(self) -> None:
        for name in ("reconnection", "auto_connect"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {type(getattr(self, name)).__name__}")
        if self.reconnection_attempts is not None:
            check_integer("reconnection_attempts", self.reconnection_attempts, 0)
        for name in ("reconnection_delay", "reconnection_delay_max"):
            check_number(name, getattr(self, name), 0)
        warn_of_milliseconds("reconnection_delay", self.reconnection_delay, above=1_000.0)
        warn_of_milliseconds("reconnection_delay_max", self.reconnection_delay_max)
        check_number("randomization_factor", self.randomization_factor, 0, 1)
        check_integer("max_attachments", self.max_attachments, 1)
        check_integer("max_depth", self.max_depth, 1, 250)
        check_integer("max_pending_handlers", self.max_pending_handlers, 1)
        check_integer("max_pending_bytes", self.max_pending_bytes, 1)
        for method in ("encode", "decoder"):
            if self.parser is not None and not callable(getattr(self.parser, method, None)):
                raise TypeError(f"parser has no method {method!r}: {self.parser!r}")


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """Options of one socket.

    Attributes:
        auth: What the socket tells the server when it joins its namespace: a mapping, or a function
            that is asked at each connection and reconnection; it may be `async def`.
        ack_timeout: Seconds to wait for an acknowledgement where no other time is given; callbacks
            then get (error, *args), as in the reference. None: until the connection is lost.
        retries: Send each event again this often until it is acknowledged; needs `ack_timeout`.
        send_buffer_limit: Events kept while not connected; past it `emit` raises.
        max_pending_acks: Acknowledgements that may be outstanding; past it `emit` raises.
    """

    auth: Auth | None = None
    ack_timeout: float | None = None
    retries: int = 0
    send_buffer_limit: int = 10_000
    max_pending_acks: int = 100_000

    def __post_init__(self) -> None:
        if self.auth is not None and not callable(self.auth) and not isinstance(self.auth, Mapping):
            raise TypeError("auth must be a mapping or a function that returns one")
        if self.ack_timeout is not None:
            check_number("ack_timeout", self.ack_timeout, 0)
            warn_of_milliseconds("ack_timeout", self.ack_timeout)
        check_integer("retries", self.retries, 0)
        if self.retries and self.ack_timeout is None:
            raise ValueError("retries needs ack_timeout: without it nothing tells when to retry")
        check_integer("send_buffer_limit", self.send_buffer_limit, 0)
        check_integer("max_pending_acks", self.max_pending_acks, 1)


_ENGINE: Final = frozenset(field.name for field in fields(ClientEngineOptions))
_MANAGER: Final = frozenset(field.name for field in fields(ManagerOptions))
_SOCKET: Final = frozenset(field.name for field in fields(SocketOptions))


_WHERE_NAMESPACES_ARE: Final = {
    "connect": 'the path of the URL is the namespace, as in "http://localhost:3000/chat"',
    "Manager": 'its sockets have one each, as in manager.socket("/chat")',
}

_OF_CONNECT: Final = frozenset({"retry", "wait_timeout"})


def check_socket_options(owner: str, options: Mapping[str, Any]) -> None:
    """Refuse what is no option of a socket.

    Raises:
        TypeError: There is no such option.
    """
    check_names(owner, options, _SOCKET)


def split_options(
    options: Mapping[str, Any], owner: str = "connect"
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort keywords by the layer that they belong to: engine, manager, socket.

    Args:
        owner: What the user has called.

    Raises:
        TypeError: There is no such option.
    """
    engine: dict[str, Any] = {}
    manager: dict[str, Any] = {}
    socket: dict[str, Any] = {}
    for name, value in options.items():
        for known, found in ((_ENGINE, engine), (_MANAGER, manager), (_SOCKET, socket)):
            if name in known:
                found[name] = value
                break
        else:
            if name in ("namespace", "namespaces"):
                raise TypeError(f"{owner} has no option {name!r}: {_WHERE_NAMESPACES_ARE[owner]}")
            check_names(owner, options, _ENGINE | _MANAGER | _SOCKET | _OF_CONNECT)
    return engine, manager, socket
