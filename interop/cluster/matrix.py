"""What the servers of a mixed cluster do together: each operation, from a server of each kind.

    class TestRedis(Matrix):
        carrier = "redis"

The same runs with servers in JavaScript alone, which shows that the tests ask for what the
reference does.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from interop.cluster.cluster import Clustered
from interop.cluster.servers import to

if TYPE_CHECKING:
    from interop.cluster.cluster import Cluster
    from interop.cluster.servers import ClusterServer

__all__ = ["Matrix"]

DATE: Final = "2023-11-14T22:13:20.123Z"

PLAIN: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -129,
    2**53 - 1,
    1.5,
    "",
    "\u00e9\u2028\U0001f600",
    [],
    {},
    [None, [], {}],
    {"a": {"b": [1, None, {"c": ""}]}},
    {"$date": DATE},
    [{"at": {"$date": DATE}}],
    "x" * 100_000,
)
"""Values without bytes."""

BINARY: Final[tuple[Any, ...]] = (
    b"",
    b"\x00\x01\xff",
    [b"\x01", [b"\x02"], {"c": b"\x03"}],
    {"a": None, "b": b"\x04", "date": {"$date": DATE}},
    bytes(range(256)) * 400,
)


def as_received(value: Any) -> Any:
    """What a client gets: a date as the text that JavaScript makes of it."""
    if isinstance(value, dict):
        return value.get("$date") or {key: as_received(item) for key, item in value.items()}
    return [as_received(item) for item in value] if isinstance(value, list) else value


class Matrix(Clustered):
    """The tests; each class that inherits them has a cluster."""

    # --- broadcasts -------------------------------------------------------------------------------

    async def test_broadcasts_reach_whom_they_choose(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """All, rooms, several of them, exceptions, ids, nobody."""
        names = [server.name for server in cluster.servers]
        last, ids = names[-1], cluster.ids
        rooms = [{*cluster.rooms(number), ids[number]} for number in range(len(names))]
        targets = {
            "all": to(),
            "one room": to("even"),
            "the last": to(last),
            "two rooms": to("odd", last),
            "but a room": to(excluded=("odd",)),
            "room but one": to("even", excluded=(names[0],)),
            "first id": to(ids[0]),
            "last id": to(ids[-1]),
            "but two ids": to(excluded=(ids[1], ids[-1])),
            "nobody": to("empty"),
            "not compressed": to("odd", "even", compress=False),
        }
        for name, target in targets.items():
            await sender.emit(target, name)
        expected = [
            [
                name
                for name, target in targets.items()
                if (not target["rooms"] or mine & set(target["rooms"]))
                and not mine & set(target["except"])
            ]
            for mine in rooms
        ]
        assert await cluster.heard(sender) == expected
        await sender.emit(to(volatile=True), "volatile")  # nothing else is on its way to clients
        for client in cluster.clients:
            assert await client.received("volatile") == []

    async def test_local_broadcast_stays(self, cluster: Cluster, sender: ClusterServer) -> None:
        """On the server that sends."""
        await sender.emit(to(local=True), "here")
        here = cluster.servers.index(sender)
        assert await cluster.heard(sender) == [
            ["here"] if number == here else [] for number in range(len(cluster.servers))
        ]

    async def test_socket_reaches_the_others(self, cluster: Cluster, sender: ClusterServer) -> None:
        """All but itself, or a room but itself."""
        here = cluster.servers.index(sender)
        fields: dict[str, Any] = {"socket": cluster.ids[here], "args": []}
        await sender.do("socketEmit", target=to(), event="all", **fields)
        await sender.do("socketEmit", target=to("even"), event="even", **fields)
        heard = await cluster.heard(sender)
        for number, names in enumerate(heard):
            even = ["even"] if "even" in cluster.rooms(number) else []
            assert names == ([] if number == here else ["all", *even])

    async def test_values_arrive(self, cluster: Cluster, sender: ClusterServer) -> None:
        """As they are from a server of the reference: bytes, nothing, dates, empty and large."""
        for value in (*PLAIN, *BINARY):
            await sender.emit(to(), "value", value)
            await sender.emit(to("even"), "even", [value], 1)
            await sender.emit(to(cluster.servers[-1].name), "last", 0, value)
            expected = as_received(value)
            for number, client in enumerate(cluster.clients):
                assert await client.received("value") == [expected]
                if "even" in cluster.rooms(number):
                    assert await client.received("even") == [[expected], 1]
            assert await cluster.clients[-1].received("last") == [0, expected]

    async def test_many_events_keep_their_order(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """500 in a row, to all and to a room."""
        targets = (to(), to("even", "odd"))
        await asyncio.gather(
            *(sender.emit(targets[number % 2], "n", number) for number in range(500))
        )
        for client in cluster.clients:
            assert [await client.received("n") for _ in range(500)] == [[n] for n in range(500)]

    # --- answers of clients -----------------------------------------------------------------------

    async def test_clients_answer(self, cluster: Cluster, sender: ClusterServer) -> None:
        """Of all servers, or those in a room, each once."""
        names = [server.name for server in cluster.servers]

        async def ask(target: dict[str, Any]) -> list[str]:
            # Between servers in JavaScript only the first value travels.
            answers = await sender.ask({**target, "timeout": 10}, "question", b"\x01", None)
            return sorted(each[0] if isinstance(each, (list, tuple)) else each for each in answers)

        assert await ask(to()) == sorted(f"answer of {name}" for name in names)
        assert await ask(to("odd")) == sorted(f"answer of {name}" for name in names[1::2])
        assert await ask(to(names[-1])) == [f"answer of {names[-1]}"]
        assert await ask(to("empty")) == []
        for client in cluster.clients:
            assert await client.received("question") == [b"\x01", None]

    async def test_answers_may_be_anything(self, cluster: Cluster, sender: ClusterServer) -> None:
        """Bytes, nothing, nested values."""
        answers: tuple[Any, ...] = (
            b"\x00\xff",
            None,
            1.5,
            {"a": [b"\x01", None]},
            [],
            "x" * 100_000,
        )
        for answer in answers:
            for client in cluster.clients:
                client.answers["anything"] = (answer,)
            got = await sender.ask(to(timeout=10), "anything")
            assert got == [answer] * len(cluster.clients)

    async def test_answers_come_without_those_of_the_silent(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """After the time that the question has."""
        silent = cluster.clients[-1]
        del silent.answers["question"]
        answers = await sender.ask_in_vain(to(timeout=1), "question")
        assert len(answers) == len(cluster.clients) - 1

    async def test_questions_of_all_servers_at_once(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """Each gets the answers to its own."""
        for number, client in enumerate(cluster.clients):
            client.answers["number"] = (number,)
        asking = [
            server.ask(to("odd", timeout=10) if n % 2 else to(timeout=10), "number")
            for n in range(20)
            for server in (sender, *cluster.servers)
        ]
        numbers = range(len(cluster.clients))
        for answers in await asyncio.gather(*asking):
            assert sorted(answers) in ([*numbers], [*numbers][1::2])

    # --- sockets of other servers -----------------------------------------------------------------

    async def test_sockets_join_and_leave(self, cluster: Cluster, sender: ClusterServer) -> None:
        """What comes after that in the order of calls finds them there."""
        ids = cluster.ids
        odd, even = set(ids[1::2]), set(ids[::2])
        await sender.do("join", target=to("odd"), rooms=["late", "later"])
        await cluster.settle(odd, "late")
        await cluster.settle(odd, "later")
        await sender.do("join", target=to(ids[0]), rooms=["late"])
        await cluster.settle({*odd, ids[0]}, "late")
        await sender.do("leave", target=to("odd", excluded=(ids[1],)), rooms=["late"])
        await cluster.settle({ids[0], ids[1]}, "late")
        await sender.do("join", target=to(), rooms=["everybody"])
        await cluster.settle(set(ids), "everybody")
        await sender.do("leave", target=to(excluded=("even",)), rooms=["everybody", "odd"])
        await cluster.settle(even, "everybody")
        await cluster.settle(set(), "odd")
        for server in cluster.servers:
            await server.emit(to("everybody"), "x")
        for client in cluster.clients[::2]:
            for _ in cluster.servers:
                await client.received("x")

    async def test_sockets_are_disconnected(self, cluster: Cluster, sender: ClusterServer) -> None:
        """From the namespace, or with their connections."""
        await sender.do("disconnect", target=to("odd"), close=False)
        for client in cluster.clients[1::2]:
            assert await client.next("disconnect") == ["io server disconnect"]
        await cluster.settle(set(cluster.ids[::2]))
        await sender.do("disconnect", target=to(excluded=(cluster.ids[0],)), close=True)
        for client in cluster.clients[2::2]:
            assert (await client.next("disconnect"))[0] in (
                "io server disconnect",
                "transport close",
            )
        await cluster.settle({cluster.ids[0]})

    async def test_fetched_sockets_are_what_their_servers_say(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """Ids, rooms, data, and all that belongs to a handshake."""
        found = await sender.fetch(to())
        assert set(found) == set(cluster.ids)
        for number, (server, id_) in enumerate(zip(cluster.servers, cluster.ids, strict=True)):
            here = (await server.fetch(to(local=True)))[id_]
            there = found[id_]
            assert there["rooms"] == sorted([id_, *cluster.rooms(number)]) == here["rooms"]
            assert there["data"] == {"name": f"client of {server.name}", "nested": [None, {}]}
            for name in ("auth", "query", "url", "address", "secure", "xdomain", "issued"):
                assert there["handshake"][name] == here["handshake"][name], name
            assert there["handshake"]["headers"] == here["handshake"]["headers"]
            assert there["handshake"]["auth"]["name"] == f"client of {server.name}"
        assert set(await sender.fetch(to("odd", excluded=(cluster.ids[1],)))) == set(
            cluster.ids[3::2]
        )

    async def test_fetched_sockets_can_be_used(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """Each of another server, from here."""
        for client, id_ in zip(cluster.clients, cluster.ids, strict=True):
            await sender.remote(id_, "emit", event="direct", args=[b"\x01", None])
            assert await client.received("direct") == [b"\x01", None]
            client.answers["direct question"] = ([b"\x02", id_],)
            outcome = await sender.remote(id_, "ask", event="direct question", args=[1])
            assert outcome["answers"] == [b"\x02", id_]
            await sender.remote(id_, "join", rooms=["fetched", "again"])
            await cluster.settle({id_}, "fetched")
            await sender.remote(id_, "leave", rooms=["fetched"])
            await cluster.settle(set(), "fetched")
            await cluster.settle({id_}, "again")
            await sender.remote(id_, "disconnect", close=False)
            assert await client.next("disconnect") == ["io server disconnect"]

    async def test_sockets_are_counted(self, cluster: Cluster, sender: ClusterServer) -> None:
        """All, and those in rooms."""
        count = len(cluster.servers)
        assert await sender.do("serverCount") == count
        assert await sender.do("count", target=to()) == count
        assert await sender.do("count", target=to("odd")) == count // 2
        assert await sender.do("count", target=to(excluded=("odd",))) == count - count // 2
        assert await sender.do("count", target=to("empty")) == 0

    # --- servers ----------------------------------------------------------------------------------

    async def test_servers_send_each_other_events(
        self, cluster: Cluster, sender: ClusterServer
    ) -> None:
        """To all but the sender, in order, with any value."""
        has_binary = sender.kind == "python" or cluster.carrier.has_binary_server_events
        values = (*PLAIN, *BINARY) if has_binary else PLAIN
        for number, value in enumerate(values):
            await sender.do("serverEmit", event="note", args=[number, value])
        for server in cluster.servers:
            if server is not sender:
                got = [await server.noted() for _ in values]
                assert sorted(got, key=lambda each: int(each[0])) == [
                    [number, as_received(value)] for number, value in enumerate(values)
                ]
        assert sender.notes() == 0

    async def test_servers_answer_each_other(self, cluster: Cluster, sender: ClusterServer) -> None:
        """Each of the others once."""
        outcome = await sender.do("serverAsk", event="question", args=["a", None, [1]])
        assert not outcome.get("error")
        others = [server.name for server in cluster.servers if server is not sender]
        answers = sorted(outcome["answers"], key=lambda answer: str(answer["name"]))
        assert answers == [{"name": name, "args": ["a", None, [1]]} for name in sorted(others)]

    async def test_namespaces_are_apart(self, cluster: Cluster, sender: ClusterServer) -> None:
        """Events, rooms and events of servers of one do not come to another."""
        chats = [
            await cluster.open(number, "/chat", rooms=["even"])
            for number in range(len(cluster.servers))
        ]
        for server in cluster.servers:
            await cluster.until(partial(_counts, server, "/chat", len(chats)))
        await sender.emit(to(), "chat", b"\x01", namespace="/chat")
        await sender.emit(to("even"), "chat room", namespace="/chat")
        for chat in chats:
            assert await chat.received("chat") == [b"\x01"]
            assert await chat.received("chat room") == []
        assert await cluster.heard(sender) == [[] for _ in cluster.servers]
        await sender.do("serverEmit", "/chat", event="note", args=["chat"])
        for server in cluster.servers:
            if server is not sender:
                assert await server.noted("/chat") == ["chat"]
                assert server.notes() == 0


async def _counts(server: ClusterServer, namespace: str, count: int) -> bool:
    found: int = await server.do("count", namespace, target=to())
    return found == count
