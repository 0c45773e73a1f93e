"""What emitters of ours ask servers of both kinds, in asyncio and blocking.

class TestQuestions(QuestionMatrix):
    carrier = "redis"
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from interop.cluster.cluster import Clustered
from interop.cluster.servers import choose, to
from sockwave import AckTimeout

if TYPE_CHECKING:
    from interop.cluster.cluster import Cluster
    from interop.cluster.servers import Target

__all__ = ["Asker", "QuestionMatrix"]

VALUES: Final[tuple[Any, ...]] = (
    None,
    1.5,
    [],
    {"a": [b"\x01", None]},
    b"\x00\xff",
    "x" * 100_000,
    bytes(range(256)) * 400,
)


class Asker:
    """An emitter, whose calls are awaited here in any case.

    Args:
        emitter: Ours.
        is_blocking: Whether its calls block.
    """

    def __init__(self, emitter: Any, *, is_blocking: bool = False) -> None:
        self._emitter = emitter
        self._is_blocking = is_blocking

    async def do(self, method: Any, *args: Any, **options: Any) -> Any:
        """Call a method of it, or of what it gave."""
        if self._is_blocking:
            return await asyncio.to_thread(method, *args, **options)
        return await method(*args, **options)

    async def ask(self, target: Target, event: str, *args: Any, timeout: float = 10.0) -> list[Any]:
        """Answers of clients, in the order of their names or numbers where they have some."""
        method = choose(self._emitter, target).emit_with_ack
        answers: list[Any] = await self.do(method, event, *args, timeout=timeout)
        return answers

    async def fetch(self, target: Target) -> dict[str, Any]:
        """Sockets by their ids."""
        sockets = await self.do(choose(self._emitter, target).fetch_sockets)
        return {socket.id: socket for socket in sockets}

    async def count(self, namespace: str = "/") -> int:
        """Servers."""
        count: int = await self.do(self._emitter.of(namespace).server_count)
        return count


def first(answer: Any) -> Any:
    """Of servers in JavaScript only the first value of an answer comes."""
    return answer[0] if isinstance(answer, tuple) else answer


class QuestionMatrix(Clustered):
    """The tests; each class that inherits them has a cluster."""

    async def test_servers_are_counted(self, cluster: Cluster, asker: Asker) -> None:
        """In each namespace; emitters are not counted, by the servers neither."""
        count = len(cluster.servers)
        assert [await asker.count(name) for name in ("/", "/chat")] == [count, count]
        assert await asker.count("/none") == 0
        for server in cluster.servers:
            assert await server.do("serverCount") == count

    async def test_clients_answer(self, cluster: Cluster, asker: Asker) -> None:
        """Of all servers, or those in a room, each once."""
        names = [server.name for server in cluster.servers]

        async def ask(target: Target) -> list[str]:
            return sorted(map(first, await asker.ask(target, "question", b"\x01", None)))

        assert await ask(to()) == sorted(f"answer of {name}" for name in names)
        assert await ask(to("odd")) == sorted(f"answer of {name}" for name in names[1::2])
        assert await ask(to(names[-1])) == [f"answer of {names[-1]}"]
        assert await ask(to(excluded=("odd",))) == sorted(f"answer of {n}" for n in names[::2])
        assert await ask(to("empty")) == []
        for client in cluster.clients:
            assert await client.received("question") == [b"\x01", None]

    async def test_answers_may_be_anything(self, cluster: Cluster, asker: Asker) -> None:
        """Bytes, nothing, nested values."""
        for value in VALUES:
            for client in cluster.clients:
                client.answers["anything"] = (value,)
            got = await asker.ask(to(), "anything", value)
            assert got == [value] * len(cluster.clients)

    async def test_answers_come_without_those_of_the_silent(
        self, cluster: Cluster, asker: Asker
    ) -> None:
        """After the time that the question has."""
        for number in (0, -1):
            silent = cluster.clients[number]
            answer = silent.answers.pop("question")
            with pytest.raises(AckTimeout) as raised:
                await asker.ask(to(), "question", timeout=1.0)
            assert len(raised.value.responses) == len(cluster.clients) - 1
            if cluster.servers[number].kind == "python":
                assert raised.value.missing == (cluster.ids[number],)
            silent.answers["question"] = answer

    async def test_questions_at_once_are_told_apart(self, cluster: Cluster, asker: Asker) -> None:
        """Those of servers, too."""
        for number, client in enumerate(cluster.clients):
            client.answers["number"] = (number,)
        numbers = list(range(len(cluster.clients)))
        asking = [asker.ask(to("odd") if n % 2 else to(), "number") for n in range(12)]
        asking += [server.ask(to(timeout=10), "number") for server in cluster.servers]
        answers = [sorted(each) for each in await asyncio.gather(*asking)]
        assert answers == [numbers, numbers[1::2]] * 6 + [numbers] * len(cluster.servers)

    async def test_sockets_are_fetched_and_reached(self, cluster: Cluster, asker: Asker) -> None:
        """With what their servers know of them."""
        assert set(await asker.fetch(to())) == set(cluster.ids)
        assert set(await asker.fetch(to("odd"))) == set(cluster.ids[1::2])
        assert set(await asker.fetch(to(excluded=("odd",)))) == set(cluster.ids[::2])
        assert await asker.fetch(to("empty")) == {}
        for number, client in enumerate(cluster.clients):
            id_ = cluster.ids[number]
            ((_, socket),) = (await asker.fetch(to(id_))).items()
            assert socket.rooms == {id_, *cluster.rooms(number)}
            name = f"client of {cluster.servers[number].name}"
            assert socket.data == {"name": name, "nested": [None, {}]}
            assert socket.handshake.auth["name"] == name
            await asker.do(socket.emit, "direct", b"\x01", None)
            assert await client.received("direct") == [b"\x01", None]
            client.answers["direct question"] = ([b"\x02", id_],)
            assert await asker.do(socket.emit_with_ack, "direct question", 1) == [b"\x02", id_]
            await asker.do(socket.join, "fetched", "again")
            await cluster.settle({id_}, "fetched")
            await asker.do(socket.leave, ["fetched"])
            await cluster.settle(set(), "fetched")
            await cluster.settle({id_}, "again")
            await asker.do(socket.disconnect, close=True)
            await cluster.until(partial(_is_gone, asker, id_))


async def _is_gone(asker: Asker, id_: str) -> bool:
    return not await asker.fetch(to(id_))
