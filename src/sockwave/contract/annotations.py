"""What the signature of a handler says, with the names in it resolved."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from sockwave.engine.core.handlers import WrappedHandler, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from inspect import Parameter

__all__ = [
    "UNKNOWN",
    "Keyword",
    "KeywordReading",
    "Reading",
    "annotation_of",
    "default_of",
    "function_of",
    "named",
    "passes_on",
    "read",
    "read_keywords",
    "read_result",
    "signature_of",
    "unresolved",
]

UNKNOWN: Final = object()
"""Stands where there is no annotation, or none that can be resolved."""

_PLACED: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The arguments that a handler takes, and what it returns.

    Attributes:
        names: Of its positional parameters, in order.
        types: The annotation of each; UNKNOWN where there is none.
        least: How many of them have no default.
        rest: The annotation of `*args`; None where there is no such parameter.
        result: The annotation of what is returned.
    """

    names: tuple[str, ...]
    types: tuple[Any, ...]
    least: int
    rest: Any
    result: Any


@dataclass(frozen=True, slots=True)
class Keyword:
    """A parameter that is given by its name alone.

    Attributes:
        name: Of it.
        annotation: UNKNOWN where there is none.
        is_required: Whether it has no default.
    """

    name: str
    annotation: Any
    is_required: bool


@dataclass(frozen=True, slots=True)
class KeywordReading:
    """What a handler takes by name, and what not.

    Attributes:
        placed: Names of its positional parameters.
        keywords: What stands behind `*`.
    """

    placed: tuple[str, ...]
    keywords: tuple[Keyword, ...]


def function_of(handler: Any) -> FunctionType | None:
    """The function of the application that a handler is in the end; None for what is built in.

    A decorator that takes `*args` and nothing else before them passes on what it gets, so what it
    has wrapped decides; any other one has its own signature.
    """
    while not isinstance(handler, FunctionType) or passes_on(handler):
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif isinstance(handler, MethodType):
            handler = handler.__func__
        elif isinstance(handler, (FunctionType, WrappedHandler)):
            handler = handler.__wrapped__  # type: ignore[union-attr] # it passes on
        elif isinstance(call := getattr(type(handler), "__call__", None), FunctionType):  # noqa: B004 # of its class
            handler = call
        else:
            return None
    return handler


def passes_on(handler: Any) -> bool:
    """Whether a function is a decorator's, and takes whatever comes."""
    if not hasattr(handler, "__wrapped__"):
        return False
    code: CodeType = handler.__code__
    return not code.co_argcount and bool(code.co_flags & inspect.CO_VARARGS)


def default_of(handler: Any, name: str) -> Any:
    """The default of a positional parameter, which each making of a function may have anew."""
    function = function_of(handler)
    if function is None:
        return None
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return (function.__defaults__ or ())[names.index(name) - len(names)]


def read(
    handler: Callable[..., Any], *, skipped: int, left_out: Set[str] = frozenset()
) -> Reading | None:
    """Read the signature of a handler.

    Args:
        skipped: Parameters at the beginning that are no arguments of the event, as the socket;
            their annotations are not looked at.
        left_out: Names of others that are none.

    Returns:
        None where there is no signature, as of many built-in functions.

    Raises:
        TypeError: An annotation cannot be resolved; the text says where, and what to do.
    """
    function = function_of(handler)
    signature = signature_of(handler)
    if function is None or signature is None:
        return None
    parameters = [each for each in signature.parameters.values() if each.kind in _PLACED]
    parameters = [each for each in parameters[skipped:] if each.name not in left_out]
    rest = None
    for each in signature.parameters.values():
        if each.kind is each.VAR_POSITIONAL:
            rest = _type_of(each, function, handler)
    result: Any = signature.return_annotation
    return Reading(
        tuple(each.name for each in parameters),
        tuple(_type_of(each, function, handler) for each in parameters),
        sum(each.default is each.empty for each in parameters),
        rest,
        UNKNOWN if result is signature.empty else _resolved_or_unknown(result, function),
    )


def read_keywords(handler: Callable[..., Any], names: Set[str]) -> KeywordReading | None:
    """Read which parameters of a handler are given by name.

    Args:
        names: Those whose annotations must be there; of others they may not be.

    Returns:
        None where there is no signature.

    Raises:
        TypeError: An annotation cannot be resolved; the text says where, and what to do.
    """
    function = function_of(handler)
    signature = signature_of(handler)
    if function is None or signature is None:
        return None
    parameters = signature.parameters.values()
    return KeywordReading(
        tuple(each.name for each in parameters if each.kind in _PLACED),
        tuple(
            Keyword(
                each.name,
                annotation_of(each, function, handler, is_needed=each.name in names),
                each.default is each.empty,
            )
            for each in parameters
            if each.kind is each.KEYWORD_ONLY
        ),
    )


def read_result(handler: Callable[..., Any]) -> Any:
    """The annotation of what a handler returns; UNKNOWN where there is none."""
    function = function_of(handler)
    signature = signature_of(handler)
    if function is None or signature is None or signature.return_annotation is signature.empty:
        return UNKNOWN
    return _resolved_or_unknown(signature.return_annotation, function)


def signature_of(handler: Any) -> inspect.Signature | None:
    """That of a handler, or of what it passes its arguments on to; None where there is none."""
    how: dict[str, Any] = {}
    if sys.version_info >= (3, 14):
        import annotationlib

        how["annotation_format"] = annotationlib.Format.FORWARDREF
    inner = handler
    while isinstance(inner, FunctionType) and passes_on(inner):
        inner = inner.__wrapped__  # type: ignore[attr-defined] # it passes on
    try:
        return inspect.signature(inner, follow_wrapped=False, **how)
    except (TypeError, ValueError):
        return None


def annotation_of(
    parameter: Parameter, function: FunctionType | None, handler: Any, *, is_needed: bool
) -> Any:
    """The annotation of a parameter, resolved; UNKNOWN where there is none.

    Args:
        is_needed: Raise where it cannot be resolved, instead of UNKNOWN.

    Raises:
        TypeError: It cannot; the text says where, and what to do.
    """
    if function is None:
        return UNKNOWN
    try:
        return _type_of(parameter, function, handler)
    except TypeError:
        if is_needed:
            raise
        return UNKNOWN


def _type_of(parameter: Parameter, function: FunctionType, handler: Any) -> Any:
    if parameter.annotation is parameter.empty:
        return UNKNOWN
    try:
        return _resolved(parameter.annotation, function)
    except Exception as error:
        raise unresolved(handler, parameter.name, parameter.annotation, error) from error


def _resolved_or_unknown(annotation: Any, function: FunctionType) -> Any:
    """What a handler returns is converted by what it is: a name for type checkers does no harm."""
    try:
        return _resolved(annotation, function)
    except Exception:
        return UNKNOWN


def _resolved(annotation: Any, function: FunctionType) -> Any:
    def bearer() -> None: ...

    bearer.__annotations__ = {"it": annotation}
    return named(get_type_hints(bearer, function.__globals__, include_extras=True)["it"])


def named(annotation: Any) -> Any:
    """What a `type` statement has given a name, and anything else as it is."""
    while type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def unresolved(handler: Any, name: str, annotation: Any, error: BaseException) -> TypeError:
    """Say which annotation has a name that there is not, and what to do."""
    written = (
        annotation
        if isinstance(annotation, str)
        else getattr(annotation, "__forward_arg__", annotation)
    )
    text = (
        f"handler {place_of(handler)}: the annotation {written!r} of {name!r} cannot be resolved: "
        f"{error}. Its types must be there at run time: import them outside of `if TYPE_CHECKING`, "
        "and register the handler below the classes that it names"
    )
    function = function_of(handler)
    if function is not None and "<locals>" in function.__qualname__:
        text += (
            "; a class that is made inside a function must stand in the module where it is named "
            "in text, as it always is with `from __future__ import annotations`"
        )
    return TypeError(f"{text}; or register the handler with validate=False")
