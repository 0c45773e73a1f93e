"""What all messages on Redis have in common: how they are taken, so that a bad one has no effect
but a line in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.errors import PacketError

if TYPE_CHECKING:
    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.subscriber import Ear

__all__ = ["MAX_MESSAGE", "careful"]

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of a message that is read; larger ones are nobody's events."""


def careful(take: Ear, receiver: MessageReceiver) -> Ear:
    """Make an ear of one that raises a PacketError at what is no message."""

    def ear(name: bytes, data: bytes) -> None:
        if len(data) > MAX_MESSAGE:
            receiver.refused(f"it has {len(data)} bytes")
            return
        try:
            take(name, data)
        except PacketError as error:
            receiver.refused(error.detail or str(error))

    return ear
