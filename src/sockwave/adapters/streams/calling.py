"""A client that comes to another process before its old one has noticed the loss: that one is asked
to give it up, so that it is kept where all can take it.

Whoever has it ends it, keeps it, and says so, on the connection on which it was kept: who hears
that finds it. Whoever does not have it says nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.messages import Message, MessageType, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Calling"]

WAIT: Final = 0.5
"""Seconds until a client that nobody has is a new one."""


class Calling:
    """Asks, and answers, for one namespace.

    Args:
        give_up: Ends the socket of a secret, if it is here; whether it is kept now.
    """

    def __init__(self, give_up: Callable[[str], bool]) -> None:
        self._give_up = give_up
        self._called: dict[str, asyncio.Future[None]] = {}

    async def call(
        self, pid: str, send: Callable[[MessageType, dict[str, Any], None], Any]
    ) -> bool:
        """Ask the others; whether somebody had it.

        Args:
            send: Sends to all.
        """
        if pid in self._called:  # two clients with one secret: the first may have it
            return False
        found = self._called[pid] = asyncio.get_running_loop().create_future()
        try:
            send(MessageType.SESSION_WANTED, {"pid": pid}, None)
            async with asyncio.timeout(WAIT):
                await found
        except TimeoutError:
            return False
        finally:
            del self._called[pid]
        return True

    def received(
        self,
        message: Message,
        send: Callable[[MessageType, dict[str, Any], frozenset[str]], Any],
    ) -> None:
        """Another one asks, or answers.

        Args:
            send: Sends to some.

        Raises:
            PacketError: Malformed.
        """
        pid = text_of(message.data, "pid")
        if message.type == MessageType.SESSION_FOUND:
            found = self._called.get(pid)
            if found is not None and not found.done():
                found.set_result(None)
        elif self._give_up(pid):
            send(MessageType.SESSION_FOUND, {"pid": pid}, frozenset({message.sender}))
