"""What goes into streams of NATS, in the order of the calls.

Theory. `put` keeps a message; one task takes what is there, publishes it all at once, and waits for
the answers of JetStream before it takes more. So the order of the calls is the order in the stream,
nothing is made for a single message, and at most one batch is under way.

When the connection ends, or an answer does not come, nobody knows how far NATS has come with that
batch. So on the next connection the stream is asked which entries it has behind the last one that
it said it had; the rest are published again, first of all. Each has an id by which NATS takes it
once, should the first of them still be on its way. One that is not there, although a later one of
the same sender is, must not come behind it: it is given up, and told. What is not an entry, and was
under way, is not published again: whoever put it is told.

What is kept is bounded in bytes. What does not fit is refused at the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.nats.jetstream.api import MESSAGE_ID, JetStreamRefused, read_reply
from sockwave.adapters.nats.jetstream.parts import ROOM, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from sockwave.adapters.nats.jetstream.api import Api

__all__ = ["LogWriter"]

MOST: Final = 512
"""Messages that are published at once."""

MOST_BYTES: Final = 1024 * 1024

OVERHEAD: Final = 256
"""Bytes that a message costs beside its own."""

PATIENCE: Final = 5.0
"""Seconds for the answers to what was published."""

_logger: Final = logging.getLogger("sockwave.adapters")


def _nothing(outcome: int | Exception) -> None:
    """Nobody waits for a part: the reference to it comes behind it."""


@dataclass(slots=True)
class _Item:
    """A message on its way.

    Attributes:
        id: Of an entry; None of others.
        parts: Subject for its parts, where it is too large and may be cut.
        then: Done behind it.
    """

    subject: str
    data: bytes
    done: Callable[[int | Exception], None]
    id: str | None
    parts: str = ""
    then: list[Callable[[], None]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD


class _Answers(asyncio.Future[Any]):
    """The answers to one batch, each on a subject that ends with its place in the batch.

    It is a subscription without a task, see `NatsDriver`: its result is set any number of times.
    """

    def __init__(self) -> None:
        super().__init__()
        self.come: dict[int, Msg] = {}
        self.are_all = asyncio.Event()
        self._numbers = range(0)

    def expect(self, numbers: range) -> None:
        """Others than these are late ones."""
        self.come = {}
        self._numbers = numbers
        self.are_all.clear()

    def set_result(self, message: Msg) -> None:
        """Take an answer."""
        number = message.subject.rpartition(".")[2]
        if number.isdigit() and int(number) in self._numbers:
            self.come[int(number)] = message
            if len(self.come) == len(self._numbers):
                self.are_all.set()


class LogWriter:
    """Writes.

    Args:
        stream: Name of that of the entries.
        max_backlog: Bytes that are kept.
    """

    def __init__(self, stream: str, max_backlog: int) -> None:
        self._stream = stream
        self._max_backlog = max_backlog
        self._queue: deque[_Item] = deque()
        self._under_way: list[_Item] = []
        self._size = 0
        self._count = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        # The last entry of each sender that is known to be there.
        self._last: dict[str, int] = {}
        self._created = ""

    def put(
        self,
        subject: str,
        data: bytes,
        done: Callable[[int | Exception], None],
        id_: str | None = None,
        parts: str = "",
    ) -> bool:
        """Publish a message, in the order of the calls.

        Args:
            done: Called with its place in the stream; with a `StreamRefused` if it will not be
                there, or an `OSError` where nobody knows.
            id_: Of an entry, without spaces.
            parts: Subject for its parts, where it is larger than NATS takes.

        Returns:
            False if it does not fit: then it is not sent.
        """
        item = _Item(subject, data, done, id_, parts)
        if self._size + item.size > self._max_backlog:
            return False
        self._queue.append(item)
        self._size += item.size
        self._empty.clear()
        self._wake.set()
        return True

    def then(self, act: Callable[[], None]) -> None:
        """Do something behind all that was put, when NATS has it, or it is given up."""
        waiting = self._queue or self._under_way
        if waiting:
            waiting[-1].then.append(act)
        else:
            act()

    def give_up_others(self, why: str) -> None:
        """What is no entry, and was not published yet, will not be."""
        others = [item for item in self._queue if item.id is None]
        self._queue = deque(item for item in self._queue if item.id is not None)
        for item in others:
            self._done(item, JetStreamRefused(why))

    async def settled(self) -> None:
        """Wait until NATS has all that was put before the call, or it is given up."""
        reached = asyncio.Event()
        self.then(reached.set)
        await reached.wait()

    async def drain(self, timeout: float) -> bool:
        """Wait until all is there, for so many seconds at most; whether it is."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    # --- on a connection --------------------------------------------------------------------------

    async def use(self, api: Api, created: str) -> None:
        """Publish what is there, and what comes.

        Args:
            created: When the stream was made.

        Raises:
            NatsError, OSError: The connection is of no use.
        """
        client, answers = api.client, _Answers()
        inbox = client.new_inbox()
        subscription = await client.subscribe(f"{inbox}.*", future=answers)
        try:
            if created != self._created:  # and numbers begin anew
                self._created = created
                self._last.clear()
            await self._find_again(api)
            while True:
                while not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                await self._publish(client, inbox, answers)
        finally:
            if not client.is_closed and client.is_connected:
                await subscription.unsubscribe()

    async def _publish(self, client: Client, inbox: str, answers: _Answers) -> None:
        self._take(client.max_payload)
        batch, task = self._under_way, asyncio.current_task()
        numbers = range(self._count, self._count + len(batch))
        self._count += len(batch)
        answers.expect(numbers)
        for number, item in zip(numbers, batch, strict=True):
            if not client.is_connected:  # its buffer is for what it does without us
                raise ConnectionError("NATS is away")
            headers = None if item.id is None else {MESSAGE_ID: item.id}
            await client.publish(item.subject, item.data, f"{inbox}.{number}", headers)
            if task is not None and task.cancelling():  # nats-py may have kept it to itself
                raise asyncio.CancelledError
        if not batch:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await answers.are_all.wait()
        except TimeoutError:
            raise ConnectionError("JetStream does not say whether it has taken all") from None
        finally:
            self._answered(numbers, answers.come)
        if self._under_way:
            raise ConnectionError("JetStream does not take anything now")

    def _take(self, most: int) -> None:
        size, queue, batch = 0, self._queue, self._under_way
        while queue and len(batch) < MOST and size < MOST_BYTES:
            item = queue.popleft()
            if len(item.data) > most - ROOM:
                self._cut(item, most)
                continue
            batch.append(item)
            size += item.size

    def _cut(self, item: _Item, most: int) -> None:
        """Put the parts of one that is too large first."""
        if not item.parts or most <= 2 * ROOM:
            why = f"it has {len(item.data)} bytes, and `max_payload` of NATS is {most}"
            self._done(item, JetStreamRefused(why))
            return
        parts, reference = cut(item.data, item.parts.rpartition(".")[2], most - ROOM)
        items = [
            _Item(item.parts, part, _nothing, f"{item.id}.{number}")
            for number, part in enumerate(parts)
        ]
        items.append(_Item(item.subject, reference, item.done, item.id, then=item.then))
        self._size += sum(each.size for each in items) - item.size
        self._queue.extendleft(reversed(items))

    def _answered(self, numbers: range, come: dict[int, Msg]) -> None:
        """Those whose answers have come are done; the others are still under way, and with them
        what is there behind one of the same sender that may not be: it is looked for together."""
        batch, self._under_way = self._under_way, []
        unknown: set[str] = set()
        for number, item in zip(numbers, batch, strict=True):
            answer = come.get(number)
            outcome = None if answer is None else _outcome(answer)
            if outcome is None:
                unknown.add(item.subject)
                self._under_way.append(item)
            elif item.id is not None and item.subject in unknown and isinstance(outcome, int):
                self._under_way.append(item)
            else:
                self._done(item, outcome)

    def _done(self, item: _Item, outcome: int | Exception) -> None:
        self._size -= item.size
        if not self._size:
            self._empty.set()
        if item.id is not None and isinstance(outcome, int) and item.done is not _nothing:
            self._last[item.subject] = outcome
        for act in (lambda: item.done(outcome), *item.then):
            try:
                act()
            except Exception:
                _logger.exception("internal error at an answer of JetStream")

    # --- after a break ----------------------------------------------------------------------------

    async def _find_again(self, api: Api) -> None:
        """See which entries of the batch that was under way are in the stream."""
        for item in [item for item in self._under_way if item.id is None]:
            self._under_way.remove(item)
            self._done(item, ConnectionError("the connection ended before the answer"))
        there: dict[str, int] = {}
        for subject in {item.subject for item in self._under_way}:
            there |= await self._written(api, subject)
        batch, self._under_way = self._under_way, []
        reached = {item.subject: number for number, item in enumerate(batch) if item.id in there}
        again: list[_Item] = []
        for number, item in enumerate(batch):
            if item.id is not None and item.id in there:
                self._done(item, there[item.id])
            elif number < reached.get(item.subject, -1):
                self._done(item, JetStreamRefused("NATS has lost it"))
            else:
                again.append(item)
        self._queue.extendleft(reversed(again))

    async def _written(self, api: Api, subject: str) -> dict[str, int]:
        """What the stream has on a subject behind what is known, and where."""
        found: dict[str, int] = {}
        since = self._last.get(subject, 0)
        while True:
            question = {"seq": since + 1, "next_by_subj": subject}
            stored = await api.find(self._stream, question)
            if stored is None or stored.sequence <= since:
                return found
            found[stored.id] = since = stored.sequence


def _outcome(answer: Msg) -> int | Exception | None:
    """What became of a message; None if it may be tried again."""
    if answer.headers:  # no stream takes it, or nobody decides
        return None
    try:
        sequence = read_reply(answer.data).get("seq")
    except ConnectionError:
        return None
    except JetStreamRefused as error:
        return error
    return sequence if isinstance(sequence, int) else None
