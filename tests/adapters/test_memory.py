"""The carrier in memory: it does what a carrier must, and the faults that it is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters import Capabilities, Driver, Faults, MemoryBroker, MemoryDriver
from sockwave.testing import DriverSuite
from tests.adapters.simulation import FakeTime

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class TestMemoryDriver(DriverSuite):
    """As it is."""

    capabilities = Capabilities(is_selective=True, counts=True, notices_ends=True)

    def setup_method(self) -> None:
        self.broker = MemoryBroker(capabilities=self.capabilities)

    async def make_driver(self) -> Driver:
        return self.broker.driver()


class TestPlainMemoryDriver(TestMemoryDriver):
    """As a carrier that can do no more than all can."""

    capabilities = Capabilities()


class TestSlowMemoryDriver(TestMemoryDriver):
    """Messages take their time, and stay in order."""

    silence = 0.02

    def setup_method(self) -> None:
        super().setup_method()
        self.broker.faults = Faults(delay=0.01)


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: list[str] = []
        self.gone: set[str] = set()

    def message_received(self, message: bytes) -> None:
        self.heard.append(message)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        self.gone |= addresses


class Line:
    """Two drivers, and time that passes when a test says so."""

    def __init__(self, seed: int = 0, **options: Any) -> None:
        self.time = FakeTime()
        self.broker = MemoryBroker(seed=seed, later=self.time.later, **options)
        self.a, self.b = self.broker.driver(), self.broker.driver()
        self.ear = Ear()
        self.b.listen("/", "b", self.ear)

    def send(self, count: int) -> list[bytes]:
        messages = [b"%d" % number for number in range(count)]
        for message in messages:
            self.a.publish("/", message)
        return messages

    def run(self) -> None:
        while self.time.next() < float("inf"):
            self.time.call_next()


def test_lost_and_doubled_messages_are_those_of_the_seed() -> None:
    heard = []
    for seed in (1, 1, 2):
        line = Line(seed)
        line.broker.faults = Faults(loss=0.3, duplicates=0.3)
        line.send(100)
        line.run()
        heard.append(line.ear.heard)
    assert heard[0] == heard[1] != heard[2]
    assert 20 < len(set(heard[0])) < 100
    assert len(heard[0]) > len(set(heard[0]))


def test_late_messages_keep_their_order() -> None:
    line = Line()
    line.broker.faults = Faults(delay=1.0)
    sent = line.send(50)
    line.run()
    assert line.ear.heard == sent
    assert 0.5 < line.time.now <= 1.0


def test_messages_overtake_each_other_where_that_is_asked_for() -> None:
    line = Line()
    line.broker.faults = Faults(delay=1.0, reorders=True)
    sent = line.send(50)
    line.run()
    assert line.ear.heard != sent
    assert sorted(line.ear.heard) == sorted(sent)


def test_partition_cuts_until_it_is_healed() -> None:
    line = Line()
    line.broker.partition([line.a], [line.b])
    line.send(1)
    line.broker.partition()
    line.a.publish("/", b"again")
    line.run()
    assert line.ear.heard == [b"again"]


def test_dead_driver_neither_sends_nor_hears() -> None:
    line = Line()
    line.send(1)
    line.b.kill()
    line.run()
    line.b.publish("/", b"x")
    assert (line.ear.heard, line.broker.listening("/")) == ([], 0)


def test_paused_driver_gets_later_what_is_held_and_hears_of_the_rest() -> None:
    line = Line(max_backlog=5)
    line.b.pause()
    line.send(7)
    line.run()
    assert line.ear.heard == []
    line.b.resume()
    assert line.ear.heard == [b"0", b"1", b"2", b"3", b"4"]
    (lost,) = line.ear.lost
    assert "more came" in lost
    line.b.resume()
    assert len(line.ear.lost) == 1


@pytest.mark.parametrize("wrong", [{"loss": 2}, {"duplicates": -1}, {"delay": -0.1}])
def test_wrong_faults_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)


def test_suite_finds_what_is_wrong_with_a_driver() -> None:
    class Deaf(MemoryDriver):
        def publish(self, channel: str, message: bytes, *, to: Any = None) -> None:
            super().publish(channel, message[:3], to=to)

    class Suite(TestMemoryDriver):
        patience = 0.05

        async def make_driver(self) -> Driver:
            return Deaf(self.broker)

    suite = Suite()
    suite.setup_method()
    with pytest.raises((AssertionError, TimeoutError)):
        suite.test_message_to_all_reaches_everybody_else_once()


def test_suite_asks_for_a_driver() -> None:
    with pytest.raises(NotImplementedError):
        asyncio.run(DriverSuite().make_driver())
