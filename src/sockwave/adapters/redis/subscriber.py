"""What comes from Redis: one connection that listens to channels, and brings each message to
whoever wants it.

Theory. It knows what is wanted, and says so on each new connection before that counts as ready.
Whether Redis has heard a subscription is found out by a PING behind it, whose answer comes when all
before it was done. There is one such connection in a process, as servers are counted by their
subscriptions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.redis.link import Link, LinkOwner, encode_command

if TYPE_CHECKING:
    from sockwave.adapters.redis.places import Place

__all__ = ["Ear", "Kind", "Subscriber", "SubscriberHost"]

_logger: Final = logging.getLogger("sockwave.adapters")

Ear: TypeAlias = Callable[[bytes, bytes], None]
"""Gets the channel and the message; must not raise."""

_FENCE: Final = b"sockwave-"


class Kind:
    """The three kinds of channels, with the commands for them."""

    def __init__(self, listen: str, leave: str) -> None:
        self.listen: bytes = listen.encode()
        self.leave: bytes = leave.encode()


CHANNEL: Final = Kind("SUBSCRIBE", "UNSUBSCRIBE")
PATTERN: Final = Kind("PSUBSCRIBE", "PUNSUBSCRIBE")
SHARD: Final = Kind("SSUBSCRIBE", "SUNSUBSCRIBE")

_TAKEN: Final = (b"subscribe", b"psubscribe", b"ssubscribe")


class SubscriberHost(Protocol):
    """Who listens."""

    def subscriber_ready(self) -> None:
        """All that is wanted is heard."""

    def subscriber_ended(self, why: str) -> None:
        """Nothing is heard until the next connection."""

    def channel_gone(self, name: bytes) -> None:
        """Redis says, unasked, that a channel that is wanted is not heard any more."""

    def subscription_refused(self, error: str) -> None:
        """A subscription was refused."""

    def link_refused(self, who: object, why: str) -> None:
        """Redis is there, but lets this process hear nothing; it is tried again."""


class Subscriber(LinkOwner):
    """The connection on which a process listens.

    Args:
        place: Where Redis is.
        host: Hears how it goes.

    Attributes:
        heard: Messages that have come.
    """

    def __init__(self, place: Place, host: SubscriberHost) -> None:
        self.heard: int = 0
        self.link: Link = Link(place, self)
        self._host = host
        self._ears: dict[tuple[Kind, bytes], Ear] = {}
        self._channels: dict[bytes, Ear] = {}
        self._patterns: dict[bytes, Ear] = {}
        self._out: list[bytes] = []
        self._leaves: dict[bytes, int] = {}  # of shards, whose confirmations are on their way
        self._fences: dict[bytes, asyncio.Future[None]] = {}
        self._next_fence = 0
        self._confirmed: set[bytes] = set()  # names that Redis has taken on this connection
        self._refusals = 0
        self._is_refused = False

    # --- what is wanted ---------------------------------------------------------------------------

    def listen(self, kind: Kind, name: bytes, ear: Ear) -> None:
        """Want what comes by a channel, or by a pattern, from now on; see `settle`."""
        is_new = (kind, name) not in self._ears
        self._ears[kind, name] = ear
        (self._patterns if kind is PATTERN else self._channels)[name] = ear
        if is_new or name not in self._confirmed:  # it may have been refused
            self._say(kind.listen, name)

    def repeat(self, kind: Kind, name: bytes) -> None:
        """Say again that it is wanted: it may have been refused."""
        if (kind, name) in self._ears:
            self._say(kind.listen, name)

    def leave(self, kind: Kind, name: bytes) -> None:
        """Want it no longer."""
        if self._ears.pop((kind, name), None) is not None:
            (self._patterns if kind is PATTERN else self._channels).pop(name, None)
            self._say(kind.leave, name)
            if kind is SHARD and self.link.connection is not None:
                self._leaves[name] = self._leaves.get(name, 0) + 1

    async def settle(self) -> None:
        """Wait until Redis has heard of all that is wanted, on whichever connection.

        Raises:
            OSError: It has refused something.
        """
        while True:
            await self.link.until(lambda: self.link.is_ready)
            try:
                await self._pass_fence()
                return
            except ConnectionError:
                continue

    async def _pass_fence(self) -> None:
        """Wait until all that was said has been heard.

        Raises:
            ConnectionError: The connection has ended first.
            PermissionError: Something was refused.
        """
        self._next_fence += 1
        token = _FENCE + b"%d" % self._next_fence
        passed = self._fences[token] = asyncio.get_running_loop().create_future()
        try:
            self._say(b"PING", token)
            self._flush()
            await passed
        finally:
            self._fences.pop(token, None)

    def _say(self, *parts: bytes) -> None:
        if self.link.connection is None:
            return  # the next one begins with all that is wanted
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(encode_command(*parts))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self.link.connection is not None:
            self.link.connection.write(b"".join(out))

    # --- the link ---------------------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        """Take a message, or what belongs to a subscription."""
        if reply.__class__ is not list or len(reply) < 2:
            self._answered(reply)
            return
        kind, name = reply[0], reply[1]
        if kind == b"pmessage":
            ear, channel, message = self._patterns.get(name), reply[2], reply[3]
        elif kind == b"message" or kind == b"smessage":
            ear, channel, message = self._channels.get(name), name, reply[2]
        else:
            if kind == b"sunsubscribe":
                self._left(name)
            elif kind == b"pong":
                self._answered(name)
            if kind in _TAKEN:
                self._confirmed.add(name)
            else:
                self._confirmed.discard(name)
            return
        self.heard += 1
        if ear is not None:
            try:
                ear(channel, message)
            except Exception:
                _logger.exception("internal error at a message of Redis")

    def _left(self, name: bytes) -> None:
        """A shard channel is not heard any more: as this process wanted, or as it has moved."""
        if (expected := self._leaves.pop(name, 0)) > 1:
            self._leaves[name] = expected - 1
        elif not expected and (SHARD, name) in self._ears:
            self._host.channel_gone(name)

    def _answered(self, reply: Any) -> None:
        """A fence was passed, or something was refused: then none of those that wait passes."""
        if isinstance(reply, Exception):
            self._tell_refusal(reply)
            self._host.subscription_refused(str(reply))
            for fence in self._fences.values():
                if not fence.done():
                    fence.set_exception(PermissionError(f"Redis refuses: {reply}"))
        elif isinstance(reply, bytes) and (passed := self._fences.get(reply)) is not None:
            self._is_refused = False
            if not passed.done():
                passed.set_result(None)

    def _tell_refusal(self, reply: Exception) -> None:
        """In the log: once for all that was refused together, and rarely for what is refused often.
        What is refused at the beginning of a connection, together with all else, its host tells."""
        if self._is_refused or not self.link.is_ready:
            return
        self._is_refused = True
        self._refusals += 1
        if is_worth_a_line(self._refusals):
            _logger.error("Redis refuses to let this process listen: %s", reply)

    async def begin(self) -> None:
        """Say all that is wanted.

        Raises:
            PermissionError: Nothing of it is heard.
        """
        self._confirmed.clear()
        self._out = [encode_command(kind.listen, name) for kind, name in self._ears]
        try:
            await self._pass_fence()
        except PermissionError as error:
            # What is allowed is heard; what has moved has another place now.
            if not self._confirmed and "MOVED" not in str(error):
                raise
            self._refusals += 1
            if is_worth_a_line(self._refusals):
                _logger.error("%s: this process does not hear all that it wants", error)

    def ready(self) -> None:
        """All that is wanted is heard."""
        self._host.subscriber_ready()

    def ended(self, why: str) -> None:
        """Nothing is heard any more."""
        self._out = []
        self._leaves = {}
        self._end_fences(why)
        self._is_refused = False
        self._host.subscriber_ended(why)

    def refused(self, why: str) -> None:
        """Nothing can be heard."""
        self._host.link_refused(self, why)

    def _end_fences(self, why: str) -> None:
        for fence in self._fences.values():
            if not fence.done():
                fence.set_exception(ConnectionError(why))

    def ask_for_sign(self) -> None:
        """Send a PING."""
        self._say(b"PING", b"")

    async def aclose(self) -> None:
        """Listen no longer."""
        await self.link.aclose()
        self._end_fences("the connection to Redis is closed")
