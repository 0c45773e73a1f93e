"""The suites for drivers and adapters, on carriers in memory: what they test is possible."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters import Capabilities, ClusterAdapter, ClusterOptions, MemoryBroker
from sockwave.adapters.messages import MessageType
from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.testing import AdapterSuite
from tests.adapters.message_broker import MemoryMessageDriver, message_broker
from tests.live.suites import MessageDriverSuite

if TYPE_CHECKING:
    from sockwave.adapters.driver import Driver
    from sockwave.adapters.message_driver import MessageDriver
    from sockwave.testing import AdapterMaker

QUICK = ClusterOptions(heartbeat_interval=0.01, heartbeat_timeout=60)
"""Soon all are known who are there: from then on messages are for those who want them."""


class TestMessageDriver(MessageDriverSuite):
    def setup_method(self) -> None:
        self.broker = message_broker()

    async def make_message_driver(self) -> MessageDriver:
        return MemoryMessageDriver(self.broker)


class TestMessageDriverWithBroadcasts(TestMessageDriver):
    type = MessageType.BROADCAST


class TestAdapter(AdapterSuite):
    capabilities = Capabilities(is_selective=True, counts=True, notices_ends=True)
    options: ClusterOptions | None = None

    def setup_method(self) -> None:
        self.broker = MemoryBroker(capabilities=self.capabilities)

    def make_carrier(self) -> Driver | MessageDriver:
        return self.broker.driver()

    async def make_adapter(self) -> AdapterMaker:
        driver = self.make_carrier()
        return lambda namespace: ClusterAdapter(namespace, driver, self.options)


class TestAdapterOnPlainCarrier(TestAdapter):
    capabilities = Capabilities()


class TestAdapterThatKnowsAll(TestAdapter):
    options = QUICK


class TestAdapterWithStrangers(TestAdapter):
    """As on carriers that servers in JavaScript share."""

    def setup_method(self) -> None:
        self.broker = message_broker()

    def make_carrier(self) -> Driver | MessageDriver:
        return MemoryMessageDriver(self.broker)


def test_suite_finds_an_adapter_that_reaches_nobody() -> None:
    class Suite(AdapterSuite):
        patience = 0.05

        async def make_adapter(self) -> AdapterMaker:
            return InMemoryAdapter

    with pytest.raises(TimeoutError):
        Suite().test_broadcast_reaches_each_client_once()


def test_suite_finds_an_adapter_that_mixes_events_up() -> None:
    class Late(ClusterAdapter):
        def broadcast(self, args: Any, options: Any) -> None:
            if args[0] == "n" and args[1] % 100 == 7:
                asyncio.get_running_loop().call_later(0.01, super().broadcast, args, options)
            else:
                super().broadcast(args, options)

    broker = MemoryBroker()

    class Suite(AdapterSuite):
        async def make_adapter(self) -> AdapterMaker:
            driver = broker.driver()
            return lambda namespace: Late(namespace, driver)

    with pytest.raises(AssertionError):
        Suite().test_many_events_in_a_row_keep_their_order()


def test_suite_asks_for_an_adapter() -> None:
    with pytest.raises(NotImplementedError):
        asyncio.run(AdapterSuite().make_adapter())
