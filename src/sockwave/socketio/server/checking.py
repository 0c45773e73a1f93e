"""Which handlers are checked by their annotations; how, is known above (see extensions.py).

A handler without annotations is left as it is, and nothing is imported for it. Those that are
registered anew for each client are known by their code, so that they are not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
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
    """What was found out about a handler, for the next one of the same code."""

    __slots__ = ("_annotations", "_globals", "_takes_socket", "wrap")

    def __init__(self, handler: FunctionType, takes_socket: bool, wrap: Wrap | None) -> None:
        self._annotations = handler.__annotations__
        self._globals = handler.__globals__
        self._takes_socket = takes_socket
        self.wrap = wrap

    def fits(self, handler: Any, takes_socket: bool) -> bool:
        """Whether a function of the same code is the same to us: its annotations are made anew."""
        try:
            return (
                handler.__class__ is FunctionType  # no method of it
                and bool(handler.__annotations__ == self._annotations)
                and handler.__globals__ is self._globals
                and takes_socket is self._takes_socket
            )
        except Exception:  # of the application's own classes
            return False


class HandlerChecks:
    """Wraps the handlers of a server that have something to be checked.

    Args:
        validate: Where a handler does not say otherwise.
        development: What handlers return is checked, too. May change while the server runs.
    """

    __slots__ = ("_known", "_made", "_make", "_validate", "development")

    def __init__(self, validate: Validate, *, development: bool) -> None:
        self.development = development
        self._validate = validate
        self._known: set[CodeType] = set()
        self._make: Callable[..., Wrap | None] | None = None
        self._made: dict[CodeType, _Made] = {}

    def of(
        self, event: str, handler: Handler, validate: Validate | None, *, takes_socket: bool
    ) -> Wrap | None:
        """What wraps a handler of an event of clients; None where it stays as it is.

        Raises:
            TypeError: An annotation cannot be checked; the text says where, and what to do.
            ValueError: `validate` is none of the ways.
        """
        code: Any = getattr(handler, "__code__", None)
        if code in self._known:
            return None
        if event in _OWN_EVENTS:
            return None
        if validate is None:
            made = self._made.get(code)
            if made is not None and made.fits(handler, takes_socket):
                return made.wrap
            validate = self._validate
            is_usual = True
        else:
            check_validate(validate)
            is_usual = False
        if validate is False:
            return None
        if code is not None and _is_plain(handler) and not handler.__annotations__:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known.add(code)
            return None
        if self._make is None:
            self._make = reach("check_handlers")
        strict = validate is True
        wrap = self._make(handler, takes_socket=takes_socket, strict=strict, host=self)
        if is_usual and _is_plain(handler):
            if len(self._made) >= _MAX_KNOWN:
                self._made.clear()
            self._made[code] = _Made(handler, takes_socket, wrap)
        return wrap


def _is_plain(handler: Any) -> TypeGuard[FunctionType]:
    """Whether it is a function with annotations of its own, which can be evaluated."""
    if not isinstance(handler, FunctionType) or hasattr(handler, "__wrapped__"):
        return False
    try:
        handler.__annotations__  # noqa: B018 # Python 3.14 evaluates them now
    except Exception:
        return False
    return True
