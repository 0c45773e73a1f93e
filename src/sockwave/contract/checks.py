"""The check of one type: a function from a value, as it came, to a value of the type.

Theory: `msgspec.convert` does the work. What it is given is a structure of one field, made once per
type: msgspec keeps what it has found out about a structure, and would look at any other type anew
for each value. It also names the place of a fault in each case. Values that are of a plain type
already, which is most, do not get that far.

A payload cannot make this expensive: the time is in proportion to its size, which has a limit, and
so has its depth. Types that cannot be told apart at the first look are refused when the handler is
registered.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from sockwave.contract.models import is_model, is_slow_model, to_model
from sockwave.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BINARY", "Check", "UnsupportedType", "make_check", "split_binary"]

Check: TypeAlias = Callable[[Any], Any]
"""Raises `InvalidEvent`; the path in it begins with `$`, which is the value."""

BINARY: Final = (bytes, bytearray, memoryview)
"""They come as attachments: a text that stands for bytes is a text."""

_PLAIN: Final = (str, int, float, bool, bytes, list, dict)
"""A value of exactly this class is one of this type: there is nothing to look at."""

_ANYTHING: Final = (Any, object)

_BINARY_TYPES: Final = (
    msgspec.inspect.BytesType,
    msgspec.inspect.ByteArrayType,
    msgspec.inspect.MemoryViewType,
)

_MAX_REASON: Final = 200
"""Characters of a reason; it may quote what came."""

_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$\[0\]([^`]*)`\Z")


class UnsupportedType(TypeError):
    """A type that cannot be checked; the text says why."""


def make_check(annotation: Any, *, strict: bool) -> Check | None:
    """Make the check of a type; None where everything is admitted.

    Args:
        strict: Whether `"5"` is no `int`.

    Raises:
        UnsupportedType: It cannot be checked.
        NameError: A class in it has an annotation that cannot be resolved.
    """
    if annotation in _ANYTHING:
        return None
    binary, others = split_binary(annotation)
    if binary:
        return _binary_or(binary, make_check(others, strict=strict))
    return _make(annotation, strict)


def split_binary(annotation: Any) -> tuple[tuple[type, ...], Any]:
    """Take the binary types out of a union with others: msgspec would see two kinds of text."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return (), annotation
    members = typing.get_args(annotation)
    binary = tuple(each for each in members if each in BINARY)
    others = tuple(each for each in members if each not in BINARY)
    if not binary or not others:
        return (), annotation
    return binary, typing.Union[others]  # noqa: UP007 # of as many as there are


def _binary_or(binary: tuple[type, ...], other: Check | None) -> Check | None:
    if other is None:
        return None

    def check(value: Any) -> Any:
        if isinstance(value, binary):
            return value
        return binary[0](value) if isinstance(value, BINARY) else other(value)

    return check


def _make(annotation: Any, strict: bool) -> Check:
    holder, options = _holder(annotation, strict)

    # Each keyword costs as much as a small structure: most types need none.
    def convert_simply(value: Any) -> Any:
        try:
            return msgspec.convert((value,), holder).value
        except msgspec.ValidationError as error:
            raise _refusal(error) from None

    def convert_with_options(value: Any) -> Any:
        try:
            return msgspec.convert((value,), holder, **options).value
        except msgspec.ValidationError as error:
            raise _refusal(error) from None

    # A structure of its own needs no other around it; where it does not fit, that names the place.
    def convert_structure(value: Any) -> Any:
        try:
            return msgspec.convert(value, annotation)
        except msgspec.ValidationError:
            return convert_simply(value)

    convert = convert_with_options if options else convert_simply
    if not options and isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return convert_structure
    if annotation not in _PLAIN:
        return convert

    def check(value: Any) -> Any:
        return value if value.__class__ is annotation else convert(value)

    return check


def _holder(annotation: Any, strict: bool) -> tuple[Any, dict[str, Any]]:
    """A structure with one field of a type, which stands in an array; and how to convert to it."""
    try:
        options = _options(msgspec.inspect.type_info(annotation))
        if not strict:
            options["strict"] = False
        holder = msgspec.defstruct("Holder", [("value", annotation)], array_like=True)
        msgspec.convert((), holder, dec_hook=to_model)
    except msgspec.ValidationError:  # nothing is in it, but it could be looked for
        return holder, options
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, UnsupportedType):
            raise
        raise UnsupportedType(str(error).split("\n\n")[0] or repr(annotation)) from error
    raise AssertionError("an array without its item was admitted")


def _options(info: msgspec.inspect.Type) -> dict[str, Any]:
    """What the types inside a type need.

    Raises:
        UnsupportedType: There is a class of which nobody knows how it comes over the wire.
    """
    options: dict[str, Any] = {}
    for each in _inside(info):
        if isinstance(each, msgspec.inspect.CustomType):
            if not is_model(each.cls) and each.cls is not object:
                name = getattr(each.cls, "__qualname__", repr(each.cls))
                raise UnsupportedType(f"nothing is known of how a {name} comes in JSON")
            if is_model(each.cls) and is_slow_model(each.cls):
                raise UnsupportedType(
                    f"{each.cls.__qualname__} has a union inside that several of its members have "
                    "inside again, and a small payload could take hours to check: give it a "
                    "discriminator, as in Field(discriminator='kind')"
                )
            options["dec_hook"] = to_model
        elif isinstance(each, _BINARY_TYPES):
            options["builtin_types"] = BINARY
        elif isinstance(each, msgspec.inspect.DictType):
            if not isinstance(each.key_type, (msgspec.inspect.StrType, msgspec.inspect.AnyType)):
                options["str_keys"] = True
    return options


def _inside(info: msgspec.inspect.Type) -> Iterator[Any]:
    """All types in a type, itself included; each once, as it may have itself inside."""
    seen: set[int] = set()
    waiting: list[Any] = [info]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (list, tuple)):
            waiting.extend(each)
        elif isinstance(each, (msgspec.inspect.Type, msgspec.inspect.Field)):
            if id(each) not in seen:
                seen.add(id(each))
                waiting.extend(getattr(each, name) for name in each.__struct_fields__)
                yield each


def _refusal(error: msgspec.ValidationError) -> InvalidEvent:
    text = str(error)
    path, cause = "$", error.__cause__
    if (place := _PLACE.search(text)) is not None:
        path, text = f"${place[1]}", text[: place.start()]
    if isinstance(cause, InvalidEvent):  # of a model
        path, text = path + cause.path[1:], cause.reason
    elif isinstance(cause, TypeError):  # of the application's code, in `__post_init__`
        text = "Invalid value"
    return InvalidEvent(path, text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}...")
