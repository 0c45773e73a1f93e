"""The adapter for processes of other hosts, as far as it is one of a cluster."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters import ClusterOptions, WorkersAdapter

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix


class Heard:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def message_received(self, message: bytes) -> None:
        self.messages.append(message)

    def messages_lost(self, what: str) -> None:
        raise AssertionError(what)

    def addresses_gone(self, addresses: Any) -> None:
        """Nobody asks."""


def driver_of(adapter: WorkersAdapter) -> Any:
    return adapter._driver


def test_directory_is_made_absolute_and_not_before_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert WorkersAdapter("run").directory == str(tmp_path / "run")
    assert not os.listdir(tmp_path)


def test_path_that_no_socket_can_have_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 80 bytes"):
        WorkersAdapter("/" + "x" * 80)
    with pytest.raises(ValueError, match="empty"):
        WorkersAdapter("")


@pytest.mark.parametrize(
    "options", [{"max_backlog": -1}, {"max_backlog": "1"}, {"options": {"max_members": 1}}]
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        WorkersAdapter("run", **options)
    WorkersAdapter("run", options=ClusterOptions(), max_backlog=0)


def test_driver_is_a_new_one_in_each_loop_and_after_each_end(tmp_path: Path) -> None:
    """One that was made before a fork would have the same name in all children."""
    one, two = (driver_of(WorkersAdapter(tmp_path / "run")) for _ in range(2))

    async def life(*, ends: bool) -> None:
        heard = Heard()
        await one.start()
        await one.subscribe("/", "one", heard)
        await two.start()
        await two.subscribe("/", "two", Heard())
        assert await one.count("/") == 2
        two.publish("/", b"hello")
        async with asyncio.timeout(10):
            while not heard.messages:
                await asyncio.sleep(0.001)
        assert heard.messages == [b"hello"]
        two.unsubscribe("/", "two")
        await two.aclose()
        if ends:
            await one.aclose()

    async def lives() -> None:
        await life(ends=True)
        await life(ends=True)

    asyncio.run(lives())
    asyncio.run(lives())
    one.unsubscribe("/", "one")
    asyncio.run(one.aclose())
