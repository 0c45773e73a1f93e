"""Options of a client beyond those of its engine: of the manager, and of each socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from sockwave.codec.json import MAX_DEPTH
from sockwave.codec.socketio import DEFAULT_MAX_ATTACHMENTS
from sockwave.engine.client.options import ClientEngineOptions, ClientEngineOptionsDict
from sockwave.engine.core.options import check_integer, check_number

if TYPE_CHECKING:
    from sockwave.socketio.core.parser import Parser

__all__ = [
    "Auth",
    "ConnectOptionsDict",
    "ManagerOptions",
    "ManagerOptionsDict",
    "SocketOptions",
    "SocketOptionsDict",
    "split_options",
]

Auth: TypeAlias = "Mapping[str, Any] | Callable[[], Mapping[str, Any] | Awaitable[Any] | None]"
"""What a socket tells the server when it joins its namespace: a mapping, or a function that is
asked at each connection and reconnection; it may be `async def`."""


class ManagerOptionsDict(ClientEngineOptionsDict, total=False):
    """The keywords of `Manager`: those of the engine and of `ManagerOptions`."""

    reconnection: bool
    reconnection_attempts: int | None
    reconnection_delay: float
    reconnection_delay_max: float
    randomization_factor: float
    auto_connect: bool
    max_attachments: int
    max_depth: int
    max_pending_handlers: int
    parser: Parser | None


class SocketOptionsDict(TypedDict, total=False):
    """The keywords of `Manager.socket`."""

    auth: Auth | None
    ack_timeout: float | None
    retries: int
    send_buffer_limit: int
    max_pending_acks: int


class ConnectOptionsDict(ManagerOptionsDict, SocketOptionsDict, total=False):
    """The keywords of `connect`."""


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
        max_pending_handlers: `async def` handlers that may run at a time; past it nothing more is
            read from the server until half of them have ended.
        parser: How packets are encoded, the same as the server's; None is JSON. With one of these,
            arguments are encoded when they are sent: do not change them after `emit`.
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
    parser: Parser | None = None

    def __post_init__(self) -> None:
        for name in ("reconnection", "auto_connect"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {type(getattr(self, name)).__name__}")
        if self.reconnection_attempts is not None:
            check_integer("reconnection_attempts", self.reconnection_attempts, 0)
        check_number("reconnection_delay", self.reconnection_delay, 0)
        check_number("reconnection_delay_max", self.reconnection_delay_max, 0)
        check_number("randomization_factor", self.randomization_factor, 0, 1)
        check_integer("max_attachments", self.max_attachments, 1)
        check_integer("max_depth", self.max_depth, 1, 250)
        check_integer("max_pending_handlers", self.max_pending_handlers, 1)
        for method in ("encode", "decoder"):
            if self.parser is not None and not callable(getattr(self.parser, method, None)):
                raise TypeError(f"parser has no method {method!r}: {self.parser!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """Options of one socket.

    Attributes:
        auth: See `Auth`.
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
        check_integer("retries", self.retries, 0)
        if self.retries and self.ack_timeout is None:
            raise ValueError("retries needs ack_timeout: without it nothing tells when to retry")
        check_integer("send_buffer_limit", self.send_buffer_limit, 0)
        check_integer("max_pending_acks", self.max_pending_acks, 1)


_ENGINE: Final = frozenset(field.name for field in fields(ClientEngineOptions))
_MANAGER: Final = frozenset(field.name for field in fields(ManagerOptions))
_SOCKET: Final = frozenset(field.name for field in fields(SocketOptions))


def split_options(
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort keywords by the layer that they belong to: engine, manager, socket.

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
            raise TypeError(f"there is no option {name!r}")
    return engine, manager, socket
