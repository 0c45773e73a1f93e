"""The suite of adapters on a NATS that restarts, stands still, cuts connections, is full, slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sockwave import adapters
from tests.live.engines import Nats
from tests.live.faults import FaultSuite
from tests.live.test_jetstream import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.live


class TestNats(FaultSuite[Nats]):
    """What may happen to a NATS."""

    adapter = adapters.NatsAdapter

    def make_engine(self) -> Nats:
        return Nats()

    def address_of(self, engine: Nats) -> str:
        return engine.url

    def cut(self, engine: Nats) -> None:
        """Who is there has no password, and may come back a moment later."""
        engine.reconfigure('authorization: { user: "somebody", password: "else" }')
        engine.reconfigure()

    def fill(self, engine: Nats) -> None:
        """It takes no more connections, and cuts those that are too many."""
        engine.reconfigure("max_connections: 3")

    def empty(self, engine: Nats) -> None:
        engine.reconfigure()


class TestJetStream(TestNats):
    """The same, with streams, which may be full."""

    options: ClassVar[Mapping[str, Any]] = {"jetstream": True}

    def fill(self, engine: Nats) -> None:
        self._limit(engine, max_msgs=1, discard="new")

    def empty(self, engine: Nats) -> None:
        self._limit(engine, max_msgs=-1, discard="old")

    def _limit(self, engine: Nats, **limits: Any) -> None:
        async def limit() -> None:
            info = await ask(engine, "STREAM.INFO.sockwave-events")
            await ask(engine, "STREAM.UPDATE.sockwave-events", {**info["config"], **limits})

        asyncio.run(limit())
