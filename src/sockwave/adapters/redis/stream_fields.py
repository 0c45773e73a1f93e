"""Messages as entries of a Redis stream, and which stream they go to.

All of it is that of `@socket.io/redis-streams-adapter` 0.3, whose servers read and write the same
streams. Ours adds a field, `n`, which counts the messages of a sender, so that an entry that was
written twice is told from the next one; servers in JavaScript do not look at it.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass, field
from math import fmod
from typing import TYPE_CHECKING, Final

from sockwave.adapters.dates import with_dates_as_text
from sockwave.adapters.messages import (
    MAX_MESSAGE,
    Message,
    MessageType,
    decode_value,
    encode_value,
    text_of,
)
from sockwave.errors import EncodeError, PacketError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sockwave.types import NamespaceName

__all__ = ["Entry", "check_fields", "encode_fields", "stream_of"]

_MAY_BE_BINARY: Final = frozenset({3, 8, 9, 10, 12})
"""Types whose data the reference looks into for binary; others are always JSON."""

# --- streams --------------------------------------------------------------------------------------


def stream_of(namespace: NamespaceName, name: str, count: int) -> str:
    """The stream of a namespace.

    With several, the reference takes the remainder of a hash, which has a sign: a namespace whose
    hash is negative goes to a stream with a negative number, which its servers do not read.
    """
    if count == 1:
        return name
    return f"{name}-{int(fmod(_hash(namespace), count))}"


def _hash(text: str) -> int:
    """That of JavaScript programs: of UTF-16, to 32 bits with a sign."""
    value = 0
    for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass")):
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value - 2**32 if value & 0x80000000 else value


# --- entries --------------------------------------------------------------------------------------


def encode_fields(message: Message, *, only_text: bool = False) -> list[bytes]:
    """Names and values of an entry, by turns.

    Args:
        only_text: Refuse what is binary: others read JSON only.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    fields = [
        b"uid",
        message.sender.encode(),
        b"nsp",
        message.namespace.encode(),
        b"type",
        b"%d" % int(message.type),
    ]
    if message.data:
        fields += (b"data", _encode_data(message, only_text=only_text))
    if message.number is not None:
        fields += (b"n", b"%d" % message.number)
    return fields


def _encode_data(message: Message, *, only_text: bool) -> bytes:
    data = encode_value(message.data, as_text=True)
    if data[:1] == b"{":
        return data
    if only_text:
        raise EncodeError("binary cannot be sent to other servers with `only_plaintext`")
    if message.type not in _MAY_BE_BINARY:
        raise EncodeError("binary cannot be sent in a message of this type")
    return binascii.b2a_base64(data, newline=False)


def check_fields(fields: Sequence[bytes]) -> None:
    """Refuse an entry that whoever reads it would drop.

    Raises:
        EncodeError: It has too many bytes, or is nested too deep.
    """
    try:
        Entry(0, dict(zip(fields[::2], fields[1::2], strict=True))).message()
    except PacketError as error:
        raise EncodeError(f"servers would not read it: {error.detail or error}") from None


@dataclass(slots=True)
class Entry:
    """One that was read.

    Attributes:
        position: Its place in the stream, see `position_of`.
        fields: As Redis gave them.
    """

    position: int
    fields: Mapping[bytes, bytes]
    _message: Message | None = field(default=None, init=False)

    @property
    def namespace(self) -> str | None:
        """Where it belongs; None for what does not say, and so is for nobody."""
        name = self.fields.get(b"nsp")
        return name.decode("utf-8", "replace") if name else None

    @property
    def sender(self) -> bytes:
        """Who has written it, as it says."""
        return self.fields.get(b"uid", b"")

    @property
    def number(self) -> int | None:
        """Counts the messages of its sender; None where that is in JavaScript."""
        text = self.fields.get(b"n", b"")
        return int(text) if text.isdigit() and len(text) < 20 else None

    def message(self) -> Message:
        """What it says; decoded once. Its number is not in it: see `StreamReader` for doubles.

        Raises:
            PacketError: It is no message.
        """
        if self._message is None:
            self._message = self._decoded()
        return self._message

    def _decoded(self) -> Message:
        type_, namespace = self.fields.get(b"type", b""), self.namespace
        if not type_.isdigit() or len(type_) > 9 or namespace is None:
            raise PacketError("invalid payload", "an entry without type or namespace")
        sender = text_of({"uid": self.sender.decode("utf-8", "replace")}, "uid")
        data = self.fields.get(b"data")
        if data is not None and len(data) > MAX_MESSAGE:
            raise PacketError("invalid payload", f"it has {len(data)} bytes")
        value = {} if not data else _decode_data(data, int(type_))
        if not isinstance(value, dict):
            raise PacketError("invalid payload", "data is no map")
        return Message(int(type_), value, sender, namespace)


def _decode_data(data: bytes, type_: int) -> object:
    if data[:1] == b"{":
        return decode_value(data)
    try:
        packed = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        raise PacketError("invalid payload", "neither JSON nor base64") from None
    value = decode_value(packed)
    # Clients get text; between servers a date is a date.
    return with_dates_as_text(value, packed) if type_ == MessageType.BROADCAST else value
