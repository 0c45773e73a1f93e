"""Socket.IO packets as `socket.io-msgpack-parser` 3 has them (docs/protocol/msgpack.md).

A packet is one map in one binary message; bytes stay where they are, so nothing is reassembled.
JavaScript's notepack has three uses of extension type 0: `undefined`, dates, and buffers.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import msgspec

from sockwave.codec.json import MAX_DEPTH, check_depth
from sockwave.codec.large import LARGE, decode_large
from sockwave.codec.notepack import UNDEFINED, decode_notepack
from sockwave.codec.socketio import (
    MAX_ACK_ID,
    MAX_NAME_BYTES,
    Packet,
    PacketType,
    check_event,
)
from sockwave.errors import EncodeError, PacketError

__all__ = ["decode_msgpack_packet", "encode_msgpack_packet"]

_TYPES: Final = (
    PacketType.CONNECT,
    PacketType.DISCONNECT,
    PacketType.EVENT,
    PacketType.ACK,
    PacketType.CONNECT_ERROR,
)


def encode_msgpack_packet(packet: Packet) -> bytes:
    """Encode a packet as the data of one binary message.

    Raises:
        EncodeError: Its data cannot go on the wire.
    """
    fields: dict[str, Any] = {"type": packet.type - PacketType.CONNECT}
    if packet.data is not None:
        fields["data"] = packet.data
    if packet.id is not None:
        fields["id"] = packet.id
    fields["nsp"] = packet.namespace
    try:
        try:
            return _encoder.encode(fields)
        except BufferError:  # a strided view
            return _encoder.encode(_with_bytes(fields))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"cannot be sent as msgpack: {error}") from None


def _with_bytes(value: Any) -> Any:
    """Rebuild what msgspec refused, with the exact bytes of views in their places."""
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: _with_bytes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_with_bytes(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _with_bytes(getattr(value, field.name)) for field in fields}
    return value


def _encode_other(value: Any) -> Any:
    raise EncodeError(f"{type(value).__name__} cannot be sent: not a value of msgpack")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_encode_other)


def decode_msgpack_packet(data: bytes, *, max_depth: int = MAX_DEPTH) -> Packet:
    """Decode the data of one binary message; unknown keys are ignored, their order is free.

    Raises:
        PacketError: Malformed; the text is the reference's.
    """
    try:
        fields = _decoder.decode(data) if len(data) < LARGE else decode_large(_decoder.decode, data)
    except _AmbiguousError:
        fields = decode_notepack(data)
        _settle(fields, max_depth + 1)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        raise PacketError("invalid payload", "not msgpack") from None
    else:
        if len(data) > max_depth:  # a level takes at least one byte
            check_depth(fields, max_depth + 1)
    if not isinstance(fields, dict):
        raise PacketError("invalid payload", "not a packet of the msgpack parser")
    type_ = fields.get("type")
    if type_.__class__ is not int or not 0 <= type_ < len(_TYPES):
        raise PacketError("invalid packet type")
    namespace = fields.get("nsp")
    if not isinstance(namespace, str) or len(namespace.encode()) > MAX_NAME_BYTES:
        raise PacketError("invalid namespace")
    payload = fields.get("data", ...)
    _check_payload(_TYPES[type_], payload)
    id_ = fields.get("id", ...)
    if id_ is ...:
        id_ = None
    elif id_.__class__ is not int or not 0 <= id_ <= MAX_ACK_ID:
        raise PacketError("invalid packet id")
    return Packet(_TYPES[type_], namespace, id_, None if payload is ... else payload)


def _check_payload(type_: PacketType, payload: Any) -> None:
    """Judge the data by the type: null is not the same as nothing."""
    missing = payload is ...
    match type_:
        case PacketType.CONNECT:
            valid = missing or isinstance(payload, dict)
        case PacketType.DISCONNECT:
            valid = missing
        case PacketType.CONNECT_ERROR:
            valid = isinstance(payload, (str, dict))
        case PacketType.EVENT:
            check_event(payload)
            valid = True
        case _:
            valid = isinstance(payload, list)
    if not valid:
        raise PacketError("invalid payload")


def _decode_extension(code: int, data: memoryview) -> Any:
    """Give a buffer as bytes; what may be `undefined` or a date has to be read again."""
    if code != 0:
        raise PacketError("invalid payload")
    if len(data) in (1, 8):
        raise _AmbiguousError
    return bytes(data)


class _AmbiguousError(Exception):
    """A buffer of 1 or 8 bytes and `undefined` or a date: their headers differ, their data not."""


def _settle(fields: Any, max_depth: int) -> None:
    """Put null where an array has `undefined`, and drop members that are; the depth is checked too.

    It goes down level by level: that costs little for each of a million empty arrays.

    Raises:
        PacketError: Nested deeper, or `undefined` is a name, which no encoder writes.
    """
    level: list[Any] = [fields] if fields.__class__ in _CONTAINERS else []
    while level:
        if not max_depth:
            raise PacketError("invalid payload")
        max_depth -= 1
        children: list[Any] = []
        for container in level:
            children += container.values() if container.__class__ is dict else container
        kinds = set(map(type, children))
        if UNDEFINED.__class__ in kinds:
            for container in level:
                _replace_undefined(container)
        _check_names(level)
        if not kinds & _CONTAINERS:
            return
        # Empty ones matter at the last level only, and are left out many times as fast as here.
        looked_at = filter(None, children) if max_depth else children
        level = [child for child in looked_at if child.__class__ in _CONTAINERS]


def _replace_undefined(container: Any) -> None:
    if container.__class__ is list:
        if UNDEFINED.__class__ in map(type, container):
            container[:] = [None if item is UNDEFINED else item for item in container]
        return
    for name in [name for name, value in container.items() if value is UNDEFINED]:
        del container[name]


def _check_names(level: list[Any]) -> None:
    for container in level:
        if container.__class__ is dict and (
            UNDEFINED in container or tuple in map(type, container)
        ):
            raise PacketError("invalid payload")


_CONTAINERS: Final[frozenset[type]] = frozenset({list, dict})
_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_decode_extension)
