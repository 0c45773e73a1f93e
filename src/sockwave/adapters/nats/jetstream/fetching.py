"""Reads a part of a stream of NATS once, for a client that has come back.

NATS has no question for several messages before its version 2.11: a consumer is made, asked once,
and deleted. It may be at a server of NATS that has a copy of the stream which is a little behind;
whoever asks sees to that, see `JetStreamDriver.entries`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from nats.errors import Error as NatsError

from sockwave.adapters.nats.jetstream.reader import STATUS, numbers_of

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from sockwave.adapters.nats.jetstream.api import Api

__all__ = ["fetch"]

MOST_BYTES: Final = 4 * 1024 * 1024
"""That are asked for at once."""

PATIENCE: Final = 5.0
"""Seconds until all of it has come."""

LEFT_BEHIND: Final = 10 * 1_000_000_000
"""Nanoseconds after which NATS deletes a consumer that nobody asks."""


class _Fetched(asyncio.Future[Any]):
    """Messages, until NATS says that these are all."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.messages: list[tuple[int, bytes]] = []
        self.are_all = asyncio.Event()
        self._count = count

    def set_result(self, message: Msg) -> None:
        """Take a message."""
        headers = message.headers
        if headers is not None and STATUS in headers:
            if headers[STATUS] != "100":
                self.are_all.set()
            return
        numbers = numbers_of(message.reply)
        if numbers is not None:
            self.messages.append((numbers[0], message.data))
            if len(self.messages) >= self._count:
                self.are_all.set()


async def fetch(
    api: Api, stream: str, subjects: str, begin: int, most: int
) -> tuple[list[tuple[int, bytes]], bool]:
    """Messages from a number on.

    Args:
        subjects: Of those that are wanted.
        most: Of them; fewer may come at once, where they are large.

    Returns:
        Numbers and payloads, and whether these are all.

    Raises:
        NatsError, OSError, StreamRefused: NATS does not do its part.
    """
    config = {
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": begin,
        "filter_subject": subjects,
        "ack_policy": "none",
        "max_deliver": 1,
        "replay_policy": "instant",
        "inactive_threshold": LEFT_BEHIND,
        "mem_storage": True,
        "num_replicas": 1,
    }
    question = {"stream_name": stream, "config": config}
    made = await api.ask(f"CONSUMER.CREATE.{stream}", question)
    consumer, pending = made.get("name"), made.get("num_pending")
    if not isinstance(consumer, str) or not isinstance(pending, int):
        raise ConnectionError("what NATS says of a consumer makes no sense")
    client, count = api.client, min(pending, most)
    try:
        if not count:
            return [], True
        fetched = _Fetched(count)
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, future=fetched)
        try:
            size = max(MOST_BYTES, 2 * client.max_payload)
            wanted = b'{"batch":%d,"max_bytes":%d,"no_wait":true}' % (count, size)
            next_ = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
            await client.publish(next_, wanted, inbox)
            try:
                async with asyncio.timeout(PATIENCE):
                    await fetched.are_all.wait()
            except TimeoutError:
                raise ConnectionError("the stream of NATS does not tell what is in it") from None
        finally:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()
        if not fetched.messages:
            raise ConnectionError("the stream of NATS has an entry that it does not tell")
        return fetched.messages, len(fetched.messages) >= pending
    finally:
        # Nobody waits for the answer; what is not heard is done later by NATS itself.
        with contextlib.suppress(NatsError, OSError):
            await client.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{consumer}")
