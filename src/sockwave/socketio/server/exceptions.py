"""What a handler raises and its caller may know: errors as values.

Theory: nothing of this is on the way of an event whose handler returns. One that raises asks here
whether the error is a value: whether there is a handler for a class that it has, the most specific
class first, and of several for one class the nearest (router, namespace, server). An `EventError`
that nobody has a handler for is its own value. What this gives, or in the end an `async` handler
gives, goes the way of what a handler returns; so orders, threads and several handlers of an event
need nothing of their own.

Only what a handler for `Exception` itself takes is a failure nevertheless, which the log and
`on_error` hear of: it is what nobody has thought of. Must never happen: an exception of a handler
for exceptions that comes here again, or an answer that never comes for it.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.engine.core.handlers import Handler, WrappedHandler, check_handler, fit, place_of
from sockwave.errors import EventError, InvalidEvent
from sockwave.socketio.core.answers import UNSENDABLE
from sockwave.socketio.core.running import HandlerRunner, note_value
from sockwave.socketio.server.extensions import reach

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sockwave.socketio.core.answers import Answers

__all__ = ["ErrorsAsValues", "ExceptionTable", "ScopedHandler", "add_exception", "check_exception"]

ExceptionTable: TypeAlias = dict[type[Exception], Handler]

_NO_VALUE: Final = object()

_PLAIN: Final = frozenset((str, int, float, bool, list, dict, tuple, bytes))
"""What nobody needs to convert."""


def check_exception(kind: object) -> None:
    """Refuse what is no class of exceptions.

    Raises:
        TypeError: It is not, or of those that end a program.
    """
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        raise TypeError(
            "exception_handler needs a class of exceptions, as in "
            f"@io.exception_handler(PermissionError), not {kind!r}"
        )


def add_exception(table: ExceptionTable, kind: type[Exception], handler: Handler) -> None:
    """Add a handler for a class of exceptions, its only one.

    Raises:
        TypeError: It is no class of exceptions, or the handler cannot be called.
        ValueError: There is one.
    """
    check_exception(kind)
    check_handler(kind.__name__, handler)
    if kind in table:
        raise ValueError(
            f"{kind.__name__} has two handlers: {place_of(table[kind])} and {place_of(handler)}"
        )
    table[kind] = reach("convert_results")(handler) if _says_result(handler) else handler


def _says_result(handler: Any) -> bool:
    """Whether the annotations of a function say what it returns."""
    try:
        return getattr(handler, "__annotations__", {}).get("return") is not None
    except Exception:  # Python 3.14 evaluates them now
        return True


class ErrorsAsValues(HandlerRunner):
    """Answers with errors; a base of `Socket`."""

    __slots__ = ()

    def _exception_tables(self) -> tuple[ExceptionTable, ...]:
        """Handlers of exceptions, the nearest first."""
        raise NotImplementedError

    def _refused(self, event: str, error: InvalidEvent, answers: Answers | None) -> None:
        """Arguments were not admitted: no handler has seen them."""
        raise NotImplementedError

    def is_value(self, error: BaseException) -> bool:
        """Whether somebody has thought of it: it is no failure."""
        found = _find(error, self._exception_tables())
        return found is not None and found[0] is not Exception

    def _raised(
        self, name: str, error: BaseException, answers: Answers | None
    ) -> Awaitable[Any] | None:
        if isinstance(error, InvalidEvent):
            self._refused(name, error, answers)
            return None
        value = self._value_of(name, error, self._exception_tables())
        if value is _NO_VALUE:
            self._failed(name, error)
            if isinstance(error.__cause__, InvalidEvent):  # too few or too many arguments
                self._refused(name, error.__cause__, answers)
        elif value.__class__ is CoroutineType:
            return value
        elif answers is not None:
            answers.returned(value)
        return None

    def answer_to(self, name: str, error: Exception, nearest: ExceptionTable) -> Any:
        """What a handler answers that has raised; a coroutine where that takes time.

        Args:
            nearest: Asked before the handlers of namespace and server.

        Raises:
            Exception: The error, where it is no value.
        """
        value = self._value_of(name, error, (nearest, *self._exception_tables()))
        if value is _NO_VALUE:
            raise error
        return value

    def _value_of(self, name: str, error: BaseException, tables: tuple[ExceptionTable, ...]) -> Any:
        found = _find(error, tables)
        if found is None or not isinstance(error, Exception) or isinstance(error, InvalidEvent):
            return _NO_VALUE
        kind, handler = found
        if kind is Exception:
            self._failed(name, error)
        else:
            note_value(name, error)
        try:
            value = handler(*fit(handler, (error, self)))
        except BaseException as failure:
            return self._instead(name, failure)
        if value is not None and hasattr(value, "__await__"):
            return self._value_later(name, value)
        return value

    async def _value_later(self, name: str, running: Awaitable[Any]) -> Any:
        try:
            return await running
        except Exception as failure:
            return self._instead(name, failure)

    def _instead(self, name: str, failure: BaseException) -> Any:
        """A handler of exceptions has raised; it may have made a value of one."""
        if isinstance(failure, EventError):
            note_value(name, failure)
            return failure.value
        self._failed(name, failure)
        return UNSENDABLE


def _find(
    error: BaseException, tables: tuple[ExceptionTable, ...]
) -> tuple[type[Exception], Handler] | None:
    """The handler that is meant for it, and the class that this one is for."""
    for kind in type(error).__mro__:
        for table in tables:
            if kind in table:
                return kind, table[kind]
        if kind is EventError:
            return kind, _value_of_event_error
    return None


def _value_of_event_error(error: EventError) -> Any:
    value = error.value
    if error.data is not None and error.data.__class__ not in _PLAIN:
        value["data"] = reach("to_wire")(error.data)
    return value


class ScopedHandler(WrappedHandler):
    """A handler of a router that has handlers of exceptions of its own.

    Args:
        name: Of its event.
        exceptions: Those of the router; not copied.
    """

    __slots__ = ("_exceptions", "_name")

    def __init__(self, handler: Handler, name: str, exceptions: ExceptionTable) -> None:
        super().__init__(handler)
        self._name = name
        self._exceptions = exceptions

    def __call__(self, *args: Any) -> Any:
        """Call it with the socket and the arguments of the event; a value is returned."""
        socket: ErrorsAsValues = args[0]
        try:
            result = self.__wrapped__(*args)
        except Exception as error:
            return socket.answer_to(self._name, error, self._exceptions)
        if result is not None and hasattr(result, "__await__"):
            return self._later(socket, result)
        return result

    async def _later(self, socket: ErrorsAsValues, running: Awaitable[Any]) -> Any:
        try:
            return await running
        except Exception as error:
            value = socket.answer_to(self._name, error, self._exceptions)
            return await value if value.__class__ is CoroutineType else value
