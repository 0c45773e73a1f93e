"""Who is told of what happens."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sockwave.observe.kinds import KINDS, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.observe.meter import Meter

__all__ = ["NOBODY", "Contexts", "Functions", "Observers"]

_logger: Final = logging.getLogger("sockwave.observe")

Functions: TypeAlias = "tuple[Callable[[Any], object], ...]"

_ATTRIBUTES: Final = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in KINDS
}


class Contexts(Protocol):
    """Traces what is no matter of one client, and carries its context to other processes."""

    def asking(
        self, namespace: str, event: str, collecting: Coroutine[Any, Any, None]
    ) -> Coroutine[Any, Any, None]:
        """What collects the answers to a broadcast, in a span if it is traced."""

    def current(self) -> str | None:
        """The context that something is sent in, as text; None where there is none to carry."""

    def run_in(self, context: object, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the context that another process has sent, whatever that is."""


class Observers:
    """Who is told, by kind: an attribute for each, empty where nobody is.

    Where something happens, this is asked first, and the value is made only if somebody wants it:

        if functions := observers.socket_connected:
            observers.tell(functions, SocketConnected(...))

    Args:
        escaped: Called with what is no `Exception` and was raised by an observer.

    Attributes:
        meter: Counts events by the shorter way; see meter.py.
        contexts: Who traces broadcasts that ask, and what goes to other processes; one at most.
        size: Bytes of the packet that is being taken, as far as somebody observes events.
    """

    ack_received: Functions = ()
    ack_sent: Functions = ()
    ack_timed_out: Functions = ()
    backlog_grew: Functions = ()
    broadcast: Functions = ()
    cluster_failed: Functions = ()
    cluster_message_received: Functions = ()
    cluster_message_sent: Functions = ()
    connection_ended: Functions = ()
    event_received: Functions = ()
    event_refused: Functions = ()
    event_sent: Functions = ()
    handler_ended: Functions = ()
    handler_failed: Functions = ()
    handler_started: Functions = ()
    loop_lag: Functions = ()
    node_joined: Functions = ()
    node_left: Functions = ()
    rate_limited: Functions = ()
    request_refused: Functions = ()
    session_closed: Functions = ()
    session_opened: Functions = ()
    session_upgraded: Functions = ()
    socket_connected: Functions = ()
    socket_disconnected: Functions = ()
    socket_refused: Functions = ()
    upgrade_failed: Functions = ()

    def __init__(self, escaped: Callable[[BaseException], None] | None = None) -> None:
        self.meter: Meter | None = None
        self.contexts: Contexts | None = None
        self._on_change: list[Callable[[], None]] = []
        self.size: int = 0
        self._last: Functions = ()
        self._escaped = escaped

    def add(
        self,
        kinds: tuple[type[Seen], ...],
        observer: Callable[[Any], object],
        *,
        is_last: bool = False,
    ) -> None:
        """Tell somebody of these kinds from now on, behind those who are told already.

        Args:
            kinds: What to tell of.
            observer: Whom to tell.
            is_last: Tell it behind those who come later, too.

        Raises:
            TypeError: One is no kind, or the observer is `async` or no function.
        """
        check_observer(kinds, observer)
        if is_last:
            self._last = (*self._last, observer)
        for kind in KINDS if Seen in kinds else kinds:
            name = _ATTRIBUTES[kind]
            functions: Functions = getattr(self, name)
            if observer not in functions:
                told = [*functions, observer]
                setattr(self, name, tuple(sorted(told, key=self._last.__contains__)))
        self._has_changed()

    def remove(self, observer: Callable[[Any], object]) -> None:
        """Tell somebody of nothing any more."""
        self._last = tuple(each for each in self._last if each != observer)
        for name in _ATTRIBUTES.values():
            functions: Functions = getattr(self, name)
            if observer in functions:
                setattr(self, name, tuple(each for each in functions if each != observer))
        self._has_changed()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back whenever somebody was added or taken off."""
        self._on_change.append(callback)

    def _has_changed(self) -> None:
        for callback in self._on_change:
            callback()

    def count_by(self, meter: Meter | None) -> None:
        """Let sockets keep the accounts of an observer, whose functions are added already.

        Raises:
            RuntimeError: There is another one.
        """
        if meter is not None and self.meter is not None:
            raise RuntimeError("the events of this server are counted already")
        self.meter = meter
        self._has_changed()

    @property
    def are_counted(self) -> bool:
        """Whether nobody observes events but the meter."""
        if self.meter is None or self.handler_started:
            return False
        told = {*self.event_received, *self.event_sent, *self.ack_sent}
        return told.union(self.handler_ended, self.handler_failed) <= self.meter.functions

    @property
    def of_events(self) -> bool:
        """Whether somebody observes what sockets do; they are of another class then."""
        return bool(
            self.event_received
            or self.event_sent
            or self.event_refused
            or self.ack_received
            or self.ack_sent
            or self.ack_timed_out
            or self.broadcast
            or self.of_handlers
        )

    @property
    def of_handlers(self) -> bool:
        """Whether somebody observes handlers."""
        return bool(self.handler_started or self.handler_ended or self.handler_failed)

    def tell(self, functions: Functions, seen: Seen) -> None:
        """Call each; one that raises is logged and taken off, and the others are called."""
        for function in functions:
            try:
                function(seen)
            except BaseException as error:
                self._failed(function, seen, error)

    def _failed(self, observer: Callable[[Any], object], seen: Seen, error: BaseException) -> None:
        _logger.error(
            "the observer %r failed at %s, and is told of nothing any more",
            observer,
            type(seen).__name__,
            exc_info=error,
        )
        self.remove(observer)
        if not isinstance(error, Exception) and self._escaped is not None:
            self._escaped(error)


NOBODY: Final = Observers()
"""Nobody is told; for what is not a part of a server."""


def check_observer(kinds: tuple[type[Seen], ...], observer: object) -> None:
    """Refuse what is no kind, and what cannot be told.

    Raises:
        TypeError: The text says what to do.
    """
    if not kinds:
        raise TypeError("observe needs at least one kind, as in io.observe(SocketConnected)")
    for kind in kinds:
        if kind is not Seen and kind not in _ATTRIBUTES:
            raise TypeError(
                f"{kind!r} is none of the kinds of sockwave.observe, such as SocketConnected"
            )
    if not callable(observer):
        raise TypeError(f"an observer must be a function, not {observer!r}")
    code = getattr(observer, "__code__", None)
    if code is not None and code.co_flags & 0x80:  # of an `async def`
        raise TypeError(
            f"the observer {observer!r} is async: nobody would wait for it. Take a plain function"
            " that starts a task, or puts what it sees into a queue"
        )
