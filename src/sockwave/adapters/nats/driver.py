"""The driver on NATS.

Theory. A namespace has a subject for all, and each process in it one of its own, so that what is
for some reaches nobody else. There is none for each room: the algorithm knows which processes have
which rooms, and what nobody wants is not sent at all; a subject for each room would cost a message
to NATS, and to all of its servers, for each room that comes and goes, and what is for two rooms
would come twice to who has both.

What is published waits in a queue, and one task brings it to the client, so nothing waits and the
order is that of the calls. The task is woken once in a turn of the loop, however much is published
in it. While NATS is away the queue is kept, up to a bound in bytes; what is in it goes out when the
others should be back, too.

What arrives on one connection is taken in the order in which it comes, on whichever subject: that
of all and that of this process are one sequence, as the algorithm needs it. nats-py has a queue and
a task for each subscription, which would mix them; a subscription by a future has none, and the
future is one that can be told any number of messages.

Losses are noticed by the numbers of the frames (`frames.py`), and at every end of a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from nats.errors import Error as NatsError

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.nats.connection import confirmed
from sockwave.adapters.nats.contract import CAPABILITIES, DEFAULT_BACKLOG
from sockwave.adapters.nats.frames import SENDER_SIZE, FrameReader, FrameWriter, sender_of
from sockwave.adapters.nats.refusals import Refusals
from sockwave.adapters.nats.serving import Serving, run_all
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from collections.abc import Set as AbstractSet

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from sockwave.adapters.driver import Receiver
    from sockwave.adapters.nats.connection import Source
    from sockwave.adapters.nats.subjects import Subjects

__all__ = ["NatsDriver"]

CONFIRM: Final = 5.0
"""Seconds that a subscription waits for NATS."""

CLOSE_PATIENCE: Final = 2.0
"""Seconds that closing waits until what is kept is sent."""

MARK_INTERVAL: Final = 2.0
"""Seconds after which a lost message is noticed at the latest, when nothing follows it."""

CUT: Final = 0.15
"""Seconds that what was kept waits, after a connection was lost, for others to listen again who
have lost theirs in the same moment: some more than `FIRST_RETRY` of `serving.py`."""

AWAY: Final = 1.0
"""The same when NATS was away, and is found by each of them at its own time: some more than
`LAST_RETRY`."""

PER_MESSAGE: Final = 256
"""Bytes that a message in the queue costs beside its own."""

BACK: Final = "NATS is there again: what others have sent meanwhile is lost"

_logger: Final = logging.getLogger("sockwave.adapters")


class _Inbox(asyncio.Future[Any]):
    """A subscription of a connection: takes the messages of one subject, one after the other."""

    def __init__(self, driver: NatsDriver, listener: _Listener, *, is_own: bool) -> None:
        super().__init__()
        self.listener = listener
        self.is_own = is_own
        self.is_open = True
        self._driver = driver

    def set_result(self, message: Msg) -> None:
        """Take a message; other than in a future of one result, nothing ends with it."""
        if self.is_open:
            self._driver.frame_received(self, message.data)


class _Listener:
    """Who listens under an address.

    Attributes:
        inboxes: On the connection that stands, with what ends them there.
    """

    def __init__(self, channel: str, address: str, receiver: Receiver) -> None:
        self.channel = channel
        self.address = address
        self.receiver = receiver
        self.inboxes: list[tuple[_Inbox, Subscription]] = []


class NatsDriver:
    """Reaches all processes that have the same subjects on the same NATS; see `Driver`.

    Args:
        source: Makes connections.
        subjects: Names of subjects.
        max_backlog: Bytes that are kept while they cannot be sent.
        back: What is told, for people, when NATS is there again.
        is_told: Asked when the connection is lost: whether somebody has told of it already.

    Attributes:
        dropped: Messages that were not sent, since there was no room to keep them.
    """

    capabilities: Final = CAPABILITIES

    def __init__(
        self,
        source: Source,
        subjects: Subjects,
        *,
        max_backlog: int = DEFAULT_BACKLOG,
        back: str = BACK,
        is_told: Callable[[], bool] = lambda: False,
    ) -> None:
        self.dropped: int = 0
        self._back = back
        self._is_told = is_told
        self._refusals = Refusals()
        self._subjects = subjects
        self._max_backlog = max_backlog
        self._listeners: dict[tuple[str, str], _Listener] = {}
        self._sender = secrets.token_bytes(SENDER_SIZE)
        self._writer = FrameWriter(self._sender)
        self._reader = FrameReader(self._frames_lost)
        self._refused = 0
        self._backlog: deque[tuple[tuple[str, ...], bytes]] = deque()
        self._backlog_size = 0
        self._losing: set[str] = set()  # channels that were told of it
        self._leaving: list[Subscription] = []
        self._has_work = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_connected = asyncio.Event()
        self._client: Client | None = None
        self._place = source.name
        self._serving = Serving(source, self._serve, self._leave, self._lost, self._refuses)
        self._was_away = False
        self._is_closed = False

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, and from then on again for ever.

        Raises:
            OSError: No server can be reached, or none takes us.
        """
        await self._serving.start()

    async def _serve(self, client: Client) -> None:
        """Use a connection until it ends."""
        await run_all(self._send(client), self._keep_marking(client))

    def _lost(self, why: str) -> None:
        self._was_away = True
        if not self._is_told():
            self._tell_all(f"the connection to NATS at {self._place} is lost: {why}")

    def _refuses(self, what: str) -> None:
        """A right is missing."""
        if told := self._refusals.add(what):
            self._tell_all(told)

    async def _leave(self) -> None:
        """Nothing comes from this connection any more, also if the client makes another one."""
        self._client = None
        self._is_connected.clear()
        for listener in self._listeners.values():
            self._close_inboxes(listener)
        leaving, self._leaving = self._leaving, []
        for subscription in leaving:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    async def aclose(self) -> None:
        """Send what is kept, if that takes no more than a moment, and disconnect."""
        if self._is_closed:
            return
        self._is_closed = True
        if not await self._serving.close_starting():
            return
        with contextlib.suppress(TimeoutError, NatsError, OSError):
            async with asyncio.timeout(CLOSE_PATIENCE):
                await self._is_connected.wait()
                await self._is_idle.wait()
                if (client := self._client) is not None:
                    await confirmed(client)
        await self._serving.aclose()
        self._listeners.clear()

    def _close_inboxes(self, listener: _Listener) -> None:
        for inbox, subscription in listener.inboxes:
            inbox.is_open = False
            self._reader.forget(inbox)
            self._leaving.append(subscription)
        listener.inboxes = []

    # --- listening --------------------------------------------------------------------------------

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen.

        Raises:
            OSError: NATS is away; it may be tried again.
        """
        listener = self._listeners.get((channel, address))
        if listener is None:
            listener = _Listener(channel, address, receiver)
            self._listeners[channel, address] = listener
        try:
            async with asyncio.timeout(CONFIRM):
                await self._is_connected.wait()
                client = self._client
                if client is None:
                    raise ConnectionError("NATS is away")
                await self._open_inboxes(client, listener)
                await confirmed(client)
        except (NatsError, TimeoutError) as error:
            raise ConnectionError(f"NATS does not take a subscription: {error!r}") from error

    async def _open_inboxes(self, client: Client, listener: _Listener) -> None:
        if listener.inboxes:
            return
        channel, address = listener.channel, listener.address
        for subject, is_own in (
            (self._subjects.for_all(channel), False),
            (self._subjects.for_one(channel, address), True),
        ):
            inbox = _Inbox(self, listener, is_own=is_own)
            subscription = await client.subscribe(subject, future=inbox)
            listener.inboxes.append((inbox, subscription))

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        listener = self._listeners.pop((channel, address), None)
        if listener is not None:
            self._close_inboxes(listener)
            self._has_work.set()

    async def count(self, channel: str) -> int | None:
        """NATS does not tell."""
        return None

    # --- sending ----------------------------------------------------------------------------------

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message."""
        if self._is_closed:
            return
        subjects: tuple[str, ...]
        if to is None:
            subjects = (self._subjects.for_all(channel),)
        else:
            subjects = tuple(self._subjects.for_one(channel, address) for address in to)
        size = len(message) + PER_MESSAGE
        if self._backlog_size + size > self._max_backlog:
            self._drop(channel)
            return
        self._losing.discard(channel)
        self._backlog.append((subjects, message))
        self._backlog_size += size
        self._is_idle.clear()
        self._has_work.set()

    def _drop(self, channel: str) -> None:
        self.dropped += 1
        if channel not in self._losing:
            self._losing.add(channel)
            what = "NATS does not take what is sent: messages to others were dropped"
            loop = asyncio.get_running_loop()
            for listener in list(self._listeners.values()):
                if listener.channel == channel:
                    loop.call_soon(listener.receiver.messages_lost, what)

    async def _send(self, client: Client) -> None:
        """Listen on a new connection, and bring what is kept to it."""
        for listener in list(self._listeners.values()):
            await self._open_inboxes(client, listener)
        is_back = self._was_away
        if is_back:
            await confirmed(client)  # from here on nothing is missed
            self._was_away = False
            self._tell_all(self._back)
        self._client = client
        self._is_connected.set()
        if is_back:
            await asyncio.sleep(AWAY if self._serving.was_away else CUT)
        while True:
            self._has_work.clear()
            while self._backlog:
                subjects, message = self._backlog[0]
                for subject in subjects:
                    await self._publish(client, subject, message)
                # Only now: what a lost connection has cut off is sent again, and whoever had it
                # already knows it by its number.
                self._backlog.popleft()
                self._backlog_size -= len(message) + PER_MESSAGE
            leaving, self._leaving = self._leaving, []
            for subscription in leaving:
                await subscription.unsubscribe()
            if not self._backlog:
                self._is_idle.set()
            await self._has_work.wait()

    async def _publish(self, client: Client, subject: str, message: bytes) -> None:
        task = asyncio.current_task()
        for frame in self._writer.frames(subject, message, client.max_payload):
            if not client.is_connected:  # its buffer is for what it does without us
                raise ConnectionError("NATS is away")
            await client.publish(subject, frame)
            if task is not None and task.cancelling():  # nats-py may have kept it to itself
                raise asyncio.CancelledError

    async def _keep_marking(self, client: Client) -> None:
        """Tell now and then how much was sent, so that a lost last message is noticed."""
        while True:
            await asyncio.sleep(MARK_INTERVAL)
            self._reader.expire(asyncio.get_running_loop().time())
            for channel, address in self._listeners:
                self._writer.forget(self._subjects.for_one(channel, address))
            if self._client is None or self._backlog:
                continue
            for subject, mark in self._writer.marks():
                await client.publish(subject, mark)

    # --- what comes in ----------------------------------------------------------------------------

    def frame_received(self, inbox: _Inbox, frame: bytes) -> None:
        """Take what has come; it does not raise."""
        if not inbox.is_own and sender_of(frame) == self._sender:
            return  # to all, from here
        try:
            now = asyncio.get_running_loop().time()
            message = self._reader.receive(inbox, frame, now)
            if message is not None:
                inbox.listener.receiver.message_received(message)
        except PacketError as error:
            self._refused += 1
            if is_worth_a_line(self._refused):
                _logger.warning(
                    "message %d on subjects of this cluster is dropped: %s", self._refused, error
                )
        except Exception:
            _logger.exception("internal error at a message of another server")

    def _frames_lost(self, inbox: Hashable, what: str) -> None:
        if isinstance(inbox, _Inbox) and inbox.is_open:
            listener = inbox.listener
            listener.receiver.messages_lost(f"{what}, in namespace {listener.channel}")

    def _tell_all(self, what: str) -> None:
        """Something that concerns all namespaces."""
        for listener in list(self._listeners.values()):
            listener.receiver.messages_lost(what)
