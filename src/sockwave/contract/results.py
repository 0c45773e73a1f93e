"""What a handler returns, as values that every parser knows."""

from __future__ import annotations

import asyncio
import collections.abc
import functools
import types
import typing
from typing import Any, Final

import msgspec

from sockwave.contract.annotations import UNKNOWN
from sockwave.contract.checks import BINARY, UnsupportedType, make_check
from sockwave.contract.models import from_model
from sockwave.errors import InvalidEvent, SockwaveError

__all__ = ["AWAITED", "InvalidResult", "Results", "results_of", "to_plain", "to_wire"]

_PLAIN: Final = frozenset((str, int, float, bool, type(None), list, dict, tuple, *BINARY))
_CONTAINERS: Final = frozenset(
    (list, dict, tuple, typing.Union, types.UnionType, typing.Literal, typing.Annotated)
)
AWAITED: Final = frozenset(
    (collections.abc.Awaitable, collections.abc.Coroutine, asyncio.Future, asyncio.Task)
)


class InvalidResult(SockwaveError):
    """A handler returned what its annotation does not admit; in development only."""


class Results:
    """Converts what a handler returns, and checks it where that is wanted.

    Args:
        annotation: What it says that it returns.
        place: The handler, for the text of an error.

    Attributes:
        kind: The class of nearly all that is returned, where it has to be converted.
    """

    __slots__ = ("_annotation", "_check", "_is_plain", "_place", "kind")

    def __init__(self, annotation: Any, place: str) -> None:
        self._annotation = annotation
        self._place = place
        self._is_plain = _is_plain(annotation)
        is_one = isinstance(annotation, type) and not issubclass(annotation, tuple)
        self.kind: type[Any] | None = annotation if is_one and not self._is_plain else None
        self._check: Any = UNKNOWN  # then a check, or None

    @property
    def needs_conversion(self) -> bool:
        """Whether anything but JSON and bytes may be in it."""
        return not self._is_plain

    def convert(self, result: Any) -> Any:
        """Make it one for the wire; a tuple stays one, of several arguments."""
        if self._is_plain or result is None:
            return result
        if isinstance(result, tuple):
            return tuple(to_wire(each) for each in result)
        return to_wire(result)

    def check(self, converted: Any) -> None:
        """Refuse what the annotation does not admit.

        Raises:
            InvalidResult: Says where.
        """
        if self._check is UNKNOWN:
            try:
                self._check = make_check(self._annotation, strict=True)
            except (UnsupportedType, NameError):
                self._check = None
        if self._check is None:
            return
        try:
            self._check(list(converted) if isinstance(converted, tuple) else converted)
        except InvalidEvent as error:
            raise InvalidResult(
                f"handler {self._place} returned another type than its annotation says: "
                f"{error.reason} at {error.path}"
            ) from None


def results_of(annotation: Any, place: str) -> Results | None:
    """What is to be done with what a handler returns; None where nothing is said of it."""
    if typing.get_origin(annotation) in AWAITED:
        annotation = typing.get_args(annotation)[-1]
    if annotation in (UNKNOWN, Any, object, type(None), None):
        return None
    return Results(annotation, place)


to_plain: Final = functools.partial(msgspec.to_builtins, builtin_types=BINARY)
"""Nearly all of `to_wire`, without a call of ours."""


def to_wire(value: Any) -> Any:
    """JSON values and bytes for a value of the application; others come back as they are.

    Whoever sends them then says that they cannot be sent.
    """
    try:
        return to_plain(value)
    except (TypeError, ValueError, RecursionError):
        pass
    try:  # there may be models in it
        return msgspec.to_builtins(value, builtin_types=BINARY, enc_hook=from_model)
    except (TypeError, ValueError, RecursionError):
        return value


def _is_plain(annotation: Any) -> bool:
    """Whether all of a type goes over the wire as it is."""
    if annotation in _PLAIN or annotation is Any:
        return True
    if typing.get_origin(annotation) is typing.Literal:
        return all(type(each) in _PLAIN for each in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return _is_plain(typing.get_args(annotation)[0])
    return typing.get_origin(annotation) in _CONTAINERS and all(
        each is ... or _is_plain(each) for each in typing.get_args(annotation)
    )
