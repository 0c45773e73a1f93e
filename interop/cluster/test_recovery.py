"""Clients that lose their connection come back to any server on a stream, and miss nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from interop.cluster.cluster import NODE_ALONE, Clustered
from interop.cluster.servers import to

if TYPE_CHECKING:
    from interop.cluster.cluster import Cluster
    from interop.node import JsClient

pytestmark = [pytest.mark.live, pytest.mark.interop]

MISSED: list[Any] = [1, None, b"\x01", {"a": [b"\x02", None]}, "x" * 50_000]


class RecoveryMatrix(Clustered):
    """The tests."""

    carrier = "streams"
    recovers = True

    async def _lose(self, cluster: Cluster, client: JsClient) -> str:
        """Cut the connection, and wait until all servers know that it is gone."""
        id_: str = await client.evaluate("socket.id")
        await client.run("socket.io.engine.close()")
        await client.next("disconnect")
        await cluster.settle(set(cluster.ids))
        return id_

    async def _come_back(self, client: JsClient, url: str) -> None:
        await client.run("socket.io.uri = args[0]; socket.connect()", url)
        await client.connected()

    async def test_client_goes_from_server_to_server(self, cluster: Cluster) -> None:
        """From each kind to each: it is the one that it was, and gets once what it has missed."""
        count = len(cluster.servers)
        client = await cluster.open(0, rooms=["mine"])
        ids = {*cluster.ids, await client.evaluate("socket.id")}
        await cluster.settle(ids)
        await cluster.servers[1].emit(to("mine"), "first")
        await client.received("first")
        for step in range(1, 2 * count):
            server = cluster.servers[step * 3 % count]
            id_ = await self._lose(cluster, client)
            for number, value in enumerate(MISSED):
                sender = cluster.servers[(step + number) % count]
                await sender.emit(to("mine") if number % 2 else to(), "missed", step, value)
                await sender.emit(to("others"), "not mine")
                await sender.emit(to(excluded=("mine",)), "not mine either")
            await cluster.heard(server)  # all servers have read the stream so far
            await self._come_back(client, server.url)
            assert await client.evaluate("[socket.recovered, socket.id]") == [True, id_]
            await server.emit(to("mine"), "after", step)
            assert (await client.received("after"))[0] == step
            got = [(await client.received("missed"))[:2] for _ in MISSED]
            assert sorted(got, key=str) == sorted([[step, value] for value in MISSED], key=str)
            await client.received("end")
            assert not {"on not mine", "on not mine either"} & set(client.log)
            assert client.log.count("on missed") == step * len(MISSED)
            assert await server.do("count", target=to("mine")) == 1

    async def test_client_that_says_goodbye_does_not_come_back(self, cluster: Cluster) -> None:
        """It is a new one, wherever it goes."""
        for number, server in enumerate(cluster.servers):
            client = await cluster.open(number, rooms=["mine"])
            await cluster.settle({*cluster.ids, await client.evaluate("socket.id")})
            await server.emit(to("mine"), "first")
            await client.received("first")
            await client.run("socket.disconnect()")
            await cluster.settle(set(cluster.ids))
            await self._come_back(client, cluster.servers[number - 1].url)
            assert await client.evaluate("socket.recovered") is False
            await client.run("socket.disconnect()")
            await cluster.settle(set(cluster.ids))


class TestNodeAlone(RecoveryMatrix):
    """What the tests ask for is what the reference does."""

    kinds = NODE_ALONE


class TestMixed(RecoveryMatrix):
    """Two servers of each kind."""
