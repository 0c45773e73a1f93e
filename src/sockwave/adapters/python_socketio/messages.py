"""Messages of python-socketio's servers and write-only managers (its `pubsub_manager.py`, 5.18).

JSON objects with `method` and `host_id`, the sender's, but for `callback`, where it is the
addressee's. Nothing is numbered, and there are no questions but events with a callback.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.codec.json import decode_json, encode_json
from sockwave.codec.socketio import fill_placeholders
from sockwave.errors import PacketError
from sockwave.socketio.core.outgoing import check_event_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.types import Room

__all__ = [
    "AnswerTo",
    "BusMessage",
    "CallbackMessage",
    "CloseRoomMessage",
    "DisconnectMessage",
    "EmitMessage",
    "RoomMessage",
    "decode_bus_message",
    "encode_callback",
    "encode_close_room",
    "encode_disconnect",
    "encode_emit",
    "encode_room_change",
]

MAX_NAMES: Final = 10_000
"""Rooms, or ids to leave out, in one message."""

PICKLE: Final = b"\x80"
"""What pickles begin with, in all versions that python-socketio has used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTo:
    """Where the answers to an event go.

    Attributes:
        host: Who has emitted it.
        room: To whom, as it has called them.
        id: Under which it knows the callback.
    """

    host: str
    room: str
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitMessage:
    """An event for sockets.

    Attributes:
        rooms: Of any of these; None is everybody.
        skipped: Ids of sockets that do not get it.
    """

    host: str
    namespace: str
    event: str
    args: tuple[Any, ...]
    rooms: tuple[Room, ...] | None
    skipped: tuple[Room, ...]
    answer_to: AnswerTo | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackMessage:
    """An answer to an event that `host` has emitted."""

    host: str
    namespace: str
    room: str
    id: int
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectMessage:
    """A socket is to be disconnected."""

    host: str
    namespace: str
    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMessage:
    """A socket is to enter a room, or to leave it."""

    host: str
    namespace: str
    sid: str
    room: Room
    enters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRoomMessage:
    """All sockets are to leave a room."""

    host: str
    namespace: str
    room: Room


BusMessage: TypeAlias = (
    EmitMessage | CallbackMessage | DisconnectMessage | RoomMessage | CloseRoomMessage
)


# --- reading --------------------------------------------------------------------------------------


def decode_bus_message(data: bytes) -> BusMessage:
    """Read a message.

    Raises:
        PacketError: It is none, or a pickle, which would run whatever its sender likes.
    """
    if data.startswith(PICKLE):
        raise PacketError(
            "invalid payload",
            "it is a pickle, which is never read; python-socketio sends JSON since 5.14.0",
        )
    fields = decode_json(data)
    if not isinstance(fields, dict):
        raise PacketError("invalid payload", "no object")
    host = _text(fields, "host_id")
    namespace = "/" if fields.get("namespace") is None else _text(fields, "namespace")
    match fields.get("method"):
        case "emit":
            return _decode_emit(fields, host, namespace)
        case "callback":
            return CallbackMessage(
                host=host,
                namespace=namespace,
                room=_room(fields.get("sid")),
                id=_integer(fields.get("id")),
                args=tuple(_list(fields, "args")),
            )
        case "disconnect":
            return DisconnectMessage(host=host, namespace=namespace, sid=_text(fields, "sid"))
        case "enter_room" | "leave_room" as method:
            return RoomMessage(
                host=host,
                namespace=namespace,
                sid=_text(fields, "sid"),
                room=_room(fields.get("room")),
                enters=method == "enter_room",
            )
        case "close_room":
            room = _room(fields.get("room"))
            return CloseRoomMessage(host=host, namespace=namespace, room=room)
        case _:
            raise PacketError("invalid payload", "an unknown method")


def _decode_emit(fields: dict[str, Any], host: str, namespace: str) -> EmitMessage:
    event = _text(fields, "event")
    try:
        check_event_name(event)
    except ValueError as error:
        raise PacketError("invalid payload", str(error)) from None
    return EmitMessage(
        host=host,
        namespace=namespace,
        event=event,
        args=_arguments(fields),
        rooms=None if fields.get("room") is None else _rooms(fields["room"]),
        skipped=() if fields.get("skip_sid") is None else _rooms(fields["skip_sid"]),
        answer_to=_answer_to(fields.get("callback"), host),
    )


def _arguments(fields: dict[str, Any]) -> tuple[Any, ...]:
    """The list of them, in which None alone stands for none, as there."""
    data = _list(fields, "data")
    if fields.get("binary"):
        if not data or not isinstance(data[0], list):
            raise PacketError("invalid payload", "binary data without its list")
        data, *encoded = data
        fill_placeholders(data, [_attachment(each) for each in encoded])
    return () if data == [None] else tuple(data)


def _attachment(encoded: object) -> bytes:
    try:
        if isinstance(encoded, str):
            return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise PacketError("invalid payload", "an attachment that is no base64")


def _answer_to(callback: object, host: str) -> AnswerTo | None:
    if callback is None:
        return None
    if not isinstance(callback, list) or len(callback) != 3:
        raise PacketError("invalid payload", "a callback without its three parts")
    return AnswerTo(host=host, room=_room(callback[0]), id=_integer(callback[2]))


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise PacketError("invalid payload", f"{name} that is no text")
    return value


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise PacketError("invalid payload", f"{name} that is no list")
    return value


def _integer(value: object) -> int:
    if type(value) is not int:
        raise PacketError("invalid payload", "an id that is no number")
    return value


def _room(value: object) -> Room:
    """A room; python-socketio allows numbers, such as the id of a user, which are text here."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise PacketError("invalid payload", "a room that is neither text nor a number")


def _rooms(value: object) -> tuple[Room, ...]:
    rooms = value if isinstance(value, list) else [value]
    if len(rooms) > MAX_NAMES:
        raise PacketError("invalid payload", "too many rooms")
    return tuple(_room(room) for room in rooms)


# --- writing --------------------------------------------------------------------------------------


def encode_emit(
    host: str,
    namespace: str,
    event: Sequence[Any],
    rooms: tuple[Room, ...] | None,
    skipped: tuple[Room, ...],
    callback: tuple[Room, int] | None = None,
) -> bytes:
    """An event.

    Args:
        event: Name and arguments.
        rooms: None is everybody.
        skipped: Ids of sockets.
        callback: The room of `rooms`, and the id under which answers come back.

    Raises:
        EncodeError: An argument cannot be sent.
    """
    name, *args = event
    data, attachments = encode_json(args)
    if attachments:
        texts = b"".join(b',"%b"' % b64encode(each) for each in attachments)
        data = b"[%b%b]" % (data, texts)
    return _object(
        method=_json("emit"),
        event=_json(name),
        data=data,
        binary=b"true" if attachments else b"false",
        namespace=_json(namespace),
        room=_json(rooms[0] if rooms is not None and len(rooms) == 1 else rooms),
        skip_sid=_json((skipped[0] if len(skipped) == 1 else skipped) if skipped else None),
        callback=_json(None if callback is None else [callback[0], namespace, callback[1]]),
        host_id=_json(host),
    )


def encode_callback(to: AnswerTo, namespace: str, args: Sequence[Any]) -> bytes | None:
    """An answer; None where it has something binary, which has no form there.

    Raises:
        EncodeError: It cannot be sent.
    """
    data, attachments = encode_json(list(args))
    if attachments:
        return None
    return _object(
        method=_json("callback"),
        host_id=_json(to.host),
        sid=_json(to.room),
        namespace=_json(namespace),
        id=_json(to.id),
        args=data,
    )


def encode_disconnect(host: str, namespace: str, sid: str) -> bytes:
    """A socket is to be disconnected."""
    return _object(
        method=_json("disconnect"),
        sid=_json(sid),
        namespace=_json(namespace),
        host_id=_json(host),
    )


def encode_room_change(host: str, namespace: str, sid: str, room: Room, *, enters: bool) -> bytes:
    """A socket is to enter a room, or to leave it."""
    return _object(
        method=_json("enter_room" if enters else "leave_room"),
        sid=_json(sid),
        room=_json(room),
        namespace=_json(namespace),
        host_id=_json(host),
    )


def encode_close_room(host: str, namespace: str, room: Room) -> bytes:
    """All are to leave a room."""
    return _object(
        method=_json("close_room"),
        room=_json(room),
        namespace=_json(namespace),
        host_id=_json(host),
    )


def _json(value: object) -> bytes:
    return encode_json(value)[0]


def _object(**fields: bytes) -> bytes:
    """An object of values that are encoded already."""
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), each) for name, each in fields.items())
