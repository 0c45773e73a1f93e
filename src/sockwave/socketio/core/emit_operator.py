"""How the next event of one socket is sent; the same for both roles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, overload

from sockwave.socketio.core.adapter import BroadcastFlags
from sockwave.socketio.core.outgoing import check_event_name

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.types import Json

__all__ = ["EmitOperator", "FlaggedEmitter"]


class FlaggedEmitter(Protocol):
    """A socket behind an operator."""

    def emit_flagged(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Send an event with flags."""

    def emit_flagged_and_wait(
        self, args: tuple[Any, ...], flags: BroadcastFlags
    ) -> Coroutine[Any, Any, Any]:
        """Encode now; then, as it is awaited, send the event and wait for its acknowledgement."""


S = TypeVar("S", bound=FlaggedEmitter)


@dataclass(frozen=True, slots=True)
class EmitOperator(Generic[S]):
    """Flags for the next event; made by `volatile`, `compress` and `timeout`. Immutable."""

    _socket: S
    _flags: BroadcastFlags = field(default_factory=BroadcastFlags)

    @property
    def volatile(self) -> Self:
        """Drop the event if it cannot go out at once."""
        return replace(self, _flags=replace(self._flags, volatile=True))

    def compress(self, compress: bool) -> Self:
        """Let the transport compress the event, or not."""
        return replace(self, _flags=replace(self._flags, compress=compress))

    def timeout(self, seconds: float) -> Self:
        """Set how long the acknowledgement is waited for."""
        return replace(self, _flags=replace(self._flags, timeout=seconds))

    @overload
    def emit(
        self, event: Event[*Args], *args: *Args, ack: Callable[..., object] | None = None
    ) -> None: ...
    @overload
    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None: ...
    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; see `emit` of the socket.

        Args:
            ack: With `timeout()`, called as `ack(None, *args)`, or `ack(error)` when the time is
                over or the socket was disconnected.
        """
        check_event_name(event)
        self._socket.emit_flagged((event, *args), self._flags, ack)

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, Answer]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Send an event and wait for its acknowledgement; see `emit_with_ack` of the socket."""
        check_event_name(event)
        flags = self._flags if timeout is None else replace(self._flags, timeout=timeout)
        return self._socket.emit_flagged_and_wait((event, *args), flags)
