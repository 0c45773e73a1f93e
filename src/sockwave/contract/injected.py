"""Handlers that are given more than the arguments of their event."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from sockwave.engine.core.handlers import WrappedHandler, place_of
from sockwave.socketio.server.params import innermost_with_socket

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sockwave.contract.injection import Injection
    from sockwave.contract.plans import Plan
    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.server.checking import HandlerChecks
    from sockwave.socketio.server.socket import Socket

__all__ = ["InjectedHandler", "InjectedHow"]


class InjectedHow(NamedTuple):
    """How the handlers of one code are called.

    Attributes:
        plan: What is checked of their arguments; None for nothing.
        injection: What they are given.
        host: Knows whether results are checked.
        event: Which they handle.
        takes_socket: They are called with the socket first; else it is told by `socket`.
    """

    plan: Plan | None
    injection: Injection
    host: HandlerChecks
    event: str
    takes_socket: bool


class InjectedHandler(WrappedHandler):
    """A handler that is called with arguments of the event, and with what it asks for.

    Arguments are checked first: of an event that is refused no dependency is called.

    Attributes:
        socket: Whose handler it is, where it is that of one socket.
    """

    __slots__ = ("_adds_socket", "_how", "socket")

    wants_socket = True

    def __init__(self, how: InjectedHow, handler: Handler) -> None:
        self.__wrapped__ = handler  # without `super`: this may be once per client
        self._how = how
        self.socket: Socket | None = None
        # What is around the handler may need the socket where the handler does not take it first.
        self._adds_socket = False
        if isinstance(handler, WrappedHandler) and not how.injection.has_socket_first:
            inner = innermost_with_socket(handler)
            if inner is not None:
                inner.gives_socket, self._adds_socket = False, True

    @property
    def argument_types(self) -> Plan | None:
        """What it takes of an event, to be compared with another one."""
        return self._how.plan

    def __call__(self, *args: Any) -> Any:
        """Call it; the result, or what gives it later, is one for the wire.

        Raises:
            InvalidEvent: The arguments are not admitted; nothing was called.
            TypeError: They are too few or too many.
        """
        plan, injection, _, event, takes_socket = self._how
        socket: Any = self.socket
        ack: Any = None
        first = 0
        if takes_socket:
            socket, first = args[0], 1
        if injection.wants_ack:
            ack, first = args[first], first + 1
        if first:
            args = args[first:]
        if plan is None:
            values = list(args)
        elif plan.only is not None and len(args) == 1:
            values = [plan.only(args[0])]
        else:
            values = plan.arguments(args, self.__wrapped__)
        if overrides := socket.namespace.server.dependency_overrides:
            injection = injection.overridden(overrides)
        frame = [socket, event, ack]
        if injection.is_async:
            return self._run_async(injection, frame, values)
        if injection.has_contexts:
            return self._run_in(injection, frame, values)
        injection.run(frame, None)
        result = self._run(injection, frame, values)
        if hasattr(result, "__await__"):
            return self._later(result, ack)
        return self._ended(result, ack)

    def _run(self, injection: Injection, frame: list[Any], values: list[Any]) -> Any:
        """Call the handler itself."""
        placed, named = injection.arguments(frame, values)
        if self._adds_socket:
            placed.insert(0, frame[0])
        return self.__wrapped__(*placed, **named) if named else self.__wrapped__(*placed)

    def _run_in(self, injection: Injection, frame: list[Any], values: list[Any]) -> Any:
        """The same with dependencies that have an end, none of which is waited for."""
        with ExitStack() as stack:
            injection.run(frame, stack)
            result = self._run(injection, frame, values)
            if hasattr(result, "__await__"):
                return self._later_in(stack.pop_all(), result, frame[2])
            return self._ended(result, frame[2])

    async def _run_async(self, injection: Injection, frame: list[Any], values: list[Any]) -> Any:
        async with AsyncExitStack() as stack:
            await injection.run_async(frame, stack)
            result = self._run(injection, frame, values)
            if hasattr(result, "__await__"):
                result = await result
            return self._ended(result, frame[2])

    async def _later_in(self, stack: ExitStack, running: Awaitable[Any], ack: Any) -> Any:
        with stack:
            return self._ended(await running, ack)

    async def _later(self, running: Awaitable[Any], ack: Any) -> Any:
        return self._ended(await running, ack)

    def _ended(self, result: Any, ack: Any) -> Any:
        """What it has returned, for the wire."""
        how = self._how
        was_acked = ack is not None and ack.was_called
        if was_acked and result is not None:
            raise RuntimeError(
                f"handler {place_of(self.__wrapped__)} has acknowledged by its Ack, so what it "
                "returns reaches nobody: let it return nothing"
            )
        results = None if how.plan is None else how.plan.results
        if results is None:
            return result
        converted = results.convert(result)
        if how.host.development and not was_acked:
            results.check(converted)
        return converted
