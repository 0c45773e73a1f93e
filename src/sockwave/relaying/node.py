"""One server among those that answer for each other: its channels, its questions, who is alive.

Theory. Each server hears two channels: one of all, where it is asked for who has a session, and one
of its own. Only the owner of a session answers; silence means that nobody has it. All is done by
direct calls when a message comes, so what comes in one order is done in that order, and nothing
here is a task but the one that connects.

Who has something open with another server of ours (a poll that waits, a WebSocket that is carried)
says now and then that it is alive, as the other does; when one is silent, what is open ends on
both sides. Servers in JavaScript say nothing of the kind, and end by time-outs.

A carrier that is away is told from a session that is unknown by what comes back: where nothing is
heard, not even what this server says to itself, it answers 503, and from then on at once, but for
one question at a time, which finds out when that is over.

Bounds: `MAX_QUESTIONS`, `MAX_OWNERS`; what is open is as much as clients have open here or there.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.backoff import Backoff
from sockwave.adapters.floods import is_worth_a_line
from sockwave.errors import EncodeError, PacketError
from sockwave.relaying.wire import (
    RelayMessage,
    RelayType,
    decode_relay,
    encode_relay,
    is_ours,
    make_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Driver
    from sockwave.engine.server.driver import Driver as EngineDriver

__all__ = ["Open", "Outcome", "RelayNode"]

CHANNEL: Final = "engine.io"
"""What the names of channels begin with, as in the reference (`channelPrefix`)."""

RESPONSE_TIMEOUT: Final = 2.0
"""Seconds that all others may take to answer: silence means that nobody has a session. The
reference takes one (`responseTimeout`), which is short for a server that is busy."""

OWNER_TIMEOUT: Final = 5.0
"""The same of one server, which answers also when it has nothing."""

GRACE: Final = 0.25
"""Seconds more, in which what has come meanwhile is read."""

SIGN_INTERVAL: Final = 2.0
"""Seconds between two signs of life."""

SILENCE: Final = 10.0
"""Seconds after which who says nothing is gone, as with the heartbeats of a cluster."""

ECHO_INTERVAL: Final = 0.5
"""Seconds of silence after which a question is asked of oneself, too."""

MAX_QUESTIONS: Final = 10_000
"""That may wait for their answers at a time: the next requests are refused."""

MAX_OWNERS: Final = 10_000
"""Sessions of which it is remembered who has them, so that only that server is asked again."""

FIRST_RETRY: Final = 0.5
"""Seconds until a carrier that could not be reached is tried again."""

LAST_RETRY: Final = 2.0

JOIN_TIMEOUT: Final = 5.0
"""Seconds that a server waits at its start for the carrier."""

_logger: Final = logging.getLogger("sockwave.relaying")


class Outcome(Enum):
    """Why a request is not served by another server."""

    UNKNOWN = auto()
    """Nobody has the session, or not for this."""
    BUSY = auto()
    """Nobody can be asked now."""


class Open(Protocol):
    """Something that is open with another server."""

    def peer_gone(self) -> None:
        """That server has ended, or is out of reach."""


class Listener(Protocol):
    """What is done about messages."""

    def relayed_message(self, message: RelayMessage) -> None:
        """A message for this server, or for all.

        Raises:
            PacketError: It is malformed.
        """

    def messages_lost(self) -> None:
        """Some to or from this server were lost."""


class _Question:
    """One that waits for its answer.

    Args:
        node: Who asks.
        number: Of the question.
        asked: Who may answer; None is anybody.
        answered: Called with the answer.
        failed: Called when there is none in time.
    """

    __slots__ = ("_is_late", "_node", "answered", "asked", "failed", "number", "wheel_slot")

    def __init__(
        self,
        node: RelayNode,
        number: int,
        asked: str | None,
        answered: Callable[[RelayMessage], None],
        failed: Callable[[], None],
    ) -> None:
        self.wheel_slot: int = 0
        self.number: int = number
        self.asked: str | None = asked
        self.answered: Callable[[RelayMessage], None] = answered
        self.failed: Callable[[], None] = failed
        self._node = node
        self._is_late = False

    def handle_timeout(self, now: float) -> None:
        """There is no answer, or it is here and was not read yet: this loop may be the busy one."""
        if self._is_late:
            self._node.forget(self)
            self.failed()
        else:
            self._is_late = True
            self._node.wait_on(self, GRACE)


class _Peer:
    """Another server with which something is open."""

    __slots__ = ("heard", "open")

    def __init__(self, heard: float) -> None:
        self.heard = heard
        self.open: set[Open] = set()


class RelayNode:
    """A server on the carrier.

    Args:
        carrier: Carries the messages; it stays its owner's.
        driver: Of the engine, bound to the running loop.
        id_: Of this server; None makes one.

    Attributes:
        id: It.
        listener: Gets messages; set before `start`.
        asked: How many questions there were.
        dropped: Messages that were none.
    """

    def __init__(self, carrier: Driver, driver: EngineDriver, id_: str | None = None) -> None:
        self.id: str = make_id() if id_ is None else id_
        self.listener: Listener | None = None
        self.asked: int = 0
        self.dropped: int = 0
        self.wheel_slot = 0
        self._carrier = carrier
        self._driver = driver
        self._as_text = carrier.capabilities.is_text
        self._joining: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()
        self._is_closed = False
        self._questions: dict[int, _Question] = {}
        self._owners: dict[str, str] = {}
        self._peers: dict[str, _Peer] = {}
        self._next_sign = 0.0
        self._heard = driver.clock()
        self._is_deaf = False

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, however often it takes."""
        self._joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        backoff, told = Backoff(FIRST_RETRY, LAST_RETRY), ""
        while True:
            try:
                await self._carrier.start()
                for channel in self._channels:
                    await self._carrier.subscribe(channel, self.id, self)
                break
            except Exception as error:
                what, told = told, repr(error)
                if told != what:  # once, however long it takes
                    _logger.warning("requests cannot be relayed, the carrier is away: %s", told)
            await asyncio.sleep(backoff.pause())
        self._joined.set()

    async def wait_joined(self) -> None:
        """Wait until others can ask this server; for a few seconds at most."""
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                await self._joined.wait()
        except TimeoutError:
            _logger.warning("this server serves, but the others cannot find its sessions yet")

    @property
    def open_questions(self) -> int:
        """How many wait for their answers."""
        return len(self._questions)

    @property
    def seconds_since_heard(self) -> float:
        """For how long nothing has come, not even from this server itself."""
        return self._driver.clock() - self._heard

    @property
    def _channels(self) -> tuple[str, str]:
        return f"{CHANNEL}#", f"{CHANNEL}#{self.id}#"

    async def aclose(self) -> None:
        """Listen no longer; what is open ends without an answer."""
        self._is_closed = True
        self._driver.cancel(self)
        if self._joining is not None:
            self._joining.cancel()
        for question in list(self._questions.values()):
            self.forget(question)
            question.failed()
        self._end_all(frozenset(self._peers))
        for channel in self._channels:
            self._carrier.unsubscribe(channel, self.id)
        if self._joining is not None:
            await asyncio.gather(self._joining, return_exceptions=True)

    def abandon(self) -> None:
        """The event loop has ended, and all connections and deadlines with it."""
        self._is_closed = True
        self._questions.clear()
        self._peers.clear()

    # --- the way out ------------------------------------------------------------------------------

    def send(
        self,
        type_: RelayType,
        data: dict[str, Any],
        to: str | None = None,
        request: int | None = None,
    ) -> None:
        """Send a message to one server, or to all."""
        if self._is_closed:
            return
        message = RelayMessage(type_, data, self.id, to, request)
        try:
            encoded = encode_relay(message, as_text=self._as_text)
        except EncodeError:
            _logger.exception("internal error: what was received cannot be sent on")
            return
        if to is None:
            self._carrier.publish(f"{CHANNEL}#", encoded)
        else:
            self._carrier.publish(f"{CHANNEL}#{to}#", encoded, to=frozenset({to}))

    def ask(
        self,
        type_: RelayType,
        data: dict[str, Any],
        to: str | None,
        answered: Callable[[RelayMessage], None],
        failed: Callable[[], None],
        timeout: float | None = None,
    ) -> None:
        """Ask one server, or all.

        Args:
            answered: Called with the answer.
            failed: Called when there is none; maybe within this call.
            timeout: Seconds; None stands for what is usual.
        """
        if self._is_closed or len(self._questions) >= MAX_QUESTIONS:
            failed()
            return
        self.asked += 1
        question = _Question(self, self.asked, to, answered, failed)
        self._questions[question.number] = question
        if timeout is None:
            timeout = RESPONSE_TIMEOUT if to is None else OWNER_TIMEOUT
        self.wait_on(question, timeout)
        self.send(type_, data, to, question.number)

    def wait_on(self, question: _Question, seconds: float) -> None:
        """Wait for an answer."""
        self._driver.schedule(question, self._driver.clock() + seconds)

    def forget(self, question: _Question) -> None:
        """Wait no longer for an answer."""
        self._questions.pop(question.number, None)
        self._driver.cancel(question)

    def acquire(
        self,
        sid: str,
        transport: str,
        kind: str,
        granted: Callable[[str], None],
        refused: Callable[[Outcome], None],
    ) -> None:
        """Find out who has a session, and whether a request may be served here.

        Args:
            kind: `read` or `write`.
            granted: Called with the id of the owner.
            refused: Called where there is none; maybe within this call.
        """
        can_ask = self._joined.is_set() and len(self._questions) < MAX_QUESTIONS
        if not can_ask or (self._is_deaf and self._questions):
            refused(Outcome.BUSY)
            return
        data = {"sid": sid, "transportName": transport, "type": kind}
        began, owner = self._driver.clock(), self._owners.get(sid)
        echoes = self._carrier.capabilities.echoes

        def answered(message: RelayMessage) -> None:
            is_granted = (
                message.type == RelayType.ACQUIRE_LOCK_RESPONSE
                and message.data.get("success") is True
            )
            if is_granted:
                self._remember(sid, message.sender)
                granted(message.sender)
            else:
                refused(Outcome.UNKNOWN)

        def failed() -> None:
            self._owners.pop(sid, None)
            is_deaf = echoes and self._heard < began - ECHO_INTERVAL
            self._is_deaf = self._is_deaf or is_deaf
            refused(Outcome.BUSY if is_deaf or self._is_closed else Outcome.UNKNOWN)

        self.ask(RelayType.ACQUIRE_LOCK, data, owner, answered, failed)
        if echoes and began - self._heard > ECHO_INTERVAL:
            self.send(RelayType.ECHO, {}, self.id)

    def _remember(self, sid: str, owner: str) -> None:
        if is_ours(owner):  # others are asked as the reference asks
            self._owners.pop(sid, None)
            self._owners[sid] = owner
            if len(self._owners) > MAX_OWNERS:
                del self._owners[next(iter(self._owners))]

    def forget_owner(self, sid: str) -> None:
        """A session has ended, or is somebody else's."""
        self._owners.pop(sid, None)

    # --- who is alive -----------------------------------------------------------------------------

    def opened(self, peer: str, what: Open) -> None:
        """Something is open with another server: tell it when that is gone."""
        if not is_ours(peer):
            return
        now = self._driver.clock()
        if not self._peers:
            self._next_sign = now + SIGN_INTERVAL
            self._driver.schedule(self, self._next_sign)
        known = self._peers.get(peer)
        if known is None:
            known = self._peers[peer] = _Peer(now)
        known.open.add(what)

    def closed(self, peer: str, what: Open) -> None:
        """It is open no longer."""
        known = self._peers.get(peer)
        if known is not None:
            known.open.discard(what)
            if not known.open:
                del self._peers[peer]

    def handle_timeout(self, now: float) -> None:
        """Give signs, and see who gives none."""
        if now - self._next_sign > SIGN_INTERVAL:  # we were stopped: they are still to be read
            for peer in self._peers.values():
                peer.heard = now
        silent = {id_ for id_, peer in self._peers.items() if now - peer.heard > SILENCE}
        self._end_all(silent)
        for id_ in self._peers:
            self.send(RelayType.SIGN, {}, id_)
        if self._peers:
            self._next_sign = now + SIGN_INTERVAL
            self._driver.schedule(self, self._next_sign)

    def _end_all(self, ids: AbstractSet[str]) -> None:
        if ids:
            self._owners = {sid: id_ for sid, id_ in self._owners.items() if id_ not in ids}
        for id_ in ids:
            peer = self._peers.pop(id_, None)
            for what in () if peer is None else tuple(peer.open):
                what.peer_gone()

    # --- the way in -------------------------------------------------------------------------------

    def message_received(self, data: bytes) -> None:
        """A message has come; one that is malformed leaves a line in the log, and nothing else."""
        now = self._heard = self._driver.clock()
        self._is_deaf = False
        try:
            message = decode_relay(data)
            if message is not None and message.sender != self.id:
                self._take(message, now)
        except PacketError as error:
            self.dropped += 1
            if is_worth_a_line(self.dropped):
                what = error.detail or str(error)
                _logger.warning("message %d about requests is dropped: %s", self.dropped, what)
        except Exception:
            _logger.exception("internal error at a message about a request")

    def _take(self, message: RelayMessage, now: float) -> None:
        if self._is_closed or message.recipient not in (None, self.id):
            return
        if (peer := self._peers.get(message.sender)) is not None:
            peer.heard = now
        if message.type in _ANSWERS:
            self._answered(message)
        elif self.listener is not None:
            self.listener.relayed_message(message)

    def _answered(self, message: RelayMessage) -> None:
        question = self._questions.get(message.request or 0)
        if question is None or question.asked not in (None, message.sender):
            return  # nobody has asked, or has asked that one
        self.forget(question)
        question.answered(message)

    def messages_lost(self, what: str) -> None:
        """Some were lost; those of ours are numbered where it matters."""
        if self.listener is not None:
            self.listener.messages_lost()

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        """Others have ended."""
        self._end_all(addresses)


_ANSWERS: Final = frozenset(
    {
        RelayType.ACQUIRE_LOCK_RESPONSE,
        RelayType.UPGRADE_RESPONSE,
        RelayType.POST_RESPONSE,
        RelayType.CONFIRM_RESPONSE,
    }
)
