"""Registered handlers: a table from names to functions, the same for engines, sessions and sockets.

Tuples, replaced when they change: a handler that adds or removes others while it runs disturbs
nobody, and a table of one handler is small. Arguments that do not fit a handler are refused by the
call itself, before any line of the handler runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from traceback import walk_tb
from types import FunctionType
from typing import Any, ClassVar, Final, TypeAlias

from sockwave.errors import SockwaveError

__all__ = [
    "NO_HANDLERS",
    "Handler",
    "HandlerTable",
    "WrappedHandler",
    "add_handler",
    "add_once",
    "check_event",
    "check_handler",
    "copy_handlers",
    "did_not_fit",
    "fit",
    "is_closed",
    "listeners_of",
    "most_arguments",
    "name_of",
    "place_of",
    "remove_handler",
]

Handler: TypeAlias = Callable[..., Any]
HandlerTable: TypeAlias = dict[str, tuple[Handler, ...]]

NO_HANDLERS: Final[HandlerTable] = {}
"""The table of all that have no handlers yet, which are most at a time. Nothing is added to it."""

_MANY: Final = 2**31


def check_event(name: object, right: str) -> None:
    """Refuse what cannot be the name of an event where a handler is to follow.

    Args:
        right: How it is written, for who wrote the decorator without the name.

    Raises:
        TypeError: It is no text.
    """
    if isinstance(name, str):
        return
    if callable(name):
        raise TypeError(f"the name of the event is missing, as in {right}")
    raise TypeError(f"the name of an event must be text, not {type(name).__name__}")


def check_handler(name: object, handler: object) -> None:
    """Refuse what cannot be a handler, where it is registered.

    Raises:
        TypeError: The name is no text, or the handler cannot be called.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an event must be text, not {type(name).__name__}")
    if not callable(handler):
        raise TypeError(f"the handler of {name!r} must be callable, not {type(handler).__name__}")


def add_handler(table: HandlerTable, name: str, handler: Handler, *, first: bool = False) -> None:
    """Add a handler behind, or before, those of the name."""
    present = table.get(name)
    if present is None:
        table[name] = (handler,)
    else:
        table[name] = (handler, *present) if first else (*present, handler)


def is_closed(error: BaseException) -> bool:
    """Whether what waits for a function of the application ends with its event loop.

    Then there is nobody to be told. `close` of a coroutine raises in the frame that waits, so the
    traceback ends there; a `GeneratorExit` that the function raised by itself comes from further
    inside, and is a failure like any other.
    """
    if not isinstance(error, GeneratorExit):
        return False
    here = error.__traceback__
    return here is None or here.tb_next is None


class WrappedHandler:
    """A handler in a wrapping of ours; `remove_handler` and `listeners_of` look inside.

    Attributes:
        wants_socket: Whether it is to be told, by its attribute `socket`, whose handler it is.
    """

    __slots__ = ("__wrapped__",)

    wants_socket: ClassVar[bool] = False

    def __init__(self, handler: Handler) -> None:
        self.__wrapped__: Handler = handler

    def __call__(self, *args: Any) -> Any:
        """Call the handler."""
        return self.__wrapped__(*args)


class _OnceHandler(WrappedHandler):
    """A handler that is removed before its first call."""

    __slots__ = ("_name", "_table")

    def __init__(self, handler: Handler, table: HandlerTable, name: str) -> None:
        super().__init__(handler)
        self._table = table
        self._name = name

    def __call__(self, *args: Any) -> Any:
        """Call it, once."""
        remove_handler(self._table, self._name, self)
        return self.__wrapped__(*args)


def add_once(
    table: HandlerTable,
    name: str,
    handler: Handler,
    wrap: Callable[[Handler], Handler] | None = None,
) -> None:
    """Add a handler for one call.

    Args:
        wrap: What stands around it; a call that ends there is none of the handler.
    """
    once = _OnceHandler(handler, table, name)
    add_handler(table, name, once if wrap is None else wrap(once))


def copy_handlers(table: HandlerTable) -> HandlerTable:
    """Make a table of its own, where a handler for one call is one anew."""
    copy: HandlerTable = {}
    for name, handlers in table.items():
        copy[name] = tuple(
            _OnceHandler(each.__wrapped__, copy, name) if isinstance(each, _OnceHandler) else each
            for each in handlers
        )
    return copy


def listeners_of(table: HandlerTable | None, name: str) -> list[Handler]:
    """Handlers of a name as they were registered."""
    handlers = (table or {}).get(name, ())
    return [_bare(each) for each in handlers]


def remove_handler(
    table: HandlerTable, name: str | None = None, handler: Handler | None = None
) -> None:
    """Remove the latest registration of a handler, or all handlers of the name, or of all names."""
    if name is None:
        table.clear()
        return
    if handler is None:
        table.pop(name, None)
        return
    present = table.get(name, ())
    for at in range(len(present) - 1, -1, -1):
        if handler in (present[at], _bare(present[at]), _wrapped(present[at])):
            rest = present[:at] + present[at + 1 :]
            if rest:
                table[name] = rest
            else:
                del table[name]
            return


def _bare(handler: Handler) -> Handler:
    """A handler out of all wrappings of ours."""
    while isinstance(handler, WrappedHandler):
        handler = handler.__wrapped__
    return handler


def _wrapped(handler: Handler) -> Handler | None:
    """What a decorator has wrapped, ours or another."""
    return getattr(handler, "__wrapped__", None)


def fit(handler: Handler, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Drop trailing arguments that a handler of ours-to-call does not take.

    For life-cycle events, whose later arguments are often not wanted: `def gone(reason)` for
    `disconnect(reason, description)`.
    """
    return args[: most_arguments(handler)]


def did_not_fit(error: BaseException) -> bool:
    """Whether a call failed for its arguments alone: no line outside this package has run."""
    if isinstance(error, SockwaveError):  # an `EncodeError` is a TypeError as well
        return False
    return isinstance(error, TypeError) and all(
        frame.f_globals.get("__name__", "").startswith("sockwave.")
        for frame, _ in walk_tb(error.__traceback__)
    )


def name_of(handler: Any) -> str:
    """Module and name of a function of the application, for the log."""
    function = getattr(handler, "func", handler)  # of a `partial`
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def place_of(handler: Any) -> str:
    """Name, file and line of a function of the application."""
    while True:
        inner = getattr(handler, "__wrapped__", None) or getattr(handler, "__func__", None)
        if inner is None and isinstance(handler, functools.partial):
            inner = handler.func
        if inner is None:
            break
        handler = inner
    function = handler if inspect.isfunction(handler) else type(handler).__call__
    code = getattr(function, "__code__", None)
    named = getattr(handler, "__qualname__", type(handler).__qualname__)
    return named if code is None else f"{named} ({code.co_filename}, line {code.co_firstlineno})"


def most_arguments(handler: Handler) -> int:
    """How many positional arguments a handler takes at most; a large number for any number."""
    if isinstance(handler, FunctionType) and not hasattr(handler, "__wrapped__"):
        code = handler.__code__  # no need to ask, which takes ten times as long
        return _MANY if code.co_flags & inspect.CO_VARARGS else int(code.co_argcount)
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return _MANY
    most = 0
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return _MANY
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
    return most
