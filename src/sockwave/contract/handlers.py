"""Handlers whose arguments are checked before they are called.

Theory: a handler that is registered for each client is a new function each time, with the same code
and, mostly, the same annotations. So a plan is kept by the code, and compared by the annotations,
which a function that makes handlers can change. What is kept is bounded: code that is made at run
time does not stay for good.
"""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sockwave.contract.annotations import function_of, read_result
from sockwave.contract.injected import InjectedHandler, InjectedHow
from sockwave.contract.injection import injection_of
from sockwave.contract.plans import make_plan
from sockwave.contract.results import results_of, to_plain, to_wire
from sockwave.engine.core.handlers import WrappedHandler, place_of

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import CodeType, FunctionType

    from sockwave.contract.injection import Injection
    from sockwave.contract.plans import Plan
    from sockwave.contract.results import Results
    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.server.checking import HandlerChecks, Wrap

__all__ = ["CheckedHandler", "checking", "converted"]

OURS: Final = "sockwave.socketio."
"""Where sockets and servers are."""

_MAX_CODES: Final = 4_096
_MAX_OF_CODE: Final = 16
"""Plans of one code: of a function that makes handlers of many types the last ones are kept."""


class _Kept(NamedTuple):
    """A plan, and what it was made of.

    Attributes:
        how: The socket first, how it is checked, and what a `partial` or a method has filled in.
        annotations: Of the function.
        globals_: Where the names in them stand.
        defaults: Of its parameters, where something is given, which they may say.
        found: What is checked, and what is given.
    """

    how: tuple[Any, ...]
    annotations: dict[str, Any]
    globals_: dict[str, Any]
    defaults: tuple[Any, ...] | None
    found: tuple[Plan | None, Injection | None]


_kept: Final[dict[CodeType, list[_Kept]]] = {}


def checking(
    handler: Handler,
    *,
    event: str,
    takes_socket: bool,
    validate: bool | str,
    dependencies: tuple[Any, ...],
    host: HandlerChecks,
) -> Wrap | None:
    """What wraps a handler so that its calls are checked, and given what they ask for; None where
    there is nothing to do.

    Args:
        handler: As it was registered.
        event: Which it handles.
        takes_socket: It gets the socket first.
        validate: How its arguments are checked, if they are.
        dependencies: Of a router, run before it.
        host: Knows whether results are checked.

    Raises:
        TypeError: An annotation cannot be checked, or something cannot be given; the text says
            where, and what to do.
    """
    plan, injection = _found_out(handler, takes_socket, validate, dependencies)
    if injection is not None:
        if injection.wants_ack and not takes_socket:
            raise TypeError(
                f"handler {place_of(handler)}: Ack is for handlers of all sockets, as those of "
                "io.event; a handler of socket.on acknowledges with what it returns"
            )
        given = InjectedHow(plan, injection, host, event, takes_socket)
        wrap: Any = functools.partial(InjectedHandler, given)
        wrap.is_injected, wrap.wants_ack = True, injection.wants_ack
        return wrap  # type: ignore[no-any-return]
    if plan is None:
        return None
    kind = CheckedHandler if plan.results is None else ConvertingHandler
    return functools.partial(kind, _How(plan, host, takes_socket))


def _found_out(
    handler: Handler, takes_socket: bool, validate: bool | str, dependencies: tuple[Any, ...]
) -> tuple[Plan | None, Injection | None]:
    """The plan of a handler and what it is given, made anew only if none like it was seen."""
    function = function_of(handler)
    annotations = None if function is None else _annotations(function)
    if function is None or annotations is None or dependencies:
        return _find_out(handler, takes_socket, validate, dependencies)
    kept = _kept.get(function.__code__)
    how = (takes_socket, validate, *_filled_in(handler, function))
    for each in kept or ():
        if (
            each.how == how
            and each.globals_ is function.__globals__
            and _same(each.annotations, annotations)
            and (each.defaults is None or each.defaults == function.__defaults__)
        ):
            return each.found
    found = _find_out(handler, takes_socket, validate, dependencies)
    if kept is None:
        if len(_kept) >= _MAX_CODES:
            _kept.clear()
        kept = _kept[function.__code__] = []
    defaults = function.__defaults__ if found[1] is not None else None
    kept.append(_Kept(how, annotations, function.__globals__, defaults, found))
    del kept[:-_MAX_OF_CODE]
    return found


def _find_out(
    handler: Handler, takes_socket: bool, validate: bool | str, dependencies: tuple[Any, ...]
) -> tuple[Plan | None, Injection | None]:
    injection = injection_of(
        handler, takes_socket=takes_socket, roots=dependencies, is_checked=validate is not False
    )
    if validate is False or _checks_itself(handler):
        return None, injection
    names = frozenset() if injection is None else injection.names
    is_first = takes_socket if injection is None else injection.has_socket_first
    strict = validate is True
    return make_plan(handler, takes_socket=is_first, strict=strict, left_out=names), injection


def _checks_itself(handler: Handler) -> bool:
    """Whether it is a method of ours, as in `socket.on("enter", socket.join)`: these say what is
    wrong, and their annotations need names that are there for type checkers alone."""
    return isinstance(handler, MethodType) and handler.__module__.startswith(OURS)


def _annotations(function: FunctionType) -> dict[str, Any] | None:
    """Those of a function; None where Python 3.14 cannot evaluate them."""
    try:
        return function.__annotations__
    except Exception:
        return None


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    try:
        return bool(ours == theirs)
    except Exception:  # of the application's own classes
        return False


def _filled_in(handler: Any, function: FunctionType) -> tuple[Any, ...]:
    """What makes the signature of a handler another one than that of its function."""
    filled: list[Any] = []
    while handler is not function:
        if isinstance(handler, functools.partial):
            filled.append((len(handler.args), frozenset(handler.keywords)))
            handler = handler.func
        elif isinstance(handler, MethodType):
            filled.append("method")
            handler = handler.__func__
        elif hasattr(handler, "__wrapped__"):
            filled.append(type(handler))
            handler = handler.__wrapped__
        else:
            filled.append("object")
            break
    return tuple(filled)


class _How(NamedTuple):
    """How the handlers of one code are checked.

    Attributes:
        plan: What is looked at.
        host: Knows whether results are checked.
        takes_socket: The socket comes first.
    """

    plan: Plan
    host: HandlerChecks
    takes_socket: bool


class CheckedHandler(WrappedHandler):
    """A handler that is called with arguments of the types that it wants, or not at all."""

    __slots__ = ("_how",)

    def __init__(self, how: _How, handler: Handler) -> None:
        self.__wrapped__ = handler  # without `super`: this is once per client
        self._how = how

    @property
    def argument_types(self) -> Plan:
        """What it takes, to be compared with another one."""
        return self._how.plan

    def __call__(self, *args: Any) -> Any:
        """Call it.

        Raises:
            InvalidEvent: The arguments are not admitted; it was not called.
            TypeError: They are too few or too many.
        """
        handler, (plan, _, takes_socket) = self.__wrapped__, self._how
        only = plan.only
        if takes_socket:
            if only is not None and len(args) == 2:
                return handler(args[0], only(args[1]))
            return handler(args[0], *plan.arguments(args[1:], handler))
        if only is not None and len(args) == 1:
            return handler(only(args[0]))
        return handler(*plan.arguments(args, handler))


class ConvertingHandler(CheckedHandler):
    """The same, where what it returns has to be converted, or may be checked."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        """Call it; the result, or what gives it later, is one for the wire."""
        plan, host, takes_socket = self._how
        results, development, only = plan.results, host.development, plan.only
        assert results is not None
        if takes_socket and only is not None and len(args) == 2:
            result = self.__wrapped__(
                args[0], only(args[1])
            )  # as `CheckedHandler`, which nearly all are
        else:
            result = CheckedHandler.__call__(self, *args)
        if result.__class__ is results.kind and not development:
            try:
                return to_plain(result)
            except (TypeError, ValueError, RecursionError):
                return to_wire(result)
        if not results.needs_conversion and not development:
            return result
        if hasattr(result, "__await__"):
            return self._later(result, results)
        return self._converted(result, results)

    async def _later(self, running: Awaitable[Any], results: Results) -> Any:
        return self._converted(await running, results)

    def _converted(self, result: Any, results: Results) -> Any:
        converted = results.convert(result)
        if self._how.host.development:
            results.check(converted)
        return converted


def converted(handler: Handler) -> Handler:
    """A handler whose results are made into values for the wire, where its annotation wants that.

    It is for handlers of exceptions, whose arguments are none of a client.
    """
    results = results_of(read_result(handler), place_of(handler))
    if results is None or not results.needs_conversion:
        return handler
    return _ConvertedHandler(handler, results)


class _ConvertedHandler(WrappedHandler):
    """A handler of exceptions that returns a structure, a date or the like."""

    __slots__ = ("_results",)

    def __init__(self, handler: Handler, results: Results) -> None:
        super().__init__(handler)
        self._results = results

    def __call__(self, *args: Any) -> Any:
        """Call it; the result, or what gives it later, is one for the wire."""
        result = self.__wrapped__(*args)
        if hasattr(result, "__await__"):
            return self._later(result)
        return self._results.convert(result)

    async def _later(self, running: Awaitable[Any]) -> Any:
        return self._results.convert(await running)
