"""What servers that share an adapter must do together, as tests that run against yours.

    class TestMyAdapter(AdapterSuite):
        async def make_adapter(self) -> AdapterMaker:
            return MyAdapter("my://localhost")

pytest finds the tests in the class. They need no plug-in: each runs an event loop of its own, with
two or three servers in it and clients that are linked to them; only the carrier is a real one.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sockwave.errors import AckTimeout
from sockwave.socketio.core.remote_socket import RemoteSocket
from sockwave.socketio.server.socket import Socket
from sockwave.testing.cluster_stage import AdapterMaker, ClusterStage, is_counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

__all__ = ["AdapterSuite"]

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    2**53 - 1,
    1.5,
    "",
    "\u00e9\u2028\0\U0001f600",
    b"",
    b"\x00\xff",
    [],
    {},
    [None, [], [b"\x01"]],
    {"a": {"b": [b"\x02", None, {"c": ""}]}, "": 0},
    "x" * 100_000,
    bytes(range(256)) * 400,
)
"""One of each kind that an event can have, and large ones."""


class AdapterSuite:
    """Tests of an adapter through servers: inherit from it, and make adapters.

    Every test uses namespaces of its own, so that a carrier may be shared.

    Attributes:
        patience: Seconds after which what has not come does not come; tests that pass wait for as
            long as it takes only.
        short: Seconds of a time-out that a test waits for.
    """

    patience: float = 10.0
    short: float = 1.0

    async def make_adapter(self) -> AdapterMaker:
        """Make the adapter of another server; all that one test makes reach each other.

        The server closes it, if it has `aclose`.
        """
        raise NotImplementedError

    async def disturb(self, cluster: ClusterStage) -> None:
        """Make trouble, and wait until it is over: every test goes on as if there had been none.

        Called in each test, when its servers know each other; `ClusterStage.meet` waits until they
        do so again. By default nothing happens.
        """

    # --- what tests use ---------------------------------------------------------------------------

    def _run(
        self, test: Callable[[ClusterStage], Coroutine[Any, Any, None]], count: int = 2
    ) -> None:
        async def run() -> None:
            async with self._cluster(count) as cluster:
                await test(cluster)

        asyncio.run(run())

    @asynccontextmanager
    async def _cluster(self, count: int) -> AsyncIterator[ClusterStage]:
        async with ClusterStage(self.make_adapter, self.patience, self.short) as cluster:
            for _ in range(count):
                await cluster.add_server()
            await self.disturb(cluster)
            yield cluster

    # --- broadcasts -------------------------------------------------------------------------------

    def test_broadcast_reaches_each_client_once(self) -> None:
        """Clients of the server that sends, too."""

        async def test(cluster: ClusterStage) -> None:
            for number in (0, 1, 1, 2):
                await cluster.client(number)
            for sender in (0, 2):
                cluster[sender].emit("news", sender)
                assert await cluster.heard(sender) == [[("news", [sender])]] * 4

        self._run(test, 3)

    def test_rooms_choose_who_is_reached(self) -> None:
        """Several are a union, exceptions count everywhere, and an id is a room."""

        async def test(cluster: ClusterStage) -> None:
            red = await cluster.client(0, "red")
            both = await cluster.client(1, "red", "blue")
            blue = await cluster.client(1, "blue")
            none = await cluster.client(0)
            await cluster.reach(("red",), 2)
            await cluster.reach(("blue",), 2)
            for sender in (0, 1):
                here = cluster[sender]
                here.to("red").emit("1")
                here.to("red", "blue").emit("2")
                here.except_("blue").emit("3")
                here.to("red").except_("blue").emit("4")
                here.to(str(both.sid)).emit("5")
                here.except_(str(blue.sid), str(red.sid)).emit("6")
                here.to("nobody").emit("7")
                here.to([]).emit("8")
                here.local.emit("9")
                names = await cluster.heard_names(sender)
                local = ["9"]
                assert names[red] == ["1", "2", "3", "4", *(local if sender == 0 else [])]
                assert names[both] == ["1", "2", "5", "6", *(local if sender == 1 else [])]
                assert names[blue] == ["2", *(local if sender == 1 else [])]
                assert names[none] == ["3", "6", *(local if sender == 0 else [])]

        self._run(test)

    def test_socket_reaches_the_others(self) -> None:
        """What it broadcasts does not come back to it."""

        async def test(cluster: ClusterStage) -> None:
            first = await cluster.client(0, "red")
            second = await cluster.client(1, "red")
            third = await cluster.client(1)
            await cluster.reach(("red",), 2)
            socket = cluster.socket(0, first)
            socket.broadcast.emit("1")
            socket.to("red").emit("2")
            socket.to(str(third.sid)).emit("3")
            assert await cluster.heard_names(0) == {
                first: [],
                second: ["1", "2"],
                third: ["1", "3"],
            }

        self._run(test)

    def test_flags_keep_nobody_from_getting_it(self) -> None:
        """Who can take a volatile event gets it, on other servers too."""

        async def test(cluster: ClusterStage) -> None:
            await cluster.client(0)
            await cluster.client(1)
            cluster[0].volatile.emit("1")
            cluster[0].compress(False).emit("2", b"\x01")
            assert await cluster.heard(0) == [[("1", []), ("2", [b"\x01"])]] * 2

        self._run(test)

    def test_values_arrive_as_they_were(self) -> None:
        """Binary ones in any place, nothing, empty ones, and large ones."""

        async def test(cluster: ClusterStage) -> None:
            client = await cluster.client(1, "red")
            await cluster.reach(("red",), 1)
            for value in VALUES:
                cluster[0].emit("all", value)
                cluster[0].to("red").emit("room", value, [value])
            heard = (await cluster.heard(0))[0]
            assert [args for name, args in heard if name == "all"] == [[v] for v in VALUES]
            assert [args for name, args in heard if name == "room"] == [[v, [v]] for v in VALUES]
            client.on("question", lambda value: value)
            for value in VALUES:
                (answer,) = await cluster[0].emit_with_ack("question", value, timeout=self.patience)
                assert answer == value

        self._run(test)

    def test_many_events_in_a_row_keep_their_order(self) -> None:
        """To all, to a room and to one; within one turn of the loop, and in many."""

        async def test(cluster: ClusterStage) -> None:
            client = await cluster.client(1, "red")
            await cluster.reach(("red",), 1)
            targets = (cluster[0], cluster[0].to("red"), cluster[0].to(str(client.sid)))
            for number in range(500):
                targets[number % 3].emit("n", number)
                if number > 250 and number % 10 == 0:
                    await asyncio.sleep(0)
            assert await cluster.heard(0) == [[("n", [number]) for number in range(500)]]

        self._run(test)

    # --- answers of clients -----------------------------------------------------------------------

    def test_answers_come_from_all_and_say_whose_they_are(self) -> None:
        """One of each client that was reached; nobody else is waited for."""

        async def test(cluster: ClusterStage) -> None:
            clients = [await cluster.client(number, "red") for number in (0, 1, 2)]
            other = await cluster.client(2)
            await cluster.reach(("red",), 3)
            for number, client in enumerate((*clients, other)):
                client.on("question", lambda more, number=number: number + more)
            answers = await cluster[1].to("red").emit_with_ack("question", 10, timeout=60)
            assert sorted(answers) == [10, 11, 12]
            assert answers.by_socket == {each.sid: 10 + n for n, each in enumerate(clients)}
            assert answers.missing == ()
            answers = await cluster[1].except_("red").emit_with_ack("question", 0, timeout=60)
            assert answers == [3]
            assert await cluster[0].to("nobody").emit_with_ack("question", 0, timeout=60) == []

        self._run(test, 3)

    def test_answer_may_have_several_values_or_none(self) -> None:
        """They have the form that those of `socket.emit_with_ack` have."""

        async def test(cluster: ClusterStage) -> None:
            client = await cluster.client(1)
            answers: tuple[Any, ...] = (None, (1, b"\x02"), [], "x")
            for answer in answers:
                client.on("question", lambda answer=answer: answer)
                assert await cluster[0].emit_with_ack("question", timeout=60) == [answer]

        self._run(test)

    def test_who_does_not_answer_in_time_is_named(self) -> None:
        """With the answers of those who do."""

        async def test(cluster: ClusterStage) -> None:
            quick, silent = await cluster.client(0), await cluster.client(1)
            quick.on("question", lambda: 1)
            error = await cluster.unanswered("question", timeout=self.short)
            assert (error.responses, error.missing) == ([1], (silent.sid,))

        self._run(test)

    def test_who_leaves_is_not_waited_for(self) -> None:
        """The question ends with the client, not with its time."""

        async def test(cluster: ClusterStage) -> None:
            leaving = await cluster.client(1)
            asking = asyncio.create_task(cluster.unanswered("question", timeout=600))
            assert await leaving.received() == ("question", [])
            sid = leaving.sid
            await leaving.close()
            assert (await asking).missing == (sid,)

        self._run(test)

    def test_many_questions_are_open_at_a_time(self) -> None:
        """Each gets its own answers."""

        async def test(cluster: ClusterStage) -> None:
            for number in (0, 1, 1):
                (await cluster.client(number)).on("question", lambda value: value)
            asking = [cluster[n % 2].emit_with_ack("question", n, timeout=60) for n in range(100)]
            assert await asyncio.gather(*asking) == [[n] * 3 for n in range(100)]

        self._run(test)

    # --- sockets of other servers -----------------------------------------------------------------

    def test_sockets_join_and_leave_from_afar(self) -> None:
        """What is sent to a room after that goes to those who are in it then."""

        async def test(cluster: ClusterStage) -> None:
            red = await cluster.client(0, "red")
            both = await cluster.client(1, "red", "blue")
            none = await cluster.client(1)
            await cluster.reach(("red",), 2)
            here = cluster[0]
            here.in_("red").sockets_join("late", "later")
            here.to("late").emit("1")
            here.in_("blue").sockets_leave("late")
            here.to("late").emit("2")
            here.to("later").emit("3")
            here.sockets_join("everybody")
            here.except_("blue").sockets_leave("everybody")
            here.to("everybody").emit("4")
            assert await cluster.heard_names(0) == {
                red: ["1", "2", "3"],
                both: ["1", "3", "4"],
                none: [],
            }
            await cluster.reach(("late",), 1)
            await cluster.reach(("everybody",), 1)

        self._run(test)

    def test_sockets_are_disconnected_from_afar(self) -> None:
        """From the namespace, or with their connections."""

        async def test(cluster: ClusterStage) -> None:
            staying = await cluster.client(0)
            first = await cluster.client(1, "red")
            second = await cluster.client(1, "blue")
            await cluster.reach(("red", "blue"), 2)
            cluster[0].in_("red").disconnect_sockets()
            cluster[0].in_("blue").disconnect_sockets(close=True)
            assert await first.disconnected() == "io server disconnect"
            assert await second.disconnected() in ("io server disconnect", "transport close")
            await cluster.reach((), 1)
            cluster[1].emit("x")
            assert await staying.received() == ("x", [])

        self._run(test)

    def test_sockets_are_fetched(self) -> None:
        """With what belongs to them; those of other servers can be used from here."""

        async def test(cluster: ClusterStage) -> None:
            here = await cluster.client(0, "red", name="here")
            there = await cluster.client(1, "red", "blue", name="there")
            await cluster.client(1)
            await cluster.reach(("red",), 2)
            red = cluster[0].in_("red").timeout(self.patience)
            fetched = {socket.id: socket for socket in await red.fetch_sockets()}
            assert set(fetched) == {here.sid, there.sid}
            remote = fetched[there.sid]  # type: ignore[index]
            assert isinstance(remote, RemoteSocket)
            assert isinstance(fetched[here.sid], Socket)  # type: ignore[index]
            assert remote.rooms == {there.sid, "red", "blue"}
            assert remote.data == {"name": "there", "binary": b"\x01"}
            assert remote.handshake.auth["name"] == "there"
            assert [each.id for each in await cluster[0].local.fetch_sockets()] == [here.sid]
            there.on("question", lambda: 7)
            assert await remote.emit_with_ack("question", timeout=60) == 7
            remote.emit("1", b"\x02")
            remote.join("late")
            cluster[0].to("late").emit("2")
            remote.leave("red")
            cluster[0].to("red").emit("3")
            names = await cluster.heard_names(0)
            assert (names[there], names[here]) == (["1", "2"], ["3"])
            remote.disconnect()
            assert await there.disconnected() == "io server disconnect"

        self._run(test)

    def test_sockets_are_counted(self) -> None:
        """Over all servers, or here only."""

        async def test(cluster: ClusterStage) -> None:
            await cluster.client(0, "red")
            await cluster.client(1, "red", "blue")
            await cluster.client(1)
            await cluster.reach(("red",), 2)
            for here, local in ((cluster[0], 1), (cluster[1], 2)):
                asked = here.timeout(self.patience)
                assert await asked.count() == 3
                assert await asked.in_("red", "blue").count() == 2
                assert await asked.in_("red").except_("blue").count() == 1
                assert await asked.in_("nobody").count() == 0
                assert await here.local.count() == local

        self._run(test)

    # --- servers ----------------------------------------------------------------------------------

    def test_servers_send_each_other_events(self) -> None:
        """In order, to all but the sender."""

        async def test(cluster: ClusterStage) -> None:
            got = cluster.listen("note")
            for number in range(100):
                cluster[0].server_side_emit("note", number, VALUES[number % len(VALUES)])
            expected = [(number, VALUES[number % len(VALUES)]) for number in range(100)]
            await cluster.until(lambda: len(got[1]) == len(got[2]) == 100)
            assert (got[0], got[1], got[2]) == ([], expected, expected)

        self._run(test, 3)

    def test_servers_answer_each_other(self) -> None:
        """Each of the others once, with functions or coroutines."""

        async def test(cluster: ClusterStage) -> None:
            cluster[0].on("add", lambda one, other: "me")
            cluster[1].on("add", lambda one, other: [one + other, b"\x01"])

            @cluster[2].on("add")
            async def add(one: int, other: int) -> int:
                await asyncio.sleep(0)
                return one * other

            answers = await cluster[0].server_side_emit_with_ack("add", 3, 4, timeout=60)
            assert sorted(answers, key=str) == [12, [7, b"\x01"]]

        self._run(test, 3)

    def test_server_that_does_not_answer_is_not_waited_for_longer_than_it_was_said(self) -> None:
        """The error has the other answers, and says how many there are not."""

        async def test(cluster: ClusterStage) -> None:
            never = asyncio.Event()
            cluster[1].on("question", lambda: 1)
            cluster[2].on("question", never.wait)
            asking = cluster[0].server_side_emit_with_ack("question", timeout=self.short)
            error: Any
            (error,) = await asyncio.gather(asking, return_exceptions=True)
            never.set()
            assert isinstance(error, AckTimeout)
            assert error.responses == [1]
            assert len(error.missing_servers) == 1

        self._run(test, 3)

    def test_server_that_comes_later_takes_part(self) -> None:
        """It hears what is sent from then on, and is counted."""

        async def test(cluster: ClusterStage) -> None:
            await cluster.client(0)
            cluster[0].emit("before")
            number = await cluster.add_server()
            await cluster.client(number, "red")
            await cluster.reach(("red",), 1)
            cluster[0].emit("after")
            cluster[0].to("red").emit("room")
            assert await cluster.heard(0) == [
                [("before", []), ("after", [])],
                [("after", []), ("room", [])],
            ]
            assert await cluster[0].count_servers() == 3

        self._run(test)

    def test_server_that_closes_is_not_waited_for(self) -> None:
        """Neither by questions that are open nor by later ones."""

        async def test(cluster: ClusterStage) -> None:
            staying = await cluster.client(0)
            staying.on("question", lambda: 1)
            silent = await cluster.client(1)
            asking = asyncio.create_task(cluster.unanswered("question", timeout=600))
            assert await silent.received() == ("question", [])
            await cluster.servers[1].close()
            assert (await asking).responses == [1]
            await cluster.until_counted(1)
            assert await cluster[0].emit_with_ack("question", timeout=60) == [1]
            assert await cluster[0].count() == 1
            assert await cluster[0].server_side_emit_with_ack("anybody", timeout=60) == []

        self._run(test)

    # --- namespaces -------------------------------------------------------------------------------

    def test_namespaces_are_apart(self) -> None:
        """A room of one is not that of another."""

        async def test(cluster: ClusterStage) -> None:
            here = await cluster.client(1, "red")
            other = [io.of(f"{cluster.name}-2") for io in cluster.servers]
            async with cluster.guest(1, f"{cluster.name}-2") as there:
                other[1].sockets_join("red")
                await cluster.until_so(lambda: is_counted(other[0].in_("red"), 1))
                await cluster.reach(("red",), 1)
                cluster[0].to("red").emit("one")
                other[0].to("red").emit("two")
                assert await here.received() == ("one", [])
                assert await there.received() == ("two", [])
                assert (here.received_nowait(), there.received_nowait()) == ([], [])

        self._run(test)

    def test_namespaces_that_clients_ask_for_are_clusters_too(self) -> None:
        """They come into being on each server when its first client asks for one."""

        async def test(cluster: ClusterStage) -> None:
            name = f"/asked-{uuid4().hex}"
            for io in cluster.servers:
                io.of(re.compile(r"/asked-[0-9a-f]+"))
            one, other = (cluster.guest(server, name) for server in (0, 1))
            async with one, other:
                here, there = (io.of(name) for io in cluster.servers)
                await cluster.until_so(lambda: is_counted(here, 2))
                await cluster.until_so(lambda: is_counted(there, 2))
                here.emit("1", b"\x01")
                there.to(str(one.sid)).emit("2")
                assert [await one.received(), await one.received()] == [("1", [b"\x01"]), ("2", [])]
                assert await other.received() == ("1", [b"\x01"])

        self._run(test)
