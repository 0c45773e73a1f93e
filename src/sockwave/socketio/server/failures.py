"""What a server makes of failures of the application: one line in the log, and its hooks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sockwave.debug import known
from sockwave.engine.core.handlers import Handler, check_handler, did_not_fit, is_closed
from sockwave.engine.io.loop import is_cancelled
from sockwave.socketio.server.dispatch import MIDDLEWARE, FunctionKind

if TYPE_CHECKING:
    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.peer_log import PeerLog
    from sockwave.errors import InvalidEvent
    from sockwave.socketio.server.socket import Socket

__all__ = ["FailureReports", "HandlerFailure"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")
_OWN_ARGUMENTS: Final = ("disconnecting", "disconnect")
"""Events that no client can send."""


@dataclass(frozen=True, slots=True)
class HandlerFailure:
    """Where a handler failed; what the `on_error` hook gets with the exception.

    Attributes:
        socket: Whose event it was.
        event: Its name; `connection`, `middleware` or `acknowledgement` for what is no event.
    """

    socket: Socket
    event: str


class FailureReports:
    """Reports what handlers raise, and what is not admitted to them; a base of `Server`.

    Attributes:
        peer_log: For what is the fault of clients.
    """

    peer_log: PeerLog

    def __init__(self, driver: Driver) -> None:
        self._error_handlers: tuple[Handler, ...] = ()
        self._invalid_handlers: tuple[Handler, ...] = ()
        self._invalid_events = 0
        self._hook_driver = driver

    def on_error(self, handler: F) -> F:
        """Hear of exceptions in handlers, as `handler(error, failure)`; as a call or a decorator.

        They are logged in any case. The connection lives on. It does not hear of what is answered:
        an `EventError`, and what `exception_handler` has a handler for.
        """
        check_handler("on_error", handler)
        self._error_handlers = (*self._error_handlers, handler)
        return handler

    def on_invalid(self, handler: F) -> F:
        """Hear of events whose arguments were not admitted, as `on_error` of failures.

        The error is an `InvalidEvent`; no handler has seen the event, and the client is told.
        """
        check_handler("on_invalid", handler)
        self._invalid_handlers = (*self._invalid_handlers, handler)
        return handler

    @property
    def invalid_events(self) -> int:
        """How many times arguments of an event were not admitted to a handler, since the start."""
        return self._invalid_events

    def handler_failed(self, socket: Socket, event: str, error: BaseException) -> None:
        """Log a handler's exception once, and tell the `on_error` hook.

        Arguments that do not fit are most likely the client's fault, who may send them in a flood;
        but not those that are ours.
        """
        is_own = isinstance(event, FunctionKind) or event in _OWN_ARGUMENTS
        if did_not_fit(error) and not is_own:
            what = "arguments of an event do not fit its handler:"
            self.peer_log.warning(
                socket.request.client, what, f"{event!r}: {error}", **_about(socket, event)
            )
        else:
            what = f"a {event}" if event is MIDDLEWARE else f"a handler of {event[:128]!r}"
            fits = not did_not_fit(error)
            if not fits:
                what = f"{what} of the application cannot be called: {error}"
            text = "%s failed (socket %s, namespace %s)" if fits else "%s (socket %s, namespace %s)"
            fields = known(**_about(socket, event), reason=type(error).__name__)
            id_, name = socket.id_in_logs, socket.namespace.name
            _logger.error(text, what, id_, name, exc_info=error, extra=fields)
        self._tell_hooks("on_error", self._error_handlers, error, HandlerFailure(socket, event))

    def event_refused(self, socket: Socket, event: str, error: InvalidEvent) -> None:
        """Count an event that was not admitted, and tell the log and the `on_invalid` hook."""
        self._invalid_events += 1
        failure, what = HandlerFailure(socket, event), f"{event!r}: {error}"
        about = _about(socket, event)
        self.peer_log.info(socket.request.client, "an event was not admitted:", what, **about)
        self._tell_hooks("on_invalid", self._invalid_handlers, error, failure)

    def _tell_hooks(
        self, name: str, hooks: tuple[Handler, ...], error: BaseException, failure: HandlerFailure
    ) -> None:
        for handler in hooks:
            try:
                result = handler(error, failure)
                if result is not None and hasattr(result, "__await__"):
                    self._hook_driver.spawn(self._report(result, f"the {name} hook"))
            except BaseException as error_of_hook:
                _logger.exception("the %s hook failed", name)
                self._hook_driver.application_failed(error_of_hook)

    async def _report(self, running: Any, what: str) -> None:
        try:
            await running
        except BaseException as error:
            if is_closed(error) or is_cancelled():
                raise
            _logger.exception("%s failed", what)
            self._hook_driver.application_failed(error)


def _about(socket: Socket, event: str) -> dict[str, Any]:
    """Fields of a record."""
    return {"socket": socket.id_in_logs, "namespace": socket.namespace.name, "event": str(event)}
