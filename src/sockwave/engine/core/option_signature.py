"""Signatures that name every option: for `help`, and for tools that ask at run time.

Type checkers and editors read the names from the `TypedDict` that `**options` is unpacked to; at
run time the signature would say `**options` only. It says what they see, from here.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, fields
from inspect import Parameter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["default_of", "names_options"]

C = TypeVar("C", bound="Callable[..., Any]")


def names_options(keywords: type[Any], *options: type[Any], **defaults: object) -> Callable[[C], C]:
    """Let the signature of a function name the options that it takes as `**options`.

    Args:
        keywords: Their types: the `TypedDict`.
        options: Their defaults: the dataclasses that they become.
        defaults: Those of this function that are others.
    """
    known = {field.name: default_of(field) for each in options for field in fields(each)}
    known.update(defaults)
    named = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=known[name], annotation=_text(hint))
        for name, hint in keywords.__annotations__.items()
    ]

    def decorate(function: C) -> C:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        whole = signature.replace(parameters=[*own, *named])
        function.__signature__ = whole  # type: ignore[attr-defined] # `inspect` asks for it
        return function

    return decorate


def default_of(field: Field[Any]) -> Any:
    """The value of an option that is not given."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _text(hint: Any) -> str:
    """A type as it is written."""
    return str(getattr(hint, "__forward_arg__", hint))
