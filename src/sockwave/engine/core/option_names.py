"""Options that there are not: an error that names who was called, and what was meant."""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

__all__ = ["check_names", "strict_keywords", "strict_options"]

T = TypeVar("T", bound=type[Any])
P = ParamSpec("P")
R = TypeVar("R")

_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")

_ELSEWHERE: Final = {
    "cors_allowed_origins": "cors",
    "cors_credentials": "cors",
    "max_http_buffer_size": "max_payload",
    "http_compression_threshold": "http_compression",
    "client_manager": "adapter",
    "origins": "origin",
    "query_string": "query",
}
"""Names in other libraries that look like none of ours, in our way of writing."""


def check_names(owner: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse options that there are not.

    Args:
        owner: What the user has called.

    Raises:
        TypeError: Names the owner, the option, and the nearest one that there is.
    """
    for name in given:
        if name not in known:
            nearest = _nearest(name, known)
            hint = "" if nearest is None else f": did you mean {nearest!r}?"
            raise TypeError(f"{owner} has no option {name!r}{hint}")


def _nearest(name: str, known: Collection[str]) -> str | None:
    snake = _CAPITAL.sub("_", name).lower().replace("-", "_")
    for candidate in (snake, _ELSEWHERE.get(snake)):
        if candidate in known:
            return candidate
    matches = get_close_matches(snake, sorted(known), n=1, cutoff=0.7)
    return matches[0] if matches else None


def strict_options(cls: T) -> T:
    """Let a dataclass of options say which one there is not. Goes on top of `dataclass`."""
    known = frozenset(field.name for field in fields(cls))
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **options: Any) -> None:
        if not options.keys() <= known:
            check_names(cls.__name__, options, known)
        original(self, *args, **options)

    type.__setattr__(cls, "__init__", __init__)
    return cls


def strict_keywords(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method say which option there is not, by the class of what it is called on."""
    known = frozenset(inspect.signature(method).parameters) - {"self"}

    @functools.wraps(method)
    def checked(*args: P.args, **options: P.kwargs) -> R:
        if not options.keys() <= known:
            check_names(f"{type(args[0]).__name__}.{method.__name__}", options, known)
        return method(*args, **options)

    return checked
