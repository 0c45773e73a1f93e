"""A carrier between the processes of one machine: Unix sockets in a directory of their own.

Theory. Each process has a socket in the directory, under a random name, and a connection to each
other process, on which only it speaks. So any may die, and nobody is in the middle. Who comes
connects to all that are there, and greets with the name of its own socket; who is greeted by a name
that it does not know connects in turn. A name whose socket nobody answers is what a dead process
has left, and is taken away.

On a connection go frames: a length, a kind and its fields. Each process tells the others which
addresses listen on which channels, in its greeting and from then on, so a message is sent only to
who has a listener for it. Who starts waits for the greetings of those that are there, and who
subscribes for their confirmation, which is all that is said in the other direction; both for no
longer than `CONFIRM`: a process that is stopped holds nobody up.

Who ends is noticed at once, since its connection ends, and the receivers of its channels are told.

Bounded: for each other process that does not read, so many bytes are kept (`max_backlog`); what
does not fit is dropped, and the receivers of its channel are told once for each run of losses. A
frame has a greatest size, and a process of another user is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import stat
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.framed import Framed, encode_frame
from sockwave.engine.core.option_checks import check_integer
from sockwave.platform import check_unix_sockets, is_same_user

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Receiver

__all__ = ["DEFAULT_BACKLOG", "UnixDriver", "prepare_directory"]

_logger: Final = logging.getLogger("sockwave.adapters")

DEFAULT_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes kept for one process that does not read."""

CONFIRM: Final = 2.0
"""Seconds that a subscription waits for those that are there."""

LOOK: Final = 1.0
"""Seconds between two looks into the directory, for those whose greeting did not come."""

_HELLO, _LISTEN, _LEAVE, _CONFIRM, _MESSAGE, _TO_SOME = range(1, 7)
_GREETINGS: Final = 0
"""Number of the wait for greetings; subscriptions have the numbers after it."""

_SUFFIX: Final = ".bus"
_EARLY: Final = ".early"


class UnixDriver:
    """Reaches the other processes that have a driver on the same directory; see `Driver`.

    Args:
        directory: Made if it is not there; nobody but its owner may look into it.
        max_backlog: Bytes kept for one other process that does not read.

    Raises:
        ValueError: There are no Unix sockets on this system.

    Attributes:
        dropped: Messages that were not sent, since their process did not read.
    """

    capabilities: Final = Capabilities(
        is_selective=True, is_ordered=True, counts=True, notices_ends=True
    )

    def __init__(self, directory: str, *, max_backlog: int = DEFAULT_BACKLOG) -> None:
        check_unix_sockets("directory")
        check_integer("max_backlog", max_backlog, 0)
        self.dropped: int = 0
        self._directory = directory
        self._max_backlog = max_backlog
        self._name = secrets.token_hex(8) + _SUFFIX
        self._listeners: dict[str, dict[str, Receiver]] = {}
        self._peers: dict[str, _Peer] = {}  # to whom this one speaks
        self._others: dict[str, _Incoming] = {}  # who has greeted this one
        self._incoming: set[_Incoming] = set()
        self._starting = asyncio.Lock()
        self._server: asyncio.AbstractServer | None = None
        self._looking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits: dict[int, _Wait] = {}
        self._next_wait = _GREETINGS + 1
        self._is_closed = False
        # What was published before the others were there.
        self._early: list[tuple[str, bytes, AbstractSet[str] | None]] | None = []
        self._early_bytes = 0

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and connect to all that are there.

        Raises:
            OSError: The directory cannot be used, or others may look into it.
        """
        async with self._starting:  # the adapters of all namespaces do
            if self._server is None and not self._is_closed:
                await self._start()

    async def _start(self) -> None:
        prepare_directory(self._directory)
        self._server = server = await self._listen()
        try:
            await self._look()
        except OSError:  # it may be started again
            server.close()
            self._server = None
            raise
        await self._wait(_GREETINGS, set(self._peers) - set(self._others))
        early, self._early = self._early, None
        for channel, message, to in early or ():
            self.publish(channel, message, to=to)
        self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def _listen(self) -> asyncio.AbstractServer:
        """Listen, and only then have the name by which others know a process of the directory.

        A socket that is bound and does not listen yet refuses, as one does that a dead process has
        left: who came in that moment would take it away.
        """
        path = os.path.join(self._directory, self._name)
        early = path + _EARLY
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: _Incoming(self), early)
        try:
            os.chmod(early, stat.S_IRUSR | stat.S_IWUSR)
            os.rename(early, path)
        except OSError:
            server.close()
            raise
        return server

    async def aclose(self) -> None:
        """Disconnect; what is kept is sent, if that takes no more than a moment."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in (self._looking, *self._tasks):
            if task is not None:
                task.cancel()
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._directory, self._name))
        peers = list(self._peers.values())
        for peer in peers:
            peer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM):
                for peer in peers:
                    await peer.ended.wait()
        for connection in (*peers, *self._incoming):
            connection.abort()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except OSError as error:
                _logger.error("the directory of the other processes cannot be read: %s", error)

    async def _look(self) -> None:
        """Connect to those that are new in the directory."""
        names = [name for name in os.listdir(self._directory) if name.endswith(_SUFFIX)]
        for name in sorted(names):
            if name != self._name and name not in self._peers:
                await self._connect(name)

    async def _connect(self, name: str) -> None:
        peer = self._peers[name] = _Peer(self, name)
        peer.send(_HELLO, (self._name, self._own_listeners()))
        path = os.path.join(self._directory, name)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: peer, path)
        except OSError as error:
            self.peer_gone(peer)
            if isinstance(error, ConnectionRefusedError):  # of one that has died
                with contextlib.suppress(OSError):
                    os.unlink(path)

    async def _wait(self, number: int, names: set[str]) -> None:
        """Wait until all of these have answered, have gone, or are too slow."""
        wait = self._waits[number] = _Wait(names)
        try:
            async with asyncio.timeout(CONFIRM):
                await wait.is_over.wait()
        except TimeoutError:
            _logger.warning("%d other processes do not answer: are they stopped?", len(wait.names))
        finally:
            del self._waits[number]

    # --- listening --------------------------------------------------------------------------------

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen."""
        self._listeners.setdefault(channel, {})[address] = receiver
        number = self._next_wait
        self._next_wait += 1
        for peer in self._peers.values():
            peer.send(_LISTEN, (number, [(channel, address)]))
        await self._wait(number, set(self._peers))

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        listeners = self._listeners.get(channel)
        if listeners is not None and listeners.pop(address, None) is not None:
            if not listeners:
                del self._listeners[channel]
            for peer in self._peers.values():
                peer.send(_LEAVE, (channel, address))

    async def count(self, channel: str) -> int | None:
        """How many processes listen to a channel, this one included."""
        others = sum(1 for other in self._others.values() if other.listeners.get(channel))
        return others + (channel in self._listeners)

    def _own_listeners(self) -> list[tuple[str, str]]:
        return [
            (channel, address)
            for channel, listeners in self._listeners.items()
            for address in listeners
        ]

    # --- sending ----------------------------------------------------------------------------------

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message."""
        if self._early is not None:
            self._keep_early(channel, message, to)
            return
        frame: bytes | None = None
        for name, other in self._others.items():
            addresses = other.listeners.get(channel)
            peer = self._peers.get(name)
            if not addresses or peer is None:
                continue
            if to is None:
                if frame is None:
                    frame = encode_frame(_MESSAGE, (channel, message))
                self._send(peer, channel, frame)
            elif wanted := sorted(addresses & to):
                self._send(peer, channel, encode_frame(_TO_SOME, (channel, wanted, message)))

    def _keep_early(self, channel: str, message: bytes, to: AbstractSet[str] | None) -> None:
        """Not started yet, or the others have not greeted yet."""
        assert self._early is not None
        self._early_bytes += len(message)
        if self._is_closed:
            return
        if self._early_bytes <= self._max_backlog:
            self._early.append((channel, message, to))
        else:
            self.dropped += 1
            self._tell_lost(channel, "too much was sent before the others were there")

    def _tell_lost(self, channel: str, what: str) -> None:
        for receiver in self._listeners.get(channel, {}).values():
            asyncio.get_running_loop().call_soon(receiver.messages_lost, what)

    def _send(self, peer: _Peer, channel: str, frame: bytes) -> None:
        if peer.backlog + len(frame) <= self._max_backlog:
            peer.losing.discard(channel)
            peer.write(frame)
            return
        self.dropped += 1
        if channel not in peer.losing:
            peer.losing.add(channel)
            what = f"process {peer.name} does not read: messages to it were dropped"
            self._tell_lost(channel, what)

    # --- from connections -------------------------------------------------------------------------

    def peer_gone(self, peer: _Peer) -> None:
        """A connection to another process has ended, or could not be made."""
        peer.ended.set()
        if self._peers.get(peer.name) is peer:
            del self._peers[peer.name]
        for wait in self._waits.values():
            wait.answered(peer.name)

    def confirmed(self, name: str, number: int) -> None:
        """Another process has heard of a subscription."""
        if (wait := self._waits.get(number)) is not None:
            wait.answered(name)

    def incoming_began(self, incoming: _Incoming) -> None:
        """Somebody has connected."""
        self._incoming.add(incoming)

    def incoming_ended(self, incoming: _Incoming) -> None:
        """Its connection has ended."""
        self._incoming.discard(incoming)
        if self._others.get(incoming.name) is not incoming:
            return
        del self._others[incoming.name]
        for channel, addresses in incoming.listeners.items():
            for receiver in list(self._listeners.get(channel, {}).values()) if addresses else ():
                receiver.addresses_gone(addresses)

    def greeted(self, incoming: _Incoming) -> None:
        """Another process has told its name, and its listeners."""
        name = incoming.name
        self._others[name] = incoming
        if name not in self._peers and not self._is_closed:
            task = asyncio.get_running_loop().create_task(self._connect(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.confirmed(name, _GREETINGS)

    def message_received(
        self, channel: str, message: bytes, addresses: list[str] | None = None
    ) -> None:
        """A message has come, for all who listen here or for some."""
        listeners = self._listeners.get(channel, {})
        for address in list(listeners) if addresses is None else addresses:
            if (receiver := listeners.get(address)) is not None:
                receiver.message_received(message)


class _Wait:
    """For the answers of some processes."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.is_over = asyncio.Event()
        self.answered("")

    def answered(self, name: str) -> None:
        """One has answered, or is gone."""
        self.names.discard(name)
        if not self.names:
            self.is_over.set()


class _Peer(Framed):
    """The connection on which this process speaks to another one.

    Attributes:
        name: Of the other.
        losing: Channels whose last message to it was dropped, which were told so.
        ended: Set when the connection has ended.
    """

    def __init__(self, driver: UnixDriver, name: str) -> None:
        super().__init__()
        self.name = name
        self.losing: set[str] = set()
        self.ended: asyncio.Event = asyncio.Event()
        self._driver = driver
        self._early = bytearray()  # what was said before the connection stood

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        super().connection_made(transport)
        early, self._early = self._early, bytearray()
        self.write(bytes(early))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other is gone, or this side has closed."""
        self._driver.peer_gone(self)

    @property
    def backlog(self) -> int:
        """Bytes that it has not taken."""
        waiting = 0 if self.transport is None else self.transport.get_write_buffer_size()
        return waiting + len(self._early)

    def send(self, kind: int, fields: object) -> None:
        """Say something about this process: small, and never dropped."""
        self.write(encode_frame(kind, fields))

    def write(self, frame: bytes) -> None:
        """Send a frame, or keep it."""
        if self.transport is None:
            self._early += frame
        elif not self.transport.is_closing():
            self.transport.write(frame)

    def close(self) -> None:
        """End it after what is kept."""
        if self.transport is None:
            self.ended.set()
        else:
            self.transport.close()

    def frame_received(self, kind: int, fields: Any) -> None:
        """Take what the other says."""
        if kind == _CONFIRM:
            self._driver.confirmed(self.name, fields)


class _Incoming(Framed):
    """The connection on which another process speaks to this one.

    Attributes:
        name: Of the other; empty before it has greeted.
        listeners: Addresses by channel.
    """

    def __init__(self, driver: UnixDriver) -> None:
        super().__init__()
        self.name: str = ""
        self.listeners: dict[str, set[str]] = {}
        self._driver = driver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects: a process of the same user, or nobody."""
        super().connection_made(transport)
        self._driver.incoming_began(self)
        if not is_same_user(transport.get_extra_info("socket")):
            self.broken("it is a process of another user")

    def connection_lost(self, exc: Exception | None) -> None:
        """The other is gone."""
        self._driver.incoming_ended(self)

    def frame_received(self, kind: int, fields: Any) -> None:
        """Take what the other says."""
        if kind == _HELLO:
            name, listeners = fields
            self.name = str(name)
            self._listen(listeners)
            self._driver.greeted(self)
        elif kind == _LISTEN:
            number, listeners = fields
            self._listen(listeners)
            if self.transport is not None:
                self.transport.write(encode_frame(_CONFIRM, number))
        elif kind == _LEAVE:
            channel, address = fields
            self.listeners.get(channel, set()).discard(address)
        elif kind == _MESSAGE:
            channel, message = fields
            self._driver.message_received(channel, message)
        elif kind == _TO_SOME:
            channel, addresses, message = fields
            self._driver.message_received(channel, message, addresses)

    def _listen(self, listeners: list[tuple[str, str]]) -> None:
        for channel, address in listeners:
            self.listeners.setdefault(channel, set()).add(address)


def prepare_directory(directory: str) -> None:
    """Make the directory, or see that it is nobody else's.

    Raises:
        OSError: It cannot be made, or others may look into it.
    """
    os.makedirs(directory, mode=stat.S_IRWXU, exist_ok=True)
    status = os.stat(directory)
    if status.st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to another user")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(f"{directory}: others may look into it; its mode must be 0700")
