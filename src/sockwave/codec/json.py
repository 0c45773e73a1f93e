"""JSON as JavaScript writes and reads it, on orjson, with binary pulled out in the same pass.

What orjson refuses and JavaScript does not: text with half of a surrogate pair (a cut emoji), both
ways; integers beyond 64 bits and keys that are not text, outbound. Those take a slower path here.
What neither may pass: nesting beyond a limit, NaN and numbers too large for a double, inbound.
"""

from __future__ import annotations

import dataclasses
import gc
import re
from json import dumps as _stdlib_dumps
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import orjson

from sockwave.errors import EncodeError, PacketError, TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "check_depth", "decode_json", "encode_json"]

MAX_DEPTH: Final = 128
"""Deepest nesting accepted from a peer. orjson reads 1,024 levels but writes 254: a value between
the two could be received and then never sent on."""

_MAX_WRITE_DEPTH: Final = 254

_LARGE: Final = 65_536
"""Bytes from which on the garbage collector waits while a value is built. Every few hundred lists
that are made would start it, to look at all of those before: of a million bytes of `[]` three
quarters of the time."""

_ESCAPE: Final = re.compile(
    rb"\\(?:"  # one literal in front of all three: the search for it is a memchr
    rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: fine
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one: group 1
    rb"|.)",  # any other escape, so that the `u` behind `\\` is not taken for one
    re.DOTALL,
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTAINERS: Final = (list, dict)


def decode_json(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Decode UTF-8 JSON from a peer.

    Half of a surrogate pair becomes U+FFFD, so that every text a handler sees can be encoded.
    Integers beyond 64 bits become floats, as in JavaScript. Of duplicate keys the last one wins.

    Raises:
        TextEncodingError: `data` is not UTF-8.
        PacketError: Not JSON, NaN, a number beyond a double, or nested deeper than `max_depth`.
    """
    try:
        value = orjson.loads(data) if len(data) < _LARGE else _decode_large(data)
    except ValueError:
        value = _decode_hard(data)
    # Every level takes an opening and a closing character; counting them is cheaper than looking
    # into the value, and for the flat list of most events neither is needed.
    if (
        len(data) > 2 * max_depth
        and not (max_depth and _is_flat(value))
        and data.count(b"[") + data.count(b"{") > max_depth
    ):
        check_depth(value, max_depth)
    return value


def _decode_large(data: bytes) -> Any:
    if not gc.isenabled():
        return orjson.loads(data)
    gc.disable()
    try:
        return orjson.loads(data)
    finally:
        gc.enable()


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
    try:
        return orjson.loads(_ESCAPE.sub(_replace_half_pair, data))
    except ValueError:
        raise PacketError("invalid payload") from None


def _replace_half_pair(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


def check_depth(value: Any, max_depth: int) -> None:
    """Go down level by level through lists and dicts.

    Raises:
        PacketError: Nested deeper.
    """
    level = [value] if value.__class__ in _CONTAINERS else []
    while level:
        if not max_depth:
            raise PacketError("invalid payload")
        max_depth -= 1
        level = [
            child
            for container in level
            for child in (container.values() if container.__class__ is dict else container)
            if child.__class__ in _CONTAINERS
        ]


def encode_json(value: Any) -> tuple[bytes, list[bytes]]:
    """Encode a value for a peer and pull out what is binary.

    `bytes`, `bytearray` and `memoryview` (their exact bytes, also of strided or non-byte views) are
    replaced, depth first in order, by the placeholders of the Socket.IO protocol. NaN and
    infinities become null as in JSON.stringify; dates, UUIDs, enums and dataclasses are written as
    orjson does.

    Returns:
        JSON text in UTF-8, and the attachments in the order of their placeholders.

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
    def default(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            attachments.append(bytes(value))
            return {"_placeholder": True, "num": len(attachments) - 1}
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
