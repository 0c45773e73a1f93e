"""Events as messages between processes have them: encoded already, or as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.adapters.messages import event_of
from sockwave.errors import PacketError
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.parser import parser_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName

__all__ = ["encoded_fields", "read_event", "values_of"]


def encoded_fields(event: EncodedEvent, *, is_question: bool = False) -> dict[str, Any] | None:
    """What clients get; None where each server has to encode it, as it puts an id into it."""
    if event.parts is not None:
        text, attachments = event.parts
        return {"text": text, "bin": attachments} if attachments else {"text": text}
    return None if is_question or event.messages is None else {"messages": event.messages}


def values_of(event: EncodedEvent) -> list[Any]:
    """Name and arguments; with the default parser as clients get them, which can all be sent."""
    if event.parts is None:
        return list(event)
    return event.plain() or list(EncodedEvent.received(*event.parts, "/"))


def read_event(
    data: dict[str, Any], namespace: NamespaceName, parser: Parser | None
) -> Sequence[Any]:
    """An event of a message, in whichever form it has.

    Args:
        parser: Of this process.

    Raises:
        PacketError: There is none.
    """
    if "messages" not in data and "text" not in data:
        return event_of(data)
    return _encoded(data, namespace, parser)


def _encoded(data: dict[str, Any], namespace: NamespaceName, parser: Parser | None) -> EncodedEvent:
    messages = data.get("messages")
    if messages is not None:
        if not parser_kind(parser) or parser is None:
            raise PacketError("invalid payload", "messages of another parser")
        if (
            not messages
            or not isinstance(messages, list)
            or not all(isinstance(each, (str, bytes)) for each in messages)
        ):
            raise PacketError("invalid payload", "messages that are neither text nor bytes")
        return EncodedEvent.of_messages(messages, namespace, parser)
    text, attachments = data.get("text"), data.get("bin", [])
    if isinstance(text, str):
        text = text.encode()
    if not isinstance(text, bytes) or text[:2] != b'["' or text[-1:] != b"]":
        raise PacketError("invalid payload", "no text of an event")
    if not isinstance(attachments, list) or not all(type(each) is bytes for each in attachments):
        raise PacketError("invalid payload", "attachments that are not bytes")
    return EncodedEvent.received(text, attachments, namespace)
