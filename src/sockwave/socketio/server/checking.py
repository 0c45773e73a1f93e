"""Which handlers are checked by their annotations; how, is known above (see extensions.py).

A handler without annotations is left as it is, and nothing is imported for it. Those that are
registered anew for each client are known by their code, so that they are not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeGuard

from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.engine.core.handlers import Handler, WrappedHandler, place_of
from sockwave.socketio.server.extensions import reach

__all__ = ["HandlerChecks", "Validate", "Wrap", "check_alike", "check_validate"]

Wrap: TypeAlias = Callable[[Handler], Handler]
"""Makes of a handler one that is checked before it is called."""

Validate: TypeAlias = bool | Literal["lax"]
"""Whether arguments are checked; `"lax"` takes `"5"` for an `int`, as forms send it."""

_OWN_EVENTS: Final = RESERVED_EVENTS | {"connection", "error"}
"""Their arguments are ours, not a client's."""

_MAX_KNOWN: Final = 4_096
"""Codes that are remembered; past it they are looked at anew, so that none stays for good."""


def check_validate(validate: object) -> None:
    """Refuse what is none of the ways to check.

    Raises:
        ValueError: It is not.
    """
    if validate is not True and validate is not False and validate != "lax":
        raise ValueError(f"validate must be True, False or 'lax', not {validate!r}")


class ArgumentTypes(Protocol):
    """What a handler that is checked takes."""

    def differs_from(self, other: Any) -> str:
        """Where an argument is of another type than that of another handler, in words; or empty."""


def check_alike(event: str, handler: Handler, others: Iterable[Handler]) -> None:
    """Refuse a handler that wants other types of arguments than another one of the event.

    Args:
        handler: As it is called, checks included.
        others: Those that there are; what is not checked goes with everything.

    Raises:
        ValueError: There is such a one; the text says where both are, and what to do.
    """
    types = _types_of(handler)
    if types is None:
        return
    for other in others:
        theirs = _types_of(other)
        if theirs is None or theirs is types:
            continue
        difference = types.differs_from(theirs)
        if difference:
            raise ValueError(
                f"the event {event!r} has two handlers with different types: {difference} for "
                f"{place_of(handler)}, and not for {place_of(other)}. What a client sends cannot "
                "be right for both: let them name the same types, make one handler of them, or "
                "give one validate=False"
            )


def _types_of(handler: Handler) -> ArgumentTypes | None:
    """What is known of the arguments of a handler, in whatever it is wrapped."""
    while isinstance(handler, WrappedHandler):
        types: ArgumentTypes | None = getattr(handler, "argument_types", None)
        if types is not None:
            return types
        handler = handler.__wrapped__
    return None


class _Made:
    """What was found out about a handler, for the next one of the same code.

    Attributes:
        code: Stays with it, as it is known by its id alone: to hash it costs more than all else.
        kind: The class of the handler: a function, or a method that is bound to an object.
        globals_: Where names in annotations stand.
        annotations: None where there are none: then all functions of this code have none.
        is_text: Whether all of them are text, which is part of the code: they need not be compared.
        takes_socket: Whether it was called with the socket first.
        wrap: What wraps it, if anything does.
    """

    __slots__ = ("annotations", "code", "globals_", "is_text", "kind", "takes_socket", "wrap")

    def __init__(
        self, function: FunctionType, kind: type, takes_socket: bool, wrap: Wrap | None
    ) -> None:
        self.code = function.__code__
        self.kind = kind
        self.globals_ = function.__globals__
        self.annotations = function.__annotations__ or None
        self.is_text = all(type(each) is str for each in function.__annotations__.values())
        self.takes_socket = takes_socket
        self.wrap = wrap


class HandlerChecks:
    """Wraps the handlers of a server that have something to be checked.

    Args:
        validate: Where a handler does not say otherwise.
        development: What handlers return is checked, too. May change while the server runs.
    """

    __slots__ = ("_made", "_make", "_validate", "development")

    def __init__(self, validate: Validate, *, development: bool) -> None:
        self.development: bool = development
        self._validate = validate
        self._make: Callable[..., Wrap | None] | None = None
        self._made: dict[int, _Made] = {}

    def of(
        self,
        event: str,
        handler: Handler,
        validate: Validate | None,
        *,
        takes_socket: bool,
        dependencies: tuple[Any, ...] = (),
    ) -> Wrap | None:
        """What wraps a handler of an event of clients; None where it stays as it is.

        Raises:
            TypeError: An annotation cannot be checked; the text says where, and what to do.
            ValueError: `validate` is none of the ways.
        """
        kind: Any = handler.__class__
        is_function = kind is FunctionType or kind is MethodType
        if (
            is_function
            and validate is None
            and not dependencies
            and (made := self._made.get(id(getattr(handler, "__code__", None)))) is not None
        ):
            if made.annotations is None:
                return None
            try:
                if (
                    made.kind is kind
                    and made.takes_socket is takes_socket
                    and made.globals_ is handler.__globals__
                    and event not in _OWN_EVENTS
                    # They are made anew with each function.
                    and (made.is_text or made.annotations == handler.__annotations__)
                ):
                    return made.wrap
            except Exception:  # of the application's own classes
                pass
        if event in _OWN_EVENTS:
            return None
        function: Any = handler.__func__ if isinstance(handler, MethodType) else handler
        is_usual = validate is None and is_function and _is_plain(function) and not dependencies
        if validate is None:
            validate = self._validate
        else:
            check_validate(validate)
        wrap: Wrap | None = None
        if not is_usual or function.__annotations__:
            wrap = self._reach()(
                handler,
                event=event,
                takes_socket=takes_socket,
                validate=validate,
                dependencies=dependencies,
                host=self,
            )
        if is_usual and getattr(wrap, "is_injected", False):
            return wrap  # which knows its event; all that costs is kept by its code
        if is_usual:
            if len(self._made) >= _MAX_KNOWN:
                self._made.clear()
            self._made[id(function.__code__)] = _Made(function, kind, takes_socket, wrap)
        return wrap

    def injecting(self, event: str, handler: Handler) -> Wrap | None:
        """What wraps a handler of a server's own events, or a middleware, that asks for more than
        the socket; None where it does not.

        Raises:
            TypeError: What it asks for cannot be had; the text says where.
        """
        function: Any = handler.__func__ if isinstance(handler, MethodType) else handler
        code = getattr(function, "__code__", None)
        # The socket alone, or nothing: nothing is imported for that.
        own = 2 if isinstance(handler, MethodType) else 1
        if code is None or code.co_argcount + code.co_kwonlyargcount < own:
            return None
        if code.co_argcount == own and not code.co_kwonlyargcount and _is_socket_alone(function):
            return None
        return self._reach()(
            handler, event=event, takes_socket=True, validate=False, dependencies=(), host=self
        )

    def _reach(self) -> Callable[..., Wrap | None]:
        if self._make is None:
            self._make = reach("check_handlers")
        return self._make


def _is_socket_alone(function: FunctionType) -> bool:
    """Whether the last parameter says that it is the socket, or says nothing."""
    name = function.__code__.co_varnames[function.__code__.co_argcount - 1]
    try:
        annotation = function.__annotations__.get(name, "Socket")
    except Exception:  # Python 3.14 evaluates them now
        return True
    said = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return said.rpartition(".")[2] == "Socket"


def _is_plain(handler: Any) -> TypeGuard[FunctionType]:
    """Whether it is a function with annotations of its own, which can be evaluated."""
    if not isinstance(handler, FunctionType) or hasattr(handler, "__wrapped__"):
        return False
    try:
        handler.__annotations__  # noqa: B018 # Python 3.14 evaluates them now
    except Exception:
        return False
    return True
