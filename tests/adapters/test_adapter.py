"""The adapter of a cluster: sockets of two processes, an event loop, and a carrier in memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters import (
    Capabilities,
    ClusterAdapter,
    ClusterOptions,
    Faults,
    MemoryBroker,
    MemoryDriver,
)
from sockwave.adapters.life import JOIN_PATIENCE
from sockwave.adapters.messages import Message, encode_message
from sockwave.errors import AckTimeout, EncodeError, LimitExceeded, PacketError
from sockwave.socketio.core.adapter import (
    BroadcastFlags,
    BroadcastOptions,
    SupportsServerEvents,
)
from sockwave.socketio.core.cluster_contract import (
    RemoteAnswer,
    RemoteOutcome,
    SupportsCluster,
    SupportsOwnId,
    SupportsStart,
)
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.parser import GuardedParser, MsgpackParser
from sockwave.types import SocketId
from tests.adapters.fakes import FakeClusterNamespace
from tests.support.patient_loop import PatientLoop, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

ALL = BroadcastOptions()
LOCAL = BroadcastOptions(flags=BroadcastFlags(local=True))


class Process:
    """One process of a cluster."""

    def __init__(
        self, driver: MemoryDriver, *sockets: str, options: ClusterOptions | None = None
    ) -> None:
        self.driver = driver
        self.namespace = FakeClusterNamespace(*sockets)
        self.adapter = self.namespace.adapter = ClusterAdapter(self.namespace, driver, options)
        self.answers: list[RemoteAnswer] = []
        self.outcomes: list[RemoteOutcome] = []

    def packets(self, socket: str) -> list[list[str]]:
        return self.namespace[socket].packets

    def ask(self, options: BroadcastOptions = ALL, timeout: float = 5.0) -> Any:
        event = EncodedEvent(("question",), "/", self.namespace.parser, 1)
        return self.adapter.ask_remote(
            event, options, timeout, self.answers.append, self.outcomes.append
        )


async def two(
    *, capabilities: Capabilities | None = None, options: ClusterOptions | None = None
) -> tuple[Process, Process]:
    """Two processes that know each other: A1 and A2 in one, B1, which is in `r`, in the other."""
    broker = MemoryBroker(capabilities=capabilities)
    a = Process(broker.driver(), "A1", "A2", options=options)
    b = Process(broker.driver(), "B1", options=options)
    a.adapter.start()
    b.adapter.start()
    b.adapter.add(SocketId("B1"), ["B1", "r"])
    await asyncio.sleep(6)
    return a, b


def close(*processes: Process) -> None:
    for process in processes:
        process.adapter.close()


def test_adapter_offers_what_a_cluster_can() -> None:
    adapter = Process(MemoryBroker().driver()).adapter
    assert isinstance(adapter, SupportsCluster)
    assert isinstance(adapter, SupportsServerEvents)
    assert isinstance(adapter, SupportsStart)
    assert isinstance(adapter, SupportsOwnId)


def test_broadcast_reaches_sockets_of_both_processes() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.adapter.broadcast(("x", 1), ALL)
        await asyncio.sleep(0.1)
        for process, socket in ((a, "A1"), (a, "A2"), (b, "B1")):
            assert process.packets(socket) == [['42["x",1]']]
        close(a, b)

    run(scenario())


def test_event_is_not_decoded_on_its_way() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.adapter.broadcast(("x", b"\x01", {"é": 2**70}), BroadcastOptions(("r",)))
        await asyncio.sleep(0.1)
        (event,) = b.namespace["B1"].args
        assert isinstance(event, EncodedEvent)
        head = '451-["x",{"_placeholder":true,"num":0},{"é":1180591620717411303424}]'
        assert b.packets("B1") == [[head, "b01"]]
        assert tuple(event) == ("x", b"\x01", {"é": float(2**70)})
        close(a, b)

    run(scenario())


def test_flags_go_along_and_local_stays() -> None:
    async def scenario() -> None:
        a, b = await two()
        flags = BroadcastFlags(volatile=True, compress=False)
        a.adapter.broadcast(("x",), BroadcastOptions(flags=flags))
        a.adapter.broadcast(("y",), LOCAL)
        await asyncio.sleep(0.1)
        assert b.namespace["B1"].flags == [flags]
        assert len(a.packets("A1")) == 2
        close(a, b)

    run(scenario())


def test_event_goes_out_before_it_is_delivered_here() -> None:
    async def scenario() -> None:
        a, b = await two()
        order: list[str] = []
        publish = a.driver.publish

        def spy(channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
            order.append(f"published before {len(a.packets('A1'))}")
            publish(channel, message, to=to)

        a.driver.publish = spy  # type: ignore[method-assign]  # to see when it happens
        a.adapter.broadcast(("x",), ALL)
        assert order == ["published before 0"]
        assert len(a.packets("A1")) == 1
        close(a, b)

    run(scenario())


def test_event_that_cannot_be_sent_reaches_nobody() -> None:
    async def scenario() -> None:
        a, b = await two()
        with pytest.raises(EncodeError):
            a.adapter.broadcast(("x", object()), ALL)
        await asyncio.sleep(0.1)
        assert (a.packets("A1"), b.packets("B1")) == ([], [])
        close(a, b)

    run(scenario())


class OwnParser(MsgpackParser):
    """Of an application: nobody knows what its messages depend on."""


@pytest.mark.parametrize(
    ("parser", "is_encoded_once"), [(MsgpackParser(), True), (OwnParser(), False)]
)
def test_event_is_encoded_once_by_a_parser_that_is_the_same_everywhere(
    parser: MsgpackParser, is_encoded_once: bool
) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(broker.driver(), "B1")
        for process in (a, b):
            process.namespace.parser = GuardedParser(parser, max_bytes=1000)
            process.adapter.start()
        await asyncio.sleep(6)
        a.adapter.broadcast(("x", b"\x01"), ALL)
        b.ask()
        await asyncio.sleep(0.1)
        socket = b.namespace["B1"]
        assert socket.packets == a.packets("A1")[:1]
        assert isinstance(socket.args[0], EncodedEvent) is is_encoded_once
        assert tuple(socket.args[0]) == ("x", b"\x01")
        assert [tuple(args) for args in a.namespace["A1"].args][1] == ("question",)
        close(a, b)

    run(scenario())


def test_processes_with_different_parsers_understand_each_other() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(broker.driver(), "B1")
        b.namespace.parser = MsgpackParser()
        a.adapter.start()
        b.adapter.start()
        await asyncio.sleep(6)
        a.adapter.broadcast(("x", 1), ALL)
        b.adapter.broadcast(("y", 2), ALL)
        await asyncio.sleep(0.1)
        assert a.packets("A1") == [['42["x",1]'], ['42["y",2]']]
        assert [tuple(args) for args in b.namespace["B1"].args] == [("y", 2), ("x", 1)]
        assert all(packet[0].startswith("b") for packet in b.packets("B1"))
        close(a, b)

    run(scenario())


def test_rooms_that_come_in_one_turn_are_told_in_one_message() -> None:
    async def scenario() -> None:
        a, b = await two()
        carried = a.driver.broker.carried
        for number in range(50):
            b.adapter.add(SocketId("B1"), [f"room {number}"])
        b.adapter.remove(SocketId("B1"), "room 0")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert a.driver.broker.carried == carried + 1
        a.adapter.broadcast(("x",), BroadcastOptions(("room 0",)))
        a.adapter.broadcast(("y",), BroadcastOptions(("room 7",)))
        await asyncio.sleep(0.1)
        assert b.packets("B1") == [['42["y"]']]
        b.adapter.remove_all(SocketId("B1"))
        await asyncio.sleep(0.1)
        a.adapter.broadcast(("z",), BroadcastOptions(("room 7",)))
        await asyncio.sleep(0.1)
        assert a.driver.broker.carried == carried + 3
        close(a, b)

    run(scenario())


def test_sockets_of_others_join_leave_and_are_disconnected() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.adapter.join_remote(BroadcastOptions(("r",)), ("s", "t"))
        a.adapter.leave_remote(BroadcastOptions(("s",)), ("t",))
        a.adapter.join_remote(LOCAL, ("never",))
        a.adapter.leave_remote(LOCAL, ("r",))
        await asyncio.sleep(0.1)
        assert b.adapter.rooms_of(SocketId("B1")) == {"B1", "r", "s"}
        a.adapter.disconnect_remote(LOCAL, close=False)
        await asyncio.sleep(0.1)
        assert len(b.namespace.sockets) == 1
        a.adapter.disconnect_remote(BroadcastOptions(("s",)), close=True)
        await asyncio.sleep(0.1)
        assert b.namespace.sockets == {}
        close(a, b)

    run(scenario())


def test_clients_of_others_answer() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.ask()
        await asyncio.sleep(0.1)
        socket = b.namespace["B1"]
        assert socket.packets == [['42101["question"]']]
        socket.expected.pop(101)((1, 2))
        await asyncio.sleep(0.1)
        ours = b.adapter.id
        assert ours is not None
        assert a.answers == [RemoteAnswer(member=ours, socket=SocketId("B1"), value=(1, 2))]
        assert a.outcomes == [RemoteOutcome(is_complete=True)]
        close(a, b)

    run(scenario())


def test_client_that_does_not_answer_is_forgotten_with_the_question() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.ask(timeout=1.0)
        await asyncio.sleep(0.5)
        assert list(b.namespace["B1"].expected) == [101]
        await asyncio.sleep(2)
        assert a.outcomes == [RemoteOutcome(is_complete=False, missing=(SocketId("B1"),))]
        assert b.namespace["B1"].expected == {}
        close(a, b)

    run(scenario())


def test_forgotten_question_calls_nobody() -> None:
    async def scenario() -> None:
        a, b = await two()
        forget = a.ask()
        forget()
        await asyncio.sleep(10)
        assert (a.answers, a.outcomes) == ([], [])
        close(a, b)

    run(scenario())


def test_sockets_of_others_are_fetched_and_counted() -> None:
    async def scenario() -> None:
        a, b = await two()
        b.namespace.data = {"name": "Ada"}
        sockets, outcome = await a.adapter.fetch_remote(ALL, 5.0)
        (details,) = sockets
        assert (details.id, details.member) == (SocketId("B1"), b.adapter.id)
        assert details.rooms == {"B1", "r"}
        assert (details.handshake, details.data) == ({"headers": {}}, {"name": "Ada"})
        assert outcome.is_complete
        assert await b.adapter.count_remote(ALL, 5.0) == (2, RemoteOutcome(is_complete=True))
        nobody = BroadcastOptions(("nowhere",))
        assert (await a.adapter.count_remote(nobody, 5.0))[0] == 0
        one = BroadcastOptions(("r",), ("B1",))
        assert (await a.adapter.count_remote(one, 5.0))[0] == 0
        close(a, b)

    run(scenario())


def test_data_that_cannot_be_sent_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        a, b = await two()
        b.namespace.data = {"task": object()}
        ((details,), outcome) = await a.adapter.fetch_remote(ALL, 5.0)
        assert (details.data, outcome.is_complete) == ({}, True)
        close(a, b)

    run(scenario())
    assert len(caplog.records) == 1


def test_other_servers_hear_events_and_answer() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.adapter.server_side_emit(("hello", 1))
        assert await a.adapter.server_side_emit_with_ack(("hi",), 5.0) == ["yes"]
        assert b.namespace.server_events == [("hello", 1), ("hi",)]
        assert a.namespace.server_events == []
        close(a, b)

    run(scenario())


def test_server_that_does_not_answer_makes_it_time_out() -> None:
    async def scenario() -> None:
        a, b = await two()
        b.namespace.is_slow = True
        loop = asyncio.get_running_loop()
        begin = loop.time()
        with pytest.raises(AckTimeout) as error:
            await a.adapter.server_side_emit_with_ack(("hi",), 2.0)
        assert (error.value.responses, error.value.missing_servers) == ([], (b.adapter.id,))
        assert loop.time() - begin == pytest.approx(2.0)
        close(a, b)

    run(scenario())


def test_answer_of_a_server_that_cannot_be_sent_is_none(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        a, b = await two()
        b.namespace.server_answer = object()
        assert await a.adapter.server_side_emit_with_ack(("hi",), 5.0) == [None]
        b.namespace.server_answer = ValueError("an error of the namespace")
        with pytest.raises(AckTimeout):
            await a.adapter.server_side_emit_with_ack(("hi",), 1.0)
        close(a, b)

    run(scenario())
    assert len(caplog.records) == 2


def test_too_many_handlers_for_events_of_others_do_not_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        a, b = await two(options=ClusterOptions(max_pending=3))
        b.namespace.is_slow = True
        for number in range(5):
            a.adapter.server_side_emit(("x", number))
        await asyncio.sleep(0.1)
        assert len(b.namespace.server_events) == 3
        close(a, b)

    run(scenario())
    assert len(caplog.records) == 2


def test_too_many_questions_raise() -> None:
    async def scenario() -> None:
        a, b = await two(options=ClusterOptions(max_pending=1))
        a.ask()
        with pytest.raises(LimitExceeded):
            await a.adapter.fetch_remote(ALL, 1.0)
        with pytest.raises(LimitExceeded):
            a.ask()
        close(a, b)

    run(scenario())


# --- life -----------------------------------------------------------------------------------------


def test_members_are_told_and_can_be_looked_at() -> None:
    async def scenario() -> None:
        a, b = await two()
        (member,) = a.adapter.members
        assert (member.id, a.namespace.members) == (b.adapter.id, [b.adapter.id])
        assert abs(member.since - time.time()) < 60
        assert member.last_seen >= member.since
        assert await a.adapter.server_count() == 2
        b.adapter.close()
        await asyncio.sleep(0.1)
        assert a.namespace.gone == a.namespace.members
        assert await a.adapter.server_count() == 1
        close(a)

    run(scenario())


def test_dead_process_ends_what_waits_for_it() -> None:
    async def scenario() -> None:
        a, b = await two()
        dead = b.adapter.id
        b.driver.kill()
        _, outcome = await a.adapter.fetch_remote(ALL, 60.0)
        assert outcome.gone == (dead,)
        close(a, b)

    run(scenario())


def test_adapter_begins_with_the_first_socket() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(broker.driver(), "B1")
        assert (a.adapter.id, a.adapter.members) == (None, [])
        a.adapter.add(SocketId("A1"), ["r"])
        b.adapter.broadcast(("x",), BroadcastOptions(("r",)))
        await asyncio.sleep(0.1)
        assert a.namespace.members == [b.adapter.id]
        b.adapter.broadcast(("y",), BroadcastOptions(("r",)))
        await asyncio.sleep(0.1)
        assert ['42["y"]'] in a.packets("A1")
        close(a, b)

    run(scenario())


def test_first_question_of_all_waits_until_the_others_are_known() -> None:
    """A namespace that was made by a name that fits has its adapter from that moment on."""

    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(broker.driver())
        a.adapter.add(SocketId("A1"), ["r"])
        await asyncio.sleep(0.1)
        count, outcome = await b.adapter.count_remote(ALL, 5.0)
        assert (count, outcome.is_complete) == (1, True)
        assert await b.adapter.server_side_emit_with_ack(("hi",), 5.0) == ["yes"]
        close(a, b)

    run(scenario())


def test_first_question_waits_for_the_others_also_when_the_carrier_stands() -> None:
    """A namespace that a client has just made, in a process that is connected for long."""

    async def scenario() -> None:
        broker = MemoryBroker()
        broker.faults = Faults(delay=0.1)
        a, b, c = (Process(broker.driver(), name) for name in ("A1", "B1", "C1"))
        a.adapter.add(SocketId("A1"), ["r"])
        await asyncio.sleep(1)
        b.adapter.start()
        await asyncio.sleep(0.001)
        assert not b.adapter.members
        count, outcome = await b.adapter.count_remote(ALL, 5.0)
        assert (count, outcome.is_complete) == (1, True)
        c.adapter.start()
        await asyncio.sleep(0.001)
        await c.adapter.meet(5.0)
        assert len(c.adapter.members) == 2
        close(a, b, c)

    run(scenario())


class CannotCount(MemoryDriver):
    """Has lost its connection when it is asked how many there are."""

    async def count(self, channel: str) -> int | None:
        raise ConnectionResetError("lost")


def test_carrier_that_fails_to_count_fails_no_question() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(CannotCount(broker))
        a.adapter.start()
        await asyncio.sleep(1)
        count, outcome = await b.adapter.count_remote(ALL, 5.0)
        assert (count, outcome.is_complete) == (1, True)
        close(a, b)

    run(scenario())


def test_nobody_is_waited_for_longer_than_2_seconds() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = Process(broker.driver(), "A1"), Process(broker.driver())
        a.adapter.start()
        await asyncio.sleep(1)
        a.driver.pause()
        before = asyncio.get_running_loop().time()
        await b.adapter.meet(0.5)
        assert asyncio.get_running_loop().time() - before == pytest.approx(0.5, abs=0.1)
        await b.adapter.meet(5.0)
        assert asyncio.get_running_loop().time() - before < 0.6, "once is enough"
        close(a, b)

    run(scenario())


def test_without_an_event_loop_it_is_an_adapter_of_one_process() -> None:
    process = Process(MemoryBroker().driver(), "A1")
    process.adapter.add(SocketId("A1"), ["r"])
    process.adapter.broadcast(("x",), BroadcastOptions(("r",)))
    process.adapter.join_remote(ALL, ("s",))
    process.adapter.server_side_emit(("x",))
    assert process.packets("A1") == [['42["x"]']]
    with pytest.raises(RuntimeError):
        process.adapter.start()
    process.adapter.close()


def test_closed_adapter_reaches_nobody_until_it_begins_again() -> None:
    async def scenario() -> None:
        a, b = await two()
        first = a.adapter.id
        a.adapter.close()
        a.adapter.close()
        a.adapter.broadcast(("x",), ALL)
        a.adapter.server_side_emit(("x",))
        assert await a.adapter.server_side_emit_with_ack(("x",), 1.0) == []
        assert await a.adapter.fetch_remote(ALL, 1.0) == ([], RemoteOutcome(is_complete=True))
        assert await a.adapter.server_count() == 1
        a.ask()
        assert a.outcomes == [RemoteOutcome(is_complete=True)]
        await asyncio.sleep(0.1)
        assert (b.packets("B1"), b.namespace.gone) == ([], [first])
        a.adapter.start()
        await asyncio.sleep(0.1)
        assert a.adapter.id != first
        assert b.namespace.members == [first, a.adapter.id]
        close(a, b)

    run(scenario())


def test_questions_end_when_the_adapter_is_closed() -> None:
    async def scenario() -> None:
        a, b = await two()
        b.namespace.is_slow = True
        question = asyncio.ensure_future(
            a.adapter.server_side_emit_with_ack(("hi",), 60.0),
        )
        await asyncio.sleep(0.1)
        a.adapter.close()
        with pytest.raises(AckTimeout):
            await question
        close(b)

    run(scenario())


def test_next_event_loop_is_another_life() -> None:
    process = Process(MemoryBroker().driver(), "A1")
    ids = []
    for _ in range(2):

        async def scenario() -> None:
            process.adapter.add(SocketId("A1"), ["r"])
            await asyncio.sleep(0.1)
            ids.append(process.adapter.id)

        run(scenario())
    assert len(set(ids)) == 2
    process.adapter.close()


def test_carrier_that_cannot_be_reached_is_tried_again() -> None:
    class Away(MemoryDriver):
        tries = 0

        async def start(self) -> None:
            self.tries += 1
            if self.tries < 4:
                raise ConnectionRefusedError("nobody there")

    async def scenario() -> None:
        broker = MemoryBroker()
        away = Away(broker)
        a, b = Process(away, "A1"), Process(broker.driver(), "B1")
        a.adapter.start()
        b.adapter.start()
        await asyncio.sleep(0.1)
        deaf = [a.adapter.is_deaf]
        await asyncio.sleep(3.5)  # no longer than three pauses
        assert [*deaf, a.adapter.is_deaf] == [True, False]
        assert (away.tries, len(a.namespace.failures)) == (4, 1)
        assert "nobody there" in a.namespace.failures[0]
        a.adapter.broadcast(("x",), ALL)
        assert a.packets("A1") == [['42["x"]']]
        await asyncio.sleep(1)
        assert a.namespace.members == [b.adapter.id]
        close(a, b)

    run(scenario())


def test_carrier_that_does_not_answer_for_long_is_not_heard() -> None:
    class Hanging(MemoryDriver):
        answers = False

        async def start(self) -> None:
            while not self.answers:
                await asyncio.sleep(1)

    async def scenario() -> None:
        hanging = Hanging(MemoryBroker())
        process = Process(hanging, "A1")
        process.adapter.start()
        await asyncio.sleep(JOIN_PATIENCE - 0.1)
        deaf = [process.adapter.is_deaf]
        await asyncio.sleep(0.2)
        deaf.append(process.adapter.is_deaf)
        hanging.answers = True
        await asyncio.sleep(1)
        assert [*deaf, process.adapter.is_deaf] == [False, True, False]
        close(process)

    run(scenario())


def test_loss_is_told_to_the_namespace() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.adapter.messages_lost("the backlog was full")
        assert a.namespace.failures == ["the backlog was full"]
        close(a, b)

    run(scenario())


def test_strangers_are_counted_where_the_carrier_can() -> None:
    async def scenario() -> None:
        a, b = await two(capabilities=Capabilities(has_strangers=True, counts=True))
        assert await a.adapter.server_count() == 2
        assert await a.adapter.server_side_emit_with_ack(("hi",), 5.0) == ["yes"]

        async def fail(channel: str) -> int | None:
            raise ConnectionError("away")

        a.driver.count = fail  # type: ignore[method-assign]  # a carrier that is down
        assert await a.adapter.server_side_emit_with_ack(("hi",), 5.0) == ["yes"]
        close(a, b)

    run(scenario())


def test_time_of_the_fake_loop_passes_by_waiting_only() -> None:
    async def scenario() -> Sequence[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PatientLoop)
        begin = loop.time()
        await asyncio.sleep(1000)
        return begin, loop.time()

    begin, end = run(scenario())
    assert end - begin == pytest.approx(1000)


def test_adapter_can_be_closed_when_its_loop_has_ended() -> None:
    process = Process(MemoryBroker().driver(), "A1")

    async def scenario() -> None:
        process.adapter.start()
        await asyncio.sleep(0.1)

    run(scenario())
    process.adapter.close()
    assert process.driver.listeners("/") == []


def test_messages_of_others_that_no_parser_can_read_do_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        process = Process(MemoryBroker().driver(), "A1")
        process.namespace.parser = MsgpackParser()
        process.adapter.start()
        await asyncio.sleep(0.1)
        for messages in ([1], [b"\xc1"], []):
            data: dict[str, Any] = {"messages": messages, "opts": {"rooms": []}}
            process.adapter.message_received(encode_message(Message(100, data, "B", "/")))
        (args,) = process.namespace["A1"].args
        with pytest.raises(PacketError):
            tuple(args)
        close(process)

    run(scenario())
    assert "neither text nor bytes" in caplog.text
    assert len(caplog.records) == 2


class HastyLoop(PatientLoop):
    """As uvloop: what is due already gets a handle without a time."""

    def call_at(self, when: Any, callback: Any, *args: Any, **context: Any) -> Any:  # type: ignore[override]
        if when <= self.time():
            return self.call_soon(callback, *args, **context)
        return super().call_at(when, callback, *args, **context)


def test_question_while_another_one_is_due_is_asked() -> None:
    async def scenario() -> None:
        a, b = await two()
        a.ask(timeout=0.0)
        a.ask(timeout=5.0)
        await asyncio.sleep(0.1)
        assert len(b.packets("B1")) == 2
        close(a, b)

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        runner.run(scenario())
