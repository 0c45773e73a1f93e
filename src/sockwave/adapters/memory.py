"""A carrier inside one process, for tests: of programs with several servers, and of clusters under
faults.

Faults follow a script: chances, drawn with a seed, and partitions, deaths and pauses that a test
orders. The same seed and the same calls give the same faults.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from sockwave.adapters.driver import Capabilities
from sockwave.engine.core.option_checks import check_integer, check_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Receiver

__all__ = ["Faults", "MemoryBroker", "MemoryDriver"]

MAX_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes that are held for a process that does not take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong with messages, each on its way to one process.

    Attributes:
        loss: Chance that it is lost; nobody is told.
        duplicates: Chance that it comes twice.
        delay: Most seconds that it takes.
        reorders: Let it be overtaken by later ones, as delays have it.
    """

    loss: float = 0.0
    duplicates: float = 0.0
    delay: float = 0.0
    reorders: bool = False

    def __post_init__(self) -> None:
        check_number("loss", self.loss, 0, 1)
        check_number("duplicates", self.duplicates, 0, 1)
        check_number("delay", self.delay, 0)


class MemoryBroker:
    """Brings messages from one `MemoryDriver` to the others.

    Args:
        capabilities: What it pretends to be able to do.
        seed: Of the faults.
        later: Calls a function after so many seconds; None uses the running event loop.
        max_backlog: Bytes that are held for a driver that is paused.

    Attributes:
        faults: What goes wrong from now on; may be set at any time.
        carried: Messages that were handed to receivers.
    """

    def __init__(
        self,
        *,
        capabilities: Capabilities | None = None,
        seed: int = 0,
        later: Callable[[float, Callable[[], None]], object] | None = None,
        max_backlog: int = MAX_BACKLOG,
    ) -> None:
        check_integer("max_backlog", max_backlog, 0)
        if capabilities is None:
            capabilities = Capabilities(is_selective=True, counts=True, notices_ends=True)
        self.capabilities = capabilities
        self.faults: Faults = Faults()
        self.carried = 0
        self.max_backlog = max_backlog
        self._later = _in_loop if later is None else later
        self._chance = random.Random(seed)
        self._drivers: list[MemoryDriver] = []
        self._groups: list[frozenset[MemoryDriver]] = []
        self._links: dict[tuple[MemoryDriver, MemoryDriver], deque[Callable[[], None]]] = {}

    def driver(self) -> MemoryDriver:
        """Make the driver of another process."""
        return MemoryDriver(self)

    def connect(self, driver: MemoryDriver) -> None:
        """Another driver is there."""
        self._drivers.append(driver)

    def forget(self, driver: MemoryDriver) -> None:
        """A driver is closed."""
        if driver in self._drivers:
            self._drivers.remove(driver)
        for link in [link for link in self._links if driver in link]:
            del self._links[link]

    def tell_gone(self, gone: MemoryDriver, addresses: dict[str, set[str]]) -> None:
        """Tell the others that a driver has ended, if this broker notices that."""
        if not self.capabilities.notices_ends:
            return
        for driver in self._drivers:
            for channel, names in addresses.items() if driver is not gone else ():
                for _, receiver in driver.listeners(channel):
                    # Behind what is on its way, as far as that keeps its order.
                    told = partial(driver.told_gone, receiver, names)
                    self._pass(gone, driver, told, self._delay())

    def partition(self, *groups: Collection[MemoryDriver]) -> None:
        """Let each driver reach only those of its own group; without groups all reach all again."""
        self._groups = [frozenset(group) for group in groups]

    def carry(
        self,
        sender: MemoryDriver,
        channel: str,
        message: bytes,
        to: AbstractSet[str] | None,
    ) -> None:
        """Bring a message to all others, or to those who have the addresses."""
        if not self.capabilities.is_selective:
            to = None
        for driver in self._drivers:
            is_meant = driver is not sender or self.capabilities.echoes
            if is_meant and self._is_linked(sender, driver):
                for address, receiver in driver.listeners(channel):
                    if to is None or address in to:
                        self._carry(sender, driver, receiver, message)

    def _is_linked(self, one: MemoryDriver, other: MemoryDriver) -> bool:
        return not self._groups or any(one in group and other in group for group in self._groups)

    def _carry(
        self, sender: MemoryDriver, driver: MemoryDriver, receiver: Receiver, message: bytes
    ) -> None:
        faults, chance = self.faults, self._chance
        copies = 1
        if faults.duplicates and chance.random() < faults.duplicates:
            copies = 2
        if faults.loss and chance.random() < faults.loss:
            copies -= 1
        for _ in range(copies):
            arrive = partial(driver.arrived, receiver, message)
            if faults.reorders:
                self._later(self._delay(), arrive)
            else:
                self._pass(sender, driver, arrive, self._delay())

    def _delay(self) -> float:
        return self._chance.random() * self.faults.delay if self.faults.delay else 0.0

    def _pass(
        self, sender: MemoryDriver, driver: MemoryDriver, arrive: Callable[[], None], delay: float
    ) -> None:
        link = self._links.setdefault((sender, driver), deque())
        link.append(arrive)
        # Whichever timer comes first, the message that was first goes first.
        self._later(delay, partial(_next_of, link))

    def listening(self, channel: str) -> int:
        """How many drivers listen to a channel."""
        return sum(1 for driver in self._drivers if driver.listeners(channel))


def _in_loop(delay: float, callback: Callable[[], None]) -> object:
    loop = asyncio.get_running_loop()
    if delay <= 0:
        return loop.call_soon(callback)
    return loop.call_later(delay, callback)


def _next_of(link: deque[Callable[[], None]]) -> None:
    if link:
        link.popleft()()


class MemoryDriver:
    """The driver of one process; `MemoryBroker.driver` makes it. See `Driver`.

    Attributes:
        broker: Through which it reaches the others.
    """

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self._listeners: dict[tuple[str, str], Receiver] = {}
        self._is_dead = False
        self._held: deque[Callable[[], None]] | None = None
        self._held_bytes = 0
        self._has_lost: set[Receiver] = set()
        broker.connect(self)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the broker."""
        return self.broker.capabilities

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen."""
        self.listen(channel, address, receiver)

    def listen(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen: what `subscribe` does, without an event loop."""
        self._listeners[channel, address] = receiver

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        self._listeners.pop((channel, address), None)

    def listeners(self, channel: str) -> list[tuple[str, Receiver]]:
        """Addresses and receivers in a channel."""
        return [
            (address, receiver)
            for (name, address), receiver in self._listeners.items()
            if name == channel and not self._is_dead
        ]

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message."""
        if not self._is_dead:
            self.broker.carry(self, channel, message, to)

    async def count(self, channel: str) -> int | None:
        """How many listen to a channel."""
        return self.broker.listening(channel) if self.capabilities.counts else None

    def kill(self) -> None:
        """Neither send nor get anything any more, without a goodbye."""
        if self._is_dead:
            return
        self._is_dead = True
        self._held = None
        addresses: dict[str, set[str]] = {}
        for channel, address in self._listeners:
            addresses.setdefault(channel, set()).add(address)
        self.broker.tell_gone(self, addresses)

    def pause(self) -> None:
        """Take nothing that comes, like a process that is stopped; it is held, up to a bound."""
        if self._held is None:
            self._held = deque()

    def resume(self) -> None:
        """Take what was held, and hear what was lost."""
        held, self._held = self._held or (), None
        lost, self._has_lost = self._has_lost, set()
        self._held_bytes = 0
        for arrive in held:
            arrive()
        for receiver in lost:
            receiver.messages_lost("more came than is held for a process that does not read")

    def arrived(self, receiver: Receiver, message: bytes) -> None:
        """A message is here."""
        if self._is_dead or receiver not in self._listeners.values():
            return
        if self._held is None:
            self.broker.carried += 1
            receiver.message_received(message)
        elif self._held_bytes + len(message) > self.broker.max_backlog:
            self._has_lost.add(receiver)
        else:
            self._held_bytes += len(message)
            self._held.append(partial(self.arrived, receiver, message))

    def told_gone(self, receiver: Receiver, addresses: AbstractSet[str]) -> None:
        """Another driver has ended; one that is paused hears it when it goes on."""
        if self._is_dead or receiver not in self._listeners.values():
            return
        if self._held is None:
            receiver.addresses_gone(addresses)
        else:
            self._held.append(partial(self.told_gone, receiver, addresses))

    async def aclose(self) -> None:
        """Disconnect."""
        self.kill()
        self.broker.forget(self)
