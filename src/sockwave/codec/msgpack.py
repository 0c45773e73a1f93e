"""Socket.IO packets in msgpack, as `socket.io-msgpack-parser` 3 has them (protocol.md section 19).

A packet is one map in one binary message; bytes stay where they are, so nothing is reassembled.
JavaScript's notepack has three uses of extension type 0: `undefined`, dates, and buffers.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sockwave.codec.json import MAX_DEPTH, check_depth
from sockwave.codec.notepack import decode_exactly
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


class _Undefined:
    """JavaScript's `undefined`: a key that might as well be missing, or null in an array."""


_UNDEFINED: Final = _Undefined()
_MISSING: Final = (_UNDEFINED, ...)


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
        return _encoder.encode(fields)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"cannot be sent as msgpack: {error}") from None


def _encode_other(value: Any) -> Any:
    raise EncodeError(f"{type(value).__name__} cannot be sent: not a value of msgpack")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_encode_other)


def decode_msgpack_packet(data: bytes, *, max_depth: int = MAX_DEPTH) -> Packet:
    """Decode the data of one binary message; unknown keys are ignored, their order is free.

    Raises:
        PacketError: Malformed; the text is the reference's.
    """
    try:
        fields = _decoder.decode(data)
    except _AmbiguousError:
        fields = decode_exactly(data, max_depth + 1, _UNDEFINED)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        raise PacketError("invalid payload") from None
    if not isinstance(fields, dict):
        raise PacketError("invalid payload")
    if len(data) > max_depth:  # a level takes at least one byte
        check_depth(fields, max_depth + 1)
    type_ = fields.get("type")
    if type_.__class__ is not int or not 0 <= type_ < len(_TYPES):
        raise PacketError("invalid packet type")
    namespace = fields.get("nsp")
    if not isinstance(namespace, str) or len(namespace.encode()) > MAX_NAME_BYTES:
        raise PacketError("invalid namespace")
    payload = fields.get("data", ...)
    _check_payload(_TYPES[type_], payload)
    id_ = fields.get("id", ...)
    if id_ in _MISSING:
        id_ = None
    elif id_.__class__ is not int or not 0 <= id_ <= MAX_ACK_ID:
        raise PacketError("invalid packet id")
    value = None if payload in _MISSING else _without_undefined(payload)
    return Packet(_TYPES[type_], namespace, id_, value)


def _check_payload(type_: PacketType, payload: Any) -> None:
    """Judge the data by the type: null is not the same as nothing."""
    missing = payload is ... or payload is _UNDEFINED
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


def _without_undefined(value: Any) -> Any:
    """Put null where an array has `undefined`, and drop members that are; depth is bounded."""
    if value.__class__ is list:
        return [None if item is _UNDEFINED else _without_undefined(item) for item in value]
    if value.__class__ is dict:
        return {k: _without_undefined(v) for k, v in value.items() if v is not _UNDEFINED}
    return value


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_decode_extension)
