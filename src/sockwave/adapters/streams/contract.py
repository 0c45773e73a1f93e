"""The contract of a carrier that keeps what is sent about sockets in a stream.

A stream is a log in one order, which all processes read, each from where it was; the place of an
entry is the offset of its event. What must not be lost goes into it, all else goes from process to
process as with any carrier. Beside it lost sockets are kept, each of which is taken out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from sockwave.adapters.message_driver import MessageDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.messages import Message
    from sockwave.types import NamespaceName

__all__ = [
    "PAGE",
    "ConnectedElsewhere",
    "ConnectedStore",
    "Entry",
    "EntryReceiver",
    "KeepsConnected",
    "Stream",
    "StreamCarrier",
    "StreamRefused",
]

PAGE: Final = 500
"""Entries that are asked for at once, where all from some place on are wanted."""


class StreamRefused(Exception):
    """Who keeps the stream has answered with an error."""


class Entry(Protocol):
    """One that was read."""

    @property
    def position(self) -> int:
        """Its place in the stream, see `positions.py`."""

    @property
    def namespace(self) -> str | None:
        """Where it belongs; None for what does not say, and so is for nobody."""

    @property
    def sender(self) -> bytes:
        """Who has written it, as it says."""

    @property
    def number(self) -> int | None:
        """Counts the messages of its sender; None where that one does not count."""

    def message(self) -> Message:
        """What it says; decoded once.

        Raises:
            PacketError: It is no message.
        """


@runtime_checkable
class EntryReceiver(Protocol):
    """Who listens to a namespace, and wants to know which entries of the stream there are."""

    def entry_read(self, entry: Entry) -> None:
        """Another process has written one. In the order of the stream, with `own_entry_read`."""

    def own_entry_read(self, entry: Entry) -> None:
        """One that this process has written is there."""

    def entry_written(self, number: int, place: int) -> None:
        """One that this process has published is there, and may have been read already."""

    def entry_refused(self, number: int) -> None:
        """One that this process has published will not be there."""

    def entries_missed(self) -> None:
        """Some may have been there that nobody here has read."""

    def carrier_away(self) -> None:
        """What is written is not read for the time being."""


class Stream(Protocol):
    """What can be asked of a carrier, in the loop that it lives in."""

    async def first(self, channel: NamespaceName) -> int | None:
        """From which place on all of the stream of a namespace is there; None if nothing was ever
        written.

        Raises:
            OSError: It cannot be reached.
            StreamRefused: It does not tell.
        """

    async def entries(
        self, channel: NamespaceName, begin: int, most: int = PAGE
    ) -> tuple[Sequence[Entry], bool]:
        """Entries from a place on, maybe those of other namespaces too.

        Args:
            most: Of them.

        Returns:
            What was read, and whether that was all: then nothing is missing that this process had
            read before the call.

        Raises:
            OSError: It cannot be reached.
            StreamRefused: It does not tell.
        """

    def save(
        self,
        channel: NamespaceName,
        pid: str,
        value: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep a session for so long, in the order of the calls.

        Args:
            done: Called with what became of it, an exception where it was not kept.

        Returns:
            False if there is no room.
        """

    async def take(self, channel: NamespaceName, pid: str) -> tuple[bytes, float] | None:
        """Take a session out, behind all that was published and saved here; with the seconds that
        it would have been kept. Of all who try only one gets it.

        Raises:
            OSError: It cannot be reached.
            StreamRefused: It does not tell.
        """


@dataclass(frozen=True, slots=True)
class ConnectedElsewhere:
    """A socket that is kept as one that is connected to another process.

    Attributes:
        owner: That process.
        is_heard: Whether it listens to the carrier.
    """

    owner: str
    is_heard: bool


class ConnectedStore(Protocol):
    """Keeps sockets of one namespace while they are connected, for each process by itself."""

    def keep(
        self,
        owner: str,
        changes: Sequence[tuple[str, bytes]],
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep sockets, forget others, and let all that a process has live on.

        Args:
            owner: The process.
            changes: Secrets, and what is kept; nothing for what is forgotten. What somebody else
                has taken stays taken, until it was forgotten.
            seconds: For so long from now on.
            done: Called with what became of it: an exception, or whether there was something of
                this process before.

        Returns:
            False if there is no room.
        """

    def save(
        self, owner: str, pid: str, value: bytes, seconds: float, done: Callable[[Any], None]
    ) -> bool:
        """One is lost: keep it as `Stream.save` does, unless somebody else has taken it."""

    async def find(self, pid: str, besides: str) -> ConnectedElsewhere | None:
        """Look for a socket of other processes.

        Args:
            besides: The process that asks.

        Raises:
            OSError: The carrier cannot be reached.
            StreamRefused: It does not tell.
        """

    async def take(self, pid: str, owner: str, *, is_gone: bool) -> tuple[bytes, float] | None:
        """Take a socket of a process that does not listen, with the seconds that it would have
        been kept. Of all who try only one gets it.

        Args:
            is_gone: Also if that process listens.

        Raises:
            OSError: The carrier cannot be reached.
            StreamRefused: It does not do it.
        """


@runtime_checkable
class KeepsConnected(Protocol):
    """What a `Stream` offers where sockets may be kept while they are connected."""

    def connected(self, channel: NamespaceName) -> ConnectedStore | None:
        """Where those of a namespace are kept; None where they are not."""


class StreamCarrier(MessageDriver, Protocol):
    """The carrier of the adapters of one server, whichever event loop runs."""

    @property
    def is_away(self) -> bool:
        """Whether it cannot be reached, or was not reached yet."""

    @property
    def latest(self) -> Stream:
        """That of the loop that an adapter lives in: it has used it already.

        Raises:
            ConnectionError: Nobody has.
        """

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Somebody will `subscribe`, and hears of entries from now on, as far as any are read."""

    def position(self, channel: NamespaceName) -> int:
        """How far the stream of a namespace was read; 0 before it was read at all."""
