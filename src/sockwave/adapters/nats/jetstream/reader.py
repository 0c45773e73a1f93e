"""Reads a stream of NATS, from where it was at the start, by what NATS calls an ordered consumer.

NATS pushes what is written to a subject of this connection alone, counts what it pushes, and says
now and then how far it is. As soon as something does not fit, or nothing comes at all, not even
that, the connection is given up; the next one goes on behind the last entry that was read. So
nothing is missed that is still there. What is no longer there is noticed by the numbers of the
stream, in which none is left out, and is said to be a gap.

A stream that is a new one, or that lacks its end, as after a crash of its machine, has a gap, too:
the last entry that was read is compared with the one that is at its place now. Where it is another
one, reading goes on behind the last of those that are the same: what is behind it is new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from nats.errors import Error as NatsError

from sockwave.adapters.nats.jetstream.entries import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from sockwave.adapters.nats.jetstream.api import Api

__all__ = ["STATUS", "LogReader", "numbers_of"]

HEARTBEAT: Final = 1.0
"""Seconds of silence after which NATS says how far it is."""

SILENCE: Final = 3.5
"""Seconds without a word of it after which it is asked anew."""

RECENT: Final = 1_000
"""Entries by which the end of a stream is known again."""

STATUS: Final = "Status"
"""Header of what NATS says itself."""
STALLED: Final = "Nats-Consumer-Stalled"
LAST: Final = "Nats-Last-Consumer"

_NANOSECONDS: Final = 1_000_000_000

_logger: Final = logging.getLogger("sockwave.adapters")


class _Pushed(asyncio.Future[Any]):
    """The subject to which NATS pushes: a subscription without a task, see `NatsDriver`."""

    def __init__(self, reader: LogReader) -> None:
        super().__init__()
        self._reader = reader
        self.is_open = True

    def set_result(self, message: Msg) -> None:
        """Take a message."""
        if self.is_open:
            self._reader.pushed(message)


class LogReader:
    """Reads one stream.

    Args:
        stream: Its name.
        taken: Called with the place, subject and payload of each entry.
        has_gap: Called when some may be missing, with a sentence for people.

    Attributes:
        places: Of the stream; None before it is known.
        sequence: Of the last entry that was read.
        is_rewritten: Whether it has lost its end since this was set to False: places that were told
            to clients are those of other entries.
    """

    def __init__(
        self,
        stream: str,
        taken: Callable[[int, str, bytes], None],
        has_gap: Callable[[str], None],
    ) -> None:
        self.places: Places | None = None
        self.sequence: int = 0
        self.is_rewritten: bool = False
        self._stream = stream
        self._taken = taken
        self._has_gap = has_gap
        # Numbers of the latest entries, and something to know each again by.
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT)
        # On one connection: messages that came, what is to be answered, and what is wrong.
        self._pushed = 0
        self._replies: list[str] = []
        self._trouble = ""
        self._heard = 0.0
        self._stir = asyncio.Event()
        self._inbox: _Pushed | None = None
        self._subscription: Subscription | None = None

    @property
    def position(self) -> int:
        """Of the last entry that was read; 0 before the stream is known."""
        return 0 if self.places is None else self.places.position(self.sequence)

    # --- on a connection --------------------------------------------------------------------------

    async def open(self, api: Api, info: dict[str, Any]) -> None:
        """Go on where it was, and see what is no longer there.

        Args:
            info: What NATS says of the stream.

        Raises:
            OSError, StreamRefused: NATS does not do its part.
        """
        await self._look(api, info)
        self._pushed, self._trouble, self._replies = 0, "", []
        self._heard = asyncio.get_running_loop().time()
        self._inbox = _Pushed(self)
        inbox = api.client.new_inbox()
        self._subscription = await api.client.subscribe(inbox, future=self._inbox)
        consumer = {
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.sequence + 1,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": round(HEARTBEAT * _NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        question = {"stream_name": self._stream, "config": consumer}
        await api.ask(f"CONSUMER.CREATE.{self._stream}", question)

    async def _look(self, api: Api, info: dict[str, Any]) -> None:
        try:
            created, state = str(info["created"]), info["state"]
            first, last = int(state["first_seq"]), int(state["last_seq"])
            places = Places(created)
        except (KeyError, TypeError, ValueError):
            raise ConnectionError("what NATS says of the stream makes no sense") from None
        known = self.places
        if known is None:
            self.places, self.sequence = places, last
            return
        what = ""
        if known.created != places.created:
            self.places, self.sequence = places, max(first - 1, 0)
            what = "is another one than before"
        elif first > self.sequence + 1:
            self.sequence, what = first - 1, "was trimmed before all was read"
        elif (agreed := await self._agreed(api, first, last)) != self.sequence:
            self.sequence, what = agreed, "lacks its end"
            self.is_rewritten = True
        if what:
            self._recent.clear()
            self._tell_gap(what)

    async def _agreed(self, api: Api, first: int, last: int) -> int:
        """The last entry that was read, and is what it was then."""
        known = [each for each in self._recent if first <= each[0] <= last]
        if self.sequence <= last and (not known or await self._is_same(api, known[-1])):
            return self.sequence
        low, high = 0, len(known)
        while low < high:
            middle = (low + high) // 2
            if await self._is_same(api, known[middle]):
                low = middle + 1
            else:
                high = middle
        if low:
            return known[low - 1][0]
        return known[0][0] - 1 if known else last

    async def _is_same(self, api: Api, known: tuple[int, int]) -> bool:
        sequence, mark = known
        stored = await api.find(self._stream, {"seq": sequence})
        return stored is None or hash(stored.data) == mark  # it may have been trimmed just now

    def _tell_gap(self, what: str) -> None:
        self._has_gap(f"stream {self._stream} {what}: messages of others may be missing")

    async def watch(self, api: Api) -> None:
        """Answer NATS, and see that it goes on.

        Raises:
            OSError: It does not, or something is missing.
        """
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._stir.wait()
            self._stir.clear()
            replies, self._replies = self._replies, []
            for subject in replies:
                await api.client.publish(subject)
            if self._trouble:
                raise ConnectionError(self._trouble)
            if loop.time() - self._heard > SILENCE:
                raise ConnectionError("the stream of NATS says nothing any more")

    async def leave(self) -> None:
        """Nothing comes by this connection any more, also if the client makes another one."""
        self._close()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    def _close(self) -> None:
        if self._inbox is not None:
            self._inbox.is_open = False
            self._inbox = None

    # --- what comes in ----------------------------------------------------------------------------

    def pushed(self, message: Msg) -> None:
        """Take what NATS has pushed; it does not raise."""
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers
        if headers is not None and STATUS in headers:
            self._told(message, headers)
            return
        numbers = numbers_of(message.reply)
        if numbers is None:
            return  # of somebody who knows the subject
        sequence, count = numbers
        if count != self._pushed + 1:
            self._give_up(f"{count - self._pushed - 1} entries of the stream have not come")
            return
        self._pushed = count
        if sequence <= self.sequence or self.places is None:
            return
        if sequence != self.sequence + 1:
            self.sequence = sequence - 1
            self._tell_gap("was trimmed before all was read")
        self.sequence = sequence
        self._recent.append((sequence, hash(message.data)))
        try:
            self._taken(self.places.position(sequence), message.subject, message.data)
        except Exception:
            _logger.exception("internal error at a message of another server")

    def _told(self, message: Msg, headers: dict[str, str]) -> None:
        """NATS wants an answer before it goes on, or says how far it is, or that it has ended."""
        if headers[STATUS] != "100":
            self._give_up(f"the stream of NATS ends: {headers.get('Description', headers[STATUS])}")
            return
        subject = message.reply or headers.get(STALLED)
        if subject:
            self._replies.append(subject)
            self._stir.set()
        if headers.get(LAST, str(self._pushed)) != str(self._pushed):
            self._give_up("the last entries of the stream have not come")

    def _give_up(self, why: str) -> None:
        self._close()
        self._trouble = why
        self._stir.set()


def numbers_of(reply: str) -> tuple[int, int] | None:
    """The number in the stream, and the count of what was pushed, by the subject for answers.

    It is `$JS.ACK.<stream>.<consumer>.<delivered>.<number>.<count>.<time>.<pending>`, or has domain
    and account before the stream, and more at the end.
    """
    parts = reply.split(".")
    if parts[:2] != ["$JS", "ACK"] or len(parts) < 9:
        return None
    at = 5 if len(parts) == 9 else 7
    try:
        return int(parts[at]), int(parts[at + 1])
    except (ValueError, IndexError):
        return None
