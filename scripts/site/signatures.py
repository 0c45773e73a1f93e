"""Signatures as the reference shows them: every option, its type and its default."""

from __future__ import annotations

import enum
import inspect
import typing
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.option_signature import default_of

if TYPE_CHECKING:
    from scripts.site.published import Catalogue

__all__ = [
    "default_text",
    "field_default",
    "is_async",
    "is_context",
    "signature_text",
    "type_text",
]

STARS: Final[dict[Any, str]] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
LARGE: Final = 10_000
"""From here on digits stand in groups."""


def signature_text(value: Any, catalogue: Catalogue, module: str, *, is_method: bool) -> str:
    """The arguments and the result of a function; empty for what has no signature.

    Args:
        module: Of the source, whose names its types are.
        is_method: Leave out the first argument.
    """
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = list(signature.parameters.values())
    if is_method and parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    shown = [p.replace(default=_shown(value, p), annotation=Parameter.empty) for p in parameters]
    pieces: list[str] = []
    for parameter, original in zip(shown, parameters, strict=True):
        if parameter.kind is Parameter.KEYWORD_ONLY and not _had_star(pieces):
            pieces.append("*")
        pieces.append(_parameter(parameter, original, catalogue, module))
    if parameters and parameters[-1].kind is Parameter.POSITIONAL_ONLY:
        pieces.append("/")
    result = type_text(signature.return_annotation, catalogue, module)
    if isinstance(value, type):
        result = ""
    return f"({', '.join(pieces)})" + (f" -> {result}" if result else "")


def _had_star(pieces: list[str]) -> bool:
    return any(piece.startswith("*") and not piece.startswith("**") for piece in pieces)


def _parameter(parameter: Parameter, original: Parameter, catalogue: Catalogue, module: str) -> str:
    stars = STARS.get(parameter.kind, "")
    kind = type_text(original.annotation, catalogue, module)
    text = f"{stars}{parameter.name}" + (f": {kind}" if kind else "")
    if parameter.default is Parameter.empty:
        return text
    return f"{text} = {parameter.default}" if kind else f"{text}={parameter.default}"


def _shown(value: Any, parameter: Parameter) -> object:
    if parameter.default is Parameter.empty:
        return parameter.default
    if isinstance(value, type) and (made := field_default(value, parameter.name)):
        return made  # `inspect` has a placeholder where each object gets its own
    return default_text(parameter.default)


def type_text(annotation: object, catalogue: Catalogue, module: str) -> str:
    """A type as it is written, with whole names; empty where there is none."""
    if annotation in (Parameter.empty, Signature.empty):
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.strip("'\"").replace("ssl_module.", "ssl.")  # as `ssl` is the option's name
    return catalogue.qualified(text, module)


def default_text(value: object) -> str:
    """A default as one would write it."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGE:
        return f"{value:_}"
    if value is None or isinstance(value, (bool, int, float, str, bytes, tuple, dict, list)):
        return repr(value)
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}()"
    return str(getattr(value, "__name__", "..."))


def is_async(function: Any) -> bool:
    """Whether calling it gives what is awaited."""
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return True
    result = typing.cast("Any", getattr(function, "__annotations__", {})).get("return", "")
    return str(result).startswith(("Coroutine[", "Awaitable["))


def is_context(function: Any) -> bool:
    """Whether it is for `async with`: a function that `asynccontextmanager` has made so."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner):
            return True
        function = inner
    return False


def field_default(cls: type[Any], name: str) -> str:
    """The default of a field of a dataclass; empty where there is none."""
    for each in fields(cls) if is_dataclass(cls) else ():
        if each.name == name:
            value = default_of(each)
            return "" if value is MISSING else default_text(value)
    return ""
