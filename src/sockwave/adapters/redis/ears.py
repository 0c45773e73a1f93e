"""What all messages on Redis have in common: how they are taken, so that a bad one has no effect
but a line in the log, and what is left out of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sockwave.adapters.messages import Message, encode_message
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.subscriber import Ear

__all__ = ["MAX_MESSAGE", "careful", "encode_own"]

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of a message that is read; larger ones are nobody's events."""


def careful(take: Callable[[bytes], None], receiver: MessageReceiver) -> Ear:
    """Make an ear of a function that raises a PacketError at what is no message."""

    def ear(name: bytes, data: bytes) -> None:
        if len(data) > MAX_MESSAGE:
            receiver.refused(f"it has {len(data)} bytes")
            return
        try:
            take(data)
        except PacketError as error:
            receiver.refused(error.detail or str(error))

    return ear


def encode_own(message: Message, *, as_text: bool = False) -> bytes:
    """Encode a message in the form of `messages.py`, without the count of those to everybody.

    Not everybody is sent all broadcasts here, or reads them: there are gaps where nothing is lost.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    return encode_message(replace(message, sequence=None), as_text=as_text)
