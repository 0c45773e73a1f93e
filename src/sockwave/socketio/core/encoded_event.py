"""Events that are sent later than they were emitted: what the caller changes meanwhile changes
nothing.

On the loop's own thread most events are encoded and queued at the call, and need none of this. In
another thread, and where an event waits for its turn, it is encoded at the call too, but for what
is known only when it is sent: the id of its acknowledgement, and its offset in the recovery's log.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from sockwave.codec.json import decode_json, encode_json
from sockwave.codec.socketio import Packet, PacketType, fill_placeholders
from sockwave.errors import PacketError
from sockwave.socketio.core.outgoing import event_packet, message_packet

if TYPE_CHECKING:
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName

__all__ = ["EncodedEvent", "copied"]

_EXACT: Final = 2**53
"""Up to there JavaScript has all integers."""

_PLAIN: Final = (str, int, float, bool, type(None), bytes)


class EncodedEvent(Sequence[Any]):
    """The name and arguments of an event, encoded as they were when this was made.

    As a sequence it gives them as values: for hooks, and for adapters that carry events elsewhere.

    Args:
        args: Name and arguments.
        namespace: Where the event is sent.
        parser: None for the default one.
        id_: Of the acknowledgement that is wanted, where it is known already. A parser encodes
            whole packets: then its work is not done twice.

    Raises:
        EncodeError: An argument cannot be sent.
    """

    __slots__ = ("_args", "_attachments", "_id", "_json", "_messages", "_namespace", "_parser")

    def __init__(
        self,
        args: tuple[Any, ...],
        namespace: NamespaceName,
        parser: Parser | None,
        id_: int | None = None,
    ) -> None:
        self._args: tuple[Any, ...] | None = args
        self._namespace = namespace
        self._parser = parser
        if parser is None:
            self._json, self._attachments = encode_json(args)
        else:
            self._id = id_
            self._messages = parser.encode(
                Packet(PacketType.EVENT, namespace, id_, list(args)),
            )

    @classmethod
    def received(cls, json: bytes, attachments: list[bytes], namespace: NamespaceName) -> Self:
        """Make one of what another process has encoded with the default parser."""
        event = cls.__new__(cls)
        event._args = None
        event._namespace = namespace
        event._parser = None
        event._json, event._attachments = json, attachments
        return event

    @classmethod
    def of_messages(
        cls, messages: list[str | bytes], namespace: NamespaceName, parser: Parser
    ) -> Self:
        """The same with a parser, of the messages that another process has made with such a one."""
        event = cls.__new__(cls)
        event._args = None
        event._namespace = namespace
        event._parser = parser
        event._id = None
        event._messages = messages
        return event

    def plain(self) -> list[Any] | None:
        """Name and arguments, if they are known to arrive as they are: flat, and of the plainest
        kinds. None of all others, which is no word about them."""
        args = self._args
        if args is None:
            return None
        for arg in args:
            kind = arg.__class__
            if kind is str:
                if not arg.isascii():  # it may have halves of surrogate pairs
                    return None
            elif kind is int:
                if not -_EXACT <= arg <= _EXACT:
                    return None
            elif kind is not bool and arg is not None:
                return None
        return list(args)

    @property
    def messages(self) -> list[str | bytes] | None:
        """What a parser has made of it; None with the default one, and where it has an id."""
        return None if self._parser is None or self._id is not None else self._messages

    @property
    def parts(self) -> tuple[bytes, list[bytes]] | None:
        """The JSON of its name and arguments, and attachments; None with a parser of one's own."""
        return None if self._parser is not None else (self._json, self._attachments)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        if self._parser is not None:
            return sum(map(len, self._messages))
        return len(self._json) + sum(map(len, self._attachments))

    def frozen(self) -> Self:
        """The same, whose values do not change with the caller's either; it belongs to nobody else.

        With the default parser they become what the receiver gets, as soon as somebody asks.
        """
        if self._parser is None:
            self._args = None
        else:
            self._args = copied(tuple(self))
        return self

    def packet(
        self,
        id_: int | None = None,
        *,
        offset: str | None = None,
        compress: bool = True,
        is_shared: bool = False,
    ) -> EncodedPacket:
        """Build the packet.

        Args:
            id_: Of the acknowledgement that is wanted.
            offset: Goes behind the arguments.
            is_shared: For many receivers: the frame for WebSockets is made once.
        """
        if self._parser is not None:
            messages = self._messages
            if id_ != self._id or offset is not None:
                data = [*self] if offset is None else [*self, offset]
                packet = Packet(PacketType.EVENT, self._namespace, id_, data)
                messages = self._parser.encode(packet)
            return message_packet(messages, compress)
        json = self._json
        if offset is not None:
            json = b"%b,%b]" % (json[:-1], encode_json(offset)[0])
        return event_packet(
            self._namespace, id_, json, self._attachments, compress=compress, is_shared=is_shared
        )

    def _values(self) -> tuple[Any, ...]:
        if self._args is None and self._parser is not None:
            self._args = self._decoded(self._parser)
        elif self._args is None:
            values = decode_json(self._json, max_depth=len(self._json))
            try:
                fill_placeholders(values, self._attachments)
            except PacketError:  # an application's own value, like one of ours
                values = decode_json(self._json, max_depth=len(self._json))
            self._args = tuple(values)
        return self._args

    def _decoded(self, parser: Parser) -> tuple[Any, ...]:
        decoder, packet = parser.decoder(), None
        for message in self._messages:
            packet = decoder.add(message)
        if packet is None or not isinstance(packet.data, list):
            raise PacketError("invalid payload", "no whole event")
        return tuple(packet.data)

    def __len__(self) -> int:
        return len(self._values())

    def __getitem__(self, at: Any) -> Any:
        return self._values()[at]


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copy what a caller could change."""
    return tuple(map(_copied, args))


def _copied(value: Any) -> Any:
    """Copy what can be changed; a value that cannot be copied stays itself."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return kind(map(_copied, value))
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    try:
        return copy.deepcopy(value)
    except (TypeError, ValueError, RecursionError, copy.Error):
        return value
