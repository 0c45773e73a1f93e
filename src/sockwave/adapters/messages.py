"""Messages between the processes of a cluster: values, their bytes, and the fields that they have.

They are those of the reference's `ClusterAdapter` (socket.io-adapter 2.5, `MessageType`), with the
same numbers, keys and meaning, so that servers in JavaScript take part where they share a carrier.
What is ours goes into keys that they ignore, or into types that they do not know, from 100 up.

A message comes from another process, whose version may be another and whose carrier may be open to
others: every field is looked at before it is used, and what is wrong with it is a `PacketError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sockwave.adapters.dates import with_dates_as_text
from sockwave.codec.json import MAX_DEPTH, check_depth, decode_json, encode_json
from sockwave.codec.notepack import UNDEFINED, decode_notepack
from sockwave.engine.core.option_checks import MAX_TIMEOUT
from sockwave.errors import EncodeError, PacketError
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.encoded_event import copied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.types import Room

__all__ = [
    "ANONYMOUS",
    "CONTEXT_KEY",
    "EMITTER",
    "MAX_MESSAGE",
    "Message",
    "MessageType",
    "check_readable",
    "decode_message",
    "decode_options",
    "decode_value",
    "encode_message",
    "encode_options",
    "encode_value",
    "event_of",
    "is_durable",
    "kind_of",
    "number_of",
    "request_of",
    "rooms_of",
    "text_of",
]

EMITTER: Final = "emitter"
"""Sender of messages from processes that serve nobody: not a member of the cluster."""

ANONYMOUS: Final = ""
"""Sender of answers that do not say whose they are, as on the classic Redis carrier."""

CONTEXT_KEY: Final = "traceparent"
"""In the data of a message that is about an event: the trace that it was sent in, if it was, and
somebody traces the sender (docs/tracing.md). All others ignore it."""

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of a message that is read; larger ones are nobody's events."""

MAX_NAME: Final = 256
"""Characters of the id of a member or of a request; those in use have 16."""

_DEPTH: Final = MAX_DEPTH + 8
"""What a client may send can be sent on: some levels are those of the message around it."""


class MessageType(IntEnum):
    """What a message is about; up to 13 those of the reference."""

    INITIAL_HEARTBEAT = 1
    HEARTBEAT = 2
    BROADCAST = 3
    SOCKETS_JOIN = 4
    SOCKETS_LEAVE = 5
    DISCONNECT_SOCKETS = 6
    FETCH_SOCKETS = 7
    FETCH_SOCKETS_RESPONSE = 8
    SERVER_SIDE_EMIT = 9
    SERVER_SIDE_EMIT_RESPONSE = 10
    BROADCAST_CLIENT_COUNT = 11
    BROADCAST_ACK = 12
    ADAPTER_CLOSE = 13
    ENCODED_BROADCAST = 100
    """A BROADCAST that has, in place of `packet`, what clients get: the JSON, `text`, and its
    attachments, `bin`; or with another parser its `messages`."""
    INTEREST = 101
    """Rooms that the sender has, see `interest.py`."""
    INTEREST_WANTED = 102
    """Asks for all of them."""
    COUNT_RESPONSE = 103
    """Answers a FETCH_SOCKETS that has `count`: `{requestId, count}`."""
    ACK_LOST = 104
    """In place of a BROADCAST_ACK, from a socket that has gone: `{requestId, id}`."""
    REPLICA = 105
    """What is kept for lost sockets has changed, see `mirroring.py`."""
    REPLICA_TAKEN = 106
    """A mirror has taken so much of that, or keeps no copy."""
    MIRRORS = 107
    """Who keeps copies of the sender: `{mirrors, round}`."""
    MIRRORS_HEARD = 108
    """What is sent to somebody goes to his mirrors from now on: `{round}`."""
    TAKEN_OVER = 109
    """The sender has told the rooms that it has taken over from a member: `{member}`."""
    SESSION_WANTED = 110
    """Who has a lost socket? See `returns.py`."""
    SESSION_FOUND = 111
    """Answers that."""
    SESSION_COMING = 112
    """The sender hears for a lost socket, too."""
    FLUSHED = 113
    """Whatever was sent before to whoever has it was sent before this."""
    SESSION = 114
    """A lost socket is handed over."""
    ECHO = 115
    """To oneself: what comes back was heard, see `hearing.py`."""
    SESSION_TAKEN = 116
    """A socket that was connected elsewhere is at the sender, see `streams/keeping.py`: `{pid}`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        type: A `MessageType`, or one that this version does not know.
        data: Its fields, by the names of the wire.
        sender: Id of the member, or `EMITTER`.
        namespace: Where it belongs.
        number: Counts the messages of a sender, so that one that comes twice is told from the next;
            None from members in JavaScript.
        sequence: Counts those that go to everybody, so that one that does not come is missed; None
            of others.
    """

    type: int
    data: dict[str, Any]
    sender: str
    namespace: str
    number: int | None = None
    sequence: int | None = None


# --- bytes ----------------------------------------------------------------------------------------


def encode_message(message: Message, *, as_text: bool = False) -> bytes:
    """Encode a message.

    Args:
        as_text: As JSON if nothing in it is binary; else always as msgpack.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    envelope: dict[str, Any] = {"type": int(message.type)}
    data = message.data
    if as_text and message.type == MessageType.ENCODED_BROADCAST and _is_plain(data):
        data = {**data, "text": bytes(data["text"]).decode()}
    if data:
        envelope["data"] = data
    envelope["uid"] = message.sender
    envelope["nsp"] = message.namespace
    if message.number is not None:
        envelope["n"] = message.number
    if message.sequence is not None:
        envelope["s"] = message.sequence
    return encode_value(envelope, as_text=as_text)


def encode_value(value: Any, *, as_text: bool = False) -> bytes:
    """Encode anything that goes between processes.

    Args:
        as_text: As JSON if nothing in it is binary; else always as msgpack.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    if as_text:
        text, attachments = encode_json(value)
        if not attachments:
            return text
    try:
        try:
            return _encoder.encode(value)
        except BufferError:  # a strided view; a copy has its bytes
            return _encoder.encode(copied((value,))[0])
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"cannot be sent to other servers: {error}") from None


def check_readable(encoded: bytes) -> None:
    """Refuse what is encoded, but whoever gets it would drop.

    Raises:
        EncodeError: It has more than `MAX_MESSAGE` bytes, or is nested too deep.
    """
    if len(encoded) > MAX_MESSAGE:
        raise EncodeError(f"{len(encoded)} bytes cannot be sent to servers: at most {MAX_MESSAGE}")
    if len(encoded) > _DEPTH:  # each level takes a byte
        try:
            decode_value(encoded)
        except PacketError as error:
            why = (error.detail or str(error)).replace("max_depth", f"{_DEPTH} levels")
            raise EncodeError(f"servers would not read it: {why}") from None


def _is_plain(data: dict[str, Any]) -> bool:
    """Whether it is the JSON of an event without attachments."""
    return "text" in data and not data.get("bin")


def _encode_other(value: Any) -> Any:
    raise EncodeError(f"{type(value).__name__} cannot be sent to other servers")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_encode_other)


def decode_message(data: bytes, namespace: str | None = None) -> Message:
    """Decode a message: JSON if it begins like that, else msgpack.

    A date in a broadcast is the text that clients get; elsewhere it is a date.

    Args:
        namespace: Of the channel it came by, for one that does not say where it belongs, as those
            of `@socket.io/postgres-emitter`.

    Raises:
        PacketError: It is no message.
    """
    if len(data) > MAX_MESSAGE:
        raise PacketError("invalid payload", f"it has {len(data)} bytes")
    value = decode_value(data)
    if not isinstance(value, dict):
        raise PacketError("invalid payload", "not a map")
    type_, number, sequence = value.get("type"), value.get("n"), value.get("s")
    if type(type_) is not int or not _may_count(number) or not _may_count(sequence):
        raise PacketError("invalid payload", "type, n or s is no number")
    fields = value.get("data")
    if fields is None:
        fields = {}
    if not isinstance(fields, dict):
        raise PacketError("invalid payload", "data is no map")
    if type_ == MessageType.BROADCAST and isinstance(packet := fields.get("packet"), dict):
        packet["data"] = with_dates_as_text(packet.get("data"), data)
    where = _text(value.get("nsp", namespace), "nsp")
    return Message(type_, fields, text_of(value, "uid"), where, number, sequence)


def _may_count(number: Any) -> bool:
    return number is None or (type(number) is int and number >= 0)


def decode_value(data: bytes) -> Any:
    """Decode anything that came from another process: JSON if it begins like that, else msgpack.

    Raises:
        PacketError: It is neither, or nested too deep.
    """
    if data[:1] == b"{":
        return decode_json(data, max_depth=_DEPTH)
    try:
        value = _decoder.decode(data)
    except (msgspec.MsgspecError, _FromNotepack, RecursionError, OverflowError, ValueError):
        value = _defined(decode_notepack(data))  # a slower one, which knows more, or why not
    if len(data) > _DEPTH:  # each level takes a byte
        check_depth(value, _DEPTH)
    return value


class _FromNotepack(Exception):
    """An extension that only JavaScript writes."""


def _not_ours(code: int, data: memoryview) -> Any:
    raise _FromNotepack


_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_not_ours)


def _defined(value: Any) -> Any:
    """Leave out members that are undefined, which JavaScript cannot tell from missing ones."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items() if item is not UNDEFINED}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if value is UNDEFINED else value


# --- fields ---------------------------------------------------------------------------------------


def text_of(data: dict[str, Any], key: str) -> str:
    """A name: short text, not empty.

    Raises:
        PacketError: It is something else.
    """
    text = _text(data.get(key), key)
    if not 0 < len(text) <= MAX_NAME:
        raise PacketError("invalid payload", f"{key} is empty or too long")
    return text


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise PacketError("invalid payload", f"{key} is no text")
    return value


def request_of(data: dict[str, Any]) -> str | None:
    """Id of the request that a message begins; None where no answer is wanted."""
    return None if data.get("requestId") is None else text_of(data, "requestId")


def number_of(data: dict[str, Any], key: str) -> int:
    """A number of sockets, rooms, or the like.

    Raises:
        PacketError: It is something else.
    """
    value = data.get(key)
    if type(value) is not int or not 0 <= value < 2**53:
        raise PacketError("invalid payload", f"{key} is no count")
    return value


def rooms_of(value: Any) -> tuple[Room, ...]:
    """Rooms; where JavaScript has numbers as names, they are text here.

    Raises:
        PacketError: Not a list of them.
    """
    if not isinstance(value, list):
        raise PacketError("invalid payload", "rooms are no list")
    rooms = tuple(str(room) if type(room) is int else room for room in value)
    for room in rooms:
        _text(room, "room")
    return rooms


def event_of(data: dict[str, Any]) -> tuple[Any, ...]:
    """Name and arguments of the event in `packet`.

    Raises:
        PacketError: There is none.
    """
    packet = data.get("packet")
    args = packet.get("data") if isinstance(packet, dict) else packet
    if not isinstance(args, list) or not args or not isinstance(args[0], str):
        raise PacketError("invalid payload", "no event")
    return tuple(args)


def encode_options(options: BroadcastOptions) -> dict[str, Any]:
    """`opts` of a message.

    Nobody (`rooms=()`) has no form on the wire, where an empty list is everybody: that is not sent.
    """
    flags: dict[str, Any] = {}
    if options.flags.volatile:
        flags["volatile"] = True
    if not options.flags.compress:
        flags["compress"] = False
    if options.flags.timeout is not None:
        flags["timeout"] = round(options.flags.timeout * 1000)
    return _opts(options.rooms or (), options.excluded, flags)


def _opts(rooms: Sequence[Room], excluded: Sequence[Room], flags: dict[str, Any]) -> dict[str, Any]:
    return {"rooms": list(rooms), "except": list(excluded), "flags": flags}


def decode_options(data: dict[str, Any]) -> BroadcastOptions:
    """Whom a message is for.

    Raises:
        PacketError: It does not say.
    """
    opts = data.get("opts")
    if not isinstance(opts, dict):
        raise PacketError("invalid payload", "opts is no map")
    flags, excluded = opts.get("flags"), opts.get("except")
    return BroadcastOptions(
        rooms_of(opts.get("rooms")) or None,
        rooms_of(excluded) if excluded else (),
        _flags(flags) if isinstance(flags, dict) and flags else _NO_FLAGS,
    )


_NO_FLAGS: Final = BroadcastFlags()


def _flags(flags: dict[str, Any]) -> BroadcastFlags:
    timeout = flags.get("timeout")
    seconds = timeout / 1000 if isinstance(timeout, (int, float)) else -1.0
    return BroadcastFlags(
        volatile=flags.get("volatile") is True,
        compress=flags.get("compress") is not False,
        timeout=seconds if 0 <= seconds <= MAX_TIMEOUT else None,
    )


_DURABLE: Final = frozenset(
    {
        MessageType.BROADCAST,
        MessageType.SOCKETS_JOIN,
        MessageType.SOCKETS_LEAVE,
        MessageType.DISCONNECT_SOCKETS,
        # Ours: it must not overtake what was sent before it, which would be taken for late.
        MessageType.ADAPTER_CLOSE,
        # Ours: who was cut off must hear it when it is back.
        MessageType.SESSION_TAKEN,
    }
)


def kind_of(message: Message) -> str:
    """What a message is about, in words, for those who count them."""
    try:
        return MessageType(message.type).name.lower()
    except ValueError:
        return "other"


def is_durable(message: Message) -> bool:
    """Whether a message goes into the stream, where a carrier has one; all others go by themselves,
    and may be lost."""
    return message.type in _DURABLE and "requestId" not in message.data
