"""What goes through PostgreSQL: channels, notifications, and what of them stands in a table.

The form is that of `@socket.io/postgres-adapter` 0.5: a notification is the JSON of a message. What
is binary, or too long for one, stands as msgpack in a row of a table; the notification then is a
header that says which: `{"uid": ..., "type": ..., "attachmentId": "1"}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from sockwave.adapters.driver import Capabilities
from sockwave.codec.json import decode_json
from sockwave.errors import PacketError

__all__ = [
    "CAPABILITIES",
    "DEFAULT_PREFIX",
    "DEFAULT_TABLE",
    "MAX_CHANNEL",
    "MAX_MESSAGE",
    "MAX_NOTIFICATION",
    "Header",
    "Outgoing",
    "channel_name",
    "check_prefix",
    "check_table",
    "encode_header",
    "header_of",
    "prepare",
]

CAPABILITIES: Final = Capabilities(is_ordered=True, echoes=True, is_text=True)

DEFAULT_PREFIX: Final = "socket.io"
DEFAULT_TABLE: Final = "socket_io_attachments"

MAX_CHANNEL: Final = 63
"""Bytes of a name in PostgreSQL; LISTEN cuts a longer one off without a word."""

MAX_NOTIFICATION: Final = 7_999
"""Bytes of a notification in PostgreSQL."""

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of a row that is read: whoever may write to the table could fill the memory otherwise."""

_MAX_DEPTH: Final = 254  # what orjson writes
_TABLE: Final = re.compile(r"[A-Za-z_]\w{0,62}(?:\.[A-Za-z_]\w{0,62})?", re.ASCII)
_ROW: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def channel_name(prefix: str, namespace: str) -> str:
    """The channel of a namespace.

    Raises:
        ValueError: It would be longer than names in PostgreSQL are, or has a character that they
            cannot have.
    """
    name = f"{prefix}#{namespace}"
    if "\0" in name:
        raise ValueError("a namespace on PostgreSQL cannot have the character U+0000")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("a namespace on PostgreSQL cannot have half of a surrogate pair") from None
    if size > MAX_CHANNEL:
        most = MAX_CHANNEL - len(f"{prefix}#".encode())
        raise ValueError(
            f"the name of a namespace on PostgreSQL has at most {most} bytes,"
            f" with the prefix {prefix!r}"
        )
    return name


def check_prefix(prefix: object) -> None:
    """Refuse what cannot be in front of the name of a namespace.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"channel_prefix must be text, not {type(prefix).__name__}")
    if "\0" in prefix or len(f"{prefix}#/".encode()) > MAX_CHANNEL:
        raise ValueError(f"channel_prefix: {prefix!r} cannot begin a name in PostgreSQL")


def check_table(name: object) -> None:
    """Refuse what is no plain name of a table: it stands in statements as it is.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if not isinstance(name, str):
        raise TypeError(f"table_name must be text, not {type(name).__name__}")
    if _TABLE.fullmatch(name) is None:
        raise ValueError(
            f"table_name: {name!r} is not of the form table or schema.table, in letters, digits"
            " and underscores"
        )


# --- out ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it is sent.

    Attributes:
        channel: In which.
        payload: The notification; None where it depends on a row.
        attachment: What goes into the row.
        header: Begins the notification then.
    """

    channel: str
    payload: str | None
    attachment: bytes | None = None
    header: Header | None = None


class Header(msgspec.Struct, frozen=True):
    """What a notification says of a message that is elsewhere; and the top of every message."""

    uid: str | None = None
    type: int | None = None
    attachmentId: str | int | None = None  # a name of the wire


def prepare(channel: str, message: bytes) -> Outgoing:
    """Decide how a message goes.

    Args:
        message: JSON, or else anything.
    """
    is_json = message[:1] == b"{"
    if is_json and len(message) <= MAX_NOTIFICATION and (text := _text(message)) is not None:
        return Outgoing(channel, text)
    if is_json:
        message = _as_msgpack(message)
    return Outgoing(channel, None, message, _top_of(message))


def _text(message: bytes) -> str | None:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _as_msgpack(message: bytes) -> bytes:
    """JSON in the form in which the table has it."""
    try:
        return msgspec.msgpack.encode(decode_json(message, max_depth=_MAX_DEPTH))
    except (PacketError, OverflowError, ValueError):
        return message  # no JSON after all


def _top_of(message: bytes) -> Header:
    try:
        return _msgpack_top.decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Header()


_msgpack_top: Final = msgspec.msgpack.Decoder(Header)
_json_top: Final = msgspec.json.Decoder(Header)


def encode_header(header: Header | None, row: int) -> str:
    """The notification of a message in a row of the table."""
    fields: dict[str, str | int] = {}
    if header is not None and header.uid is not None:
        fields["uid"] = header.uid
    if header is not None and header.type is not None:
        fields["type"] = header.type
    fields["attachmentId"] = str(row)
    return msgspec.json.encode(fields).decode()


# --- in -------------------------------------------------------------------------------------------


def header_of(payload: str) -> tuple[int, str | None] | None:
    """Row and sender of a message that is elsewhere; None where the notification is the message."""
    if '"attachmentId"' not in payload:
        return None
    try:
        header = _json_top.decode(payload)
    except (msgspec.MsgspecError, ValueError):
        return None  # whoever gets it says that it is no message
    row = str(header.attachmentId)
    if header.attachmentId is None or _ROW.fullmatch(row) is None or int(row) >= 2**63:
        return None
    return int(row), header.uid
