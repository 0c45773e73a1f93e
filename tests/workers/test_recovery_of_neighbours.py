"""A client that was lost at one process of a host comes back at another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.raw import until
from tests.wire.test_recovery import Page, lose
from tests.workers.doors import doors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix


async def test_lost_client_comes_back_to_another_process(tmp_path: Path) -> None:
    page = Page()
    async with doors(tmp_path, connection_state_recovery=True) as two:
        peer = await two.first.open_websocket()
        await peer.send(page.connect_packet())
        page.take(await peer.receive())
        two.two.to("all").emit("before", 1)
        page.take(await peer.receive())
        lose(peer)
        await until(lambda: not two.one.sockets)
        two.one.to("all").emit("missed", 2)
        two.two.to("all").emit("missed", 3)
        back = await two.second.open_websocket()
        await back.send(page.connect_packet())
        while len(page.events) < 3 or not page.connected:
            page.take(await back.receive())
        two.one.to("all").emit("after", 4)
        page.take(await back.receive())
    assert page.recovered == [False, True]
    assert page.events[0] == ["before", 1]
    assert sorted(page.events[1:3]) == [["missed", 2], ["missed", 3]]
    assert page.events[3:] == [["after", 4]]
