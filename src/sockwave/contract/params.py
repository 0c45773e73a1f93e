"""Parts of the name of a namespace, as a handler wants them.

Theory: a part comes as text, and a name is one namespace. So what a handler takes for a number must
be written as that number is: of `/org/5` and `/org/05`, which are two namespaces, only the first is
that of organisation 5.
"""

from __future__ import annotations

import inspect
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from sockwave.contract.annotations import UNKNOWN, passes_on, read_keywords, unresolved
from sockwave.contract.checks import UnsupportedType, make_check
from sockwave.contract.given import is_injected
from sockwave.engine.core.handlers import place_of
from sockwave.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from sockwave.contract.annotations import Keyword
    from sockwave.contract.checks import Check

__all__ = ["Params", "name_params"]

_OF_TEXT: Final = (
    msgspec.inspect.AnyType,
    msgspec.inspect.StrType,
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.BoolType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.UUIDType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.DateType,
    msgspec.inspect.TimeType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.EnumType,
    msgspec.inspect.LiteralType,
)


class Params:
    """The parts of a name that one handler takes.

    Args:
        keywords: Its parameters for them.
        checks: Of each; None where the text itself is taken.

    Attributes:
        annotations: Their types by name; `str` where there is no annotation.
    """

    __slots__ = ("_checks", "_optional", "annotations")

    def __init__(self, keywords: list[Keyword], checks: list[Check | None]) -> None:
        self.annotations: dict[str, Any] = {
            each.name: str if each.annotation is UNKNOWN else each.annotation for each in keywords
        }
        self._checks = dict(zip(self.annotations, checks, strict=True))
        self._optional = {each.name for each in keywords if not each.is_required}

    def values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The keyword arguments for a namespace, from the parts of its name.

        Raises:
            ValueError: A part cannot be one of its type, or is not there.
        """
        values: dict[str, Any] = {}
        for name, check in self._checks.items():
            text = texts.get(name)
            if text is None:
                if name not in self._optional:
                    raise ValueError(f"the name has no {name}")
                continue
            try:
                values[name] = value = text if check is None else check(text)
            except InvalidEvent as error:
                raise ValueError(f"{name}: {error.reason}") from None
            if not _is_written(value, text):
                raise ValueError(f"{name}: {value} is written in another way")
        return values


def _is_written(value: Any, text: str) -> bool:
    """Whether a text is the one for its value, where several could stand for that."""
    if isinstance(value, bool):
        return json.dumps(value) == text
    if isinstance(value, (int, UUID)):
        return str(value) == text
    return True


def name_params(handler: Any, names: Set[str]) -> Params | None:
    """Find out which parts of the name of its namespace a handler wants; None for no part.

    Args:
        names: Of the parts that there are.

    Raises:
        TypeError: It wants one that there is not, or as something that no text can be; or one of
            its arguments is called as a part. The text says where, and what to do.
    """
    reading = read_keywords(handler, names)
    if reading is None:
        return None
    for name in reading.placed:
        if name in names:
            raise TypeError(
                f"handler {place_of(handler)}: {name!r} is a part of the name of the namespace, "
                "and would be an argument of the client here: put it behind `*`, as in "
                f"`(socket, *, {name}: str)`, or call the argument something else"
            )
    for each in reading.keywords:
        if each.name not in names and each.is_required and not is_injected(each.annotation):
            there = ", ".join(sorted(names)) or "none"
            raise TypeError(
                f"handler {place_of(handler)}: nothing is known of {each.name!r}, which stands "
                f"behind `*`: of the name of the namespace there are these parts: {there}. They "
                f'come from braces, as in Router("/org/{{{each.name}}}")'
            )
    wanted = [each for each in reading.keywords if each.name in names]
    if wanted and not _passes_keywords_on(handler):
        raise TypeError(
            f"handler {place_of(handler)}: {wanted[0].name!r} is a part of the name of the "
            "namespace, and comes by name: let its decorator take `**kwargs` and pass them on"
        )
    return Params(wanted, [_check_of(handler, each) for each in wanted]) if wanted else None


def _passes_keywords_on(handler: Any) -> bool:
    """Whether all decorators, of those that take whatever comes, take keywords as well."""
    while isinstance(handler, FunctionType) and passes_on(handler):
        if not handler.__code__.co_flags & inspect.CO_VARKEYWORDS:
            return False
        handler = handler.__wrapped__  # type: ignore[attr-defined] # it passes on
    return True


def _check_of(handler: Any, keyword: Keyword) -> Check | None:
    annotation = keyword.annotation
    if annotation is UNKNOWN or annotation is str:
        return None
    try:
        check = make_check(annotation, strict=False)
        if _is_of_text(msgspec.inspect.type_info(annotation)):
            return check
        reason = "no text can be one"
    except NameError as error:
        raise unresolved(handler, keyword.name, annotation, error) from error
    except UnsupportedType as error:
        reason = str(error)
    raise TypeError(
        f"handler {place_of(handler)}: {keyword.name!r} is a part of the name of the namespace, "
        f"which cannot become its type: {reason}. Take str, int, UUID, a date, an Enum of these or "
        "the like"
    )


def _is_of_text(info: msgspec.inspect.Type) -> bool:
    """Whether a text can be of a type."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _is_of_text(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return any(_is_of_text(each) for each in info.types)
    return isinstance(info, _OF_TEXT)
