"""Handlers that ask for parts of the name of their namespace, as `/org/{org_id}` has them.

Theory: what a handler asks for is found out once, when it is registered. A part is made into what
is asked for once for each namespace, which is made only if that can be done; an event looks it up.
How parts are converted is known above (see extensions.py).
"""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING, Any, Protocol

from sockwave.engine.core.handlers import Handler, WrappedHandler
from sockwave.socketio.server.extensions import reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

__all__ = [
    "HandlerParams",
    "ParamsHandler",
    "ParamsNamespace",
    "SocketFirstHandler",
    "innermost_with_socket",
    "params_of",
]


class HandlerParams(Protocol):
    """What one handler asks for.

    Attributes:
        annotations: The types of the parts that it takes, by name.
    """

    annotations: dict[str, Any]

    def values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The keyword arguments for a namespace.

        Raises:
            ValueError: A part cannot be one of its type.
        """


class ParamsNamespace(Protocol):
    """The namespace of the socket that a handler is called with."""

    def values_of(self, params: HandlerParams) -> dict[str, Any]:
        """The keyword arguments of a handler."""


class _Member(Protocol):
    @property
    def namespace(self) -> ParamsNamespace:
        """Where it is."""


class SocketFirstHandler(WrappedHandler):
    """A handler that has to be called with the socket first, whatever is inside.

    Attributes:
        gives_socket: Whether what is inside is called with it, too.
    """

    __slots__ = ("gives_socket",)

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)
        self.gives_socket: bool = True


def innermost_with_socket(handler: Handler) -> SocketFirstHandler | None:
    """Of the wrappings of a handler the last one that needs the socket; None where none does."""
    inner: Any = handler
    found = None
    while isinstance(inner, WrappedHandler):
        if isinstance(inner, SocketFirstHandler):
            found = inner
        inner = inner.__wrapped__
    return found


class ParamsHandler(SocketFirstHandler):
    """A handler that is called with parts of the name of its namespace, too."""

    __slots__ = ("_params",)

    def __init__(self, handler: Handler, params: HandlerParams) -> None:
        super().__init__(handler)
        self._params = params

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Call it with the socket, which comes first, and the arguments of the event."""
        socket: _Member = args[0]
        parts = socket.namespace.values_of(self._params)
        given = args if self.gives_socket else args[1:]
        return self.__wrapped__(*given, **parts, **keywords)


def params_of(handler: Handler, names: Set[str]) -> HandlerParams | None:
    """What a handler asks for of the name of its namespace; None where that is nothing.

    Args:
        names: Of the parts that there are.

    Raises:
        TypeError: There is no such part, or no text can be what the handler wants.
    """
    code = getattr(handler, "__code__", None)
    if isinstance(code, CodeType) and not hasattr(handler, "__wrapped__"):
        placed = code.co_varnames[: code.co_argcount]
        if not code.co_kwonlyargcount and names.isdisjoint(placed):
            return None
    elif not names:
        return None
    found: HandlerParams | None = reach("name_params")(handler, names)
    return found
