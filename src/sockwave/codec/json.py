"""JSON as JavaScript writes and reads it, on orjson, with binary pulled out in the same pass.

What orjson refuses and JavaScript does not: text with half of a surrogate pair (a cut emoji), both
ways; integers beyond 64 bits and keys that are not text, outbound. Those take a slower path here.
What neither may pass: nesting beyond a limit, NaN and numbers too large for a double, inbound.
"""

from __future__ import annotations

import dataclasses
import re
from json import dumps as _stdlib_dumps
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import orjson

from sockwave.codec.large import LARGE, VIEWED, decode_large
from sockwave.errors import EncodeError, PacketError, TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "check_depth", "decode_json", "encode_json"]

MAX_DEPTH: Final = 128
"""Deepest nesting accepted from a peer. orjson reads 1,024 levels but writes 254: a value between
the two could be received and then never sent on."""

_MAX_WRITE_DEPTH: Final = 254

_SURROGATE_ESCAPE: Final = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?"  # group 1: it is a pair
    rb"|[c-fC-F][0-9a-fA-F]{2})"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTAINERS: Final = (list, dict)


def decode_json(data: bytes, at: int = 0, *, max_depth: int = MAX_DEPTH) -> Any:
    """Decode UTF-8 JSON from a peer, which begins at a place in `data` and goes to its end.

    Half of a surrogate pair becomes U+FFFD, so that every text a handler sees can be encoded.
    Integers beyond 64 bits become floats, as in JavaScript. Of duplicate keys the last one wins.

    Raises:
        TextEncodingError: `data` is not UTF-8.
        PacketError: Not JSON, NaN, a number beyond a double, or nested deeper than `max_depth`.
    """
    size = len(data) - at
    try:
        if size < VIEWED:
            value = orjson.loads(data[at:])
        elif size < LARGE:
            value = orjson.loads(memoryview(data)[at:])
        else:
            value = decode_large(orjson.loads, memoryview(data)[at:])
    except ValueError:
        value = _decode_hard(data[at:])
    # Every level takes an opening and a closing character; counting them is cheaper than looking
    # into the value, and for the flat list of most events neither is needed.
    if (
        size > 2 * max_depth
        and not (max_depth and _is_flat(value))
        and data.count(b"[", at) + data.count(b"{", at) > max_depth
    ):
        check_depth(value, max_depth)
    return value


def _is_flat(value: Any) -> bool:
    if value.__class__ not in _CONTAINERS:
        return True
    children = value.values() if value.__class__ is dict else value
    return not any(child.__class__ in _CONTAINERS for child in children)


def _decode_hard(data: bytes) -> Any:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise TextEncodingError("invalid UTF-8") from None
    if b"\0" in data:  # which no JSON has, so two can stand for an escaped backslash
        raise PacketError("invalid payload", "not JSON")
    marked = data.replace(rb"\\", b"\0\0")
    whole = _SURROGATE_ESCAPE.sub(_replace_half_pair, marked).replace(b"\0\0", rb"\\")
    try:
        return decode_large(orjson.loads, whole)
    except ValueError:
        raise PacketError("invalid payload", "not JSON") from None


def _replace_half_pair(match: re.Match[bytes]) -> bytes:
    return match[0] if match[1] else rb"\ufffd"


def check_depth(value: Any, max_depth: int) -> None:
    """Go down level by level through lists and dicts.

    Raises:
        PacketError: Nested deeper.
    """
    level = [value] if value.__class__ in _CONTAINERS else []
    while level:
        if not max_depth:
            raise PacketError("invalid payload", "nested deeper than max_depth")
        max_depth -= 1
        level = [
            child
            for container in level
            for child in (container.values() if container.__class__ is dict else container)
            if child.__class__ in _CONTAINERS and (child or not max_depth)
        ]


encode_plain: Final = orjson.dumps
"""JSON text of a value with nothing binary in it; of all others a TypeError, which sends them to
`encode_json`. For those it gives the same."""


def encode_json(value: Any) -> tuple[bytes, list[bytes]]:
    """Encode a value for a peer and pull out what is binary.

    `bytes`, `bytearray` and `memoryview` (their exact bytes, also of strided or non-byte views) are
    replaced, depth first in order, by the placeholders of the Socket.IO protocol. The same object
    is one attachment, however often it occurs: a peer can make many of one by repeating a
    placeholder, and what it sent on would be many times what it sent. NaN and infinities become
    null as in JSON.stringify; dates, UUIDs, enums and dataclasses are written as orjson does.

    Returns:
        JSON text in UTF-8, and the attachments in the order of their first placeholders.

    Raises:
        EncodeError: A value of a type that JSON does not have, or nesting that orjson refuses.
    """
    try:
        # Nothing in most messages needs the hook; making one for each would cost more than the
        # second pass that the others take.
        return orjson.dumps(value), []
    except TypeError:
        pass
    attachments: list[bytes] = []
    try:
        return orjson.dumps(value, default=_placeholders(attachments)), attachments
    except TypeError:
        attachments.clear()
    try:
        plain = _plain(value, _placeholders(attachments), _MAX_WRITE_DEPTH)
        text = _stdlib_dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:  # an integer of thousands of digits, a released memoryview
        raise EncodeError(str(error)) from None
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode(), attachments


def _placeholders(attachments: list[bytes]) -> Callable[[Any], Any]:
    # By identity; kept with the object, so that no other one gets its id meanwhile.
    seen: dict[int, tuple[Any, int]] = {}

    def default(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            _, num = seen.setdefault(id(value), (value, len(attachments)))
            if num == len(attachments):
                attachments.append(bytes(value))
            return {"_placeholder": True, "num": num}
        if isinstance(value, (set, frozenset)):
            return list(value)
        raise TypeError  # orjson names the type

    return default


def _plain(value: Any, default: Callable[[Any], Any], depth: int) -> Any:
    """Rebuild what orjson refused from what the standard library writes."""
    if depth < 0:
        raise EncodeError(f"nested deeper than {_MAX_WRITE_DEPTH} levels, or circular")
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {_key(k): _plain(v, default, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, default, depth - 1) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # orjson leaves out private fields.
        names = [f.name for f in dataclasses.fields(value) if not f.name.startswith("_")]
        return {name: _plain(getattr(value, name), default, depth - 1) for name in names}
    try:
        return _plain(default(value), default, depth - 1)
    except EncodeError:
        raise
    except TypeError:
        pass
    try:
        return orjson.loads(orjson.dumps(value))  # dates, UUIDs, enums
    except (TypeError, ValueError):
        name = type(value).__name__
        raise EncodeError(f"{name} cannot be sent: not JSON and not bytes") from None


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, int, float)) or key is None:
        return _stdlib_dumps(key)
    raise EncodeError(f"{type(key).__name__} cannot be a key in a message")
