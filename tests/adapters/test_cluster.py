"""The algorithm of clusters, on a carrier without faults: who gets what, and how questions end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters import answering
from sockwave.adapters.cluster import Cluster
from sockwave.adapters.driver import Capabilities
from sockwave.adapters.memory import Faults
from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.adapters.options import ClusterOptions
from sockwave.errors import EncodeError, LimitExceeded
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.encoded_event import EncodedEvent
from tests.adapters.simulation import ALL, GONE, Network, Node, everybody_but, to

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def nodes(network: Network) -> list[Node]:
    """Three nodes: sockets a1 and a2, b1, c1; a1 and b1 are in `r`, c1 in `s`."""
    a, b, c = network.cluster_of("A", "B", "C")
    a.connect("a1", "r")
    a.connect("a2")
    b.connect("b1", "r")
    c.connect("c1", "s")
    network.run(1)
    for node in (a, b, c):
        node.sent.clear()
    return [a, b, c]


def got(nodes: list[Node]) -> list[str]:
    return sorted(socket for node in nodes for socket, _ in node.got)


# --- who is there ---------------------------------------------------------------------------------


def test_nodes_find_each_other_at_once(network: Network) -> None:
    a, b = network.node("A"), network.node("B")
    network.run(0.1)
    assert (a.sees, b.sees) == (["B"], ["A"])
    assert (a.joined, b.joined) == (["B"], ["A"])


def test_node_that_says_goodbye_is_gone_at_once(network: Network, nodes: list[Node]) -> None:
    a, b, c = nodes
    c.close()
    network.run(0.1)
    assert (a.sees, a.left, b.left) == (["B"], ["C"], ["C"])


def test_node_that_dies_is_gone_after_the_timeout(network: Network, nodes: list[Node]) -> None:
    a, b, c = nodes
    c.die()
    network.run(4)
    assert a.sees == ["B", "C"]
    network.run(8)
    assert (a.sees, a.left, b.left) == (["B"], ["C"], ["C"])


def test_node_whose_end_the_carrier_tells_is_gone_at_once(network: Network) -> None:
    network.broker.capabilities = Capabilities(counts=True, notices_ends=True)
    a, b, c = network.cluster_of("A", "B", "C")
    c.connect("c1")
    asked = a.fetch(timeout=60)
    c.die()
    network.run(0.1)
    assert (a.sees, a.left, b.left) == (["B"], ["C"], ["C"])
    assert asked.ended is not None


def test_node_that_was_only_cut_off_is_taken_back(network: Network, nodes: list[Node]) -> None:
    a, _, c = nodes
    a.addresses_gone({"C", "nobody"})
    assert (a.sees, a.left) == (["B"], ["C"])
    c.connect("c1", "r")
    network.run(6)
    assert (a.sees, a.joined[-1]) == (["B", "C"], "C")
    a.emit("x", to("r"))
    network.run(1)
    assert c.events("c1") == ["x"]


def test_silent_nodes_stay_as_long_as_they_beat(network: Network, nodes: list[Node]) -> None:
    network.run(120)
    assert [node.sees for node in nodes] == [["B", "C"], ["A", "C"], ["A", "B"]]
    assert max(member.lateness for member in nodes[0].cluster.members) == 0


def test_late_heartbeat_is_told(network: Network, nodes: list[Node]) -> None:
    a, b, _ = nodes
    b.driver.pause()
    a_, *_ = (m for m in b.cluster.members if m.id == "A")
    network.run(7)
    b.driver.resume()
    assert 0.5 < a_.lateness <= 7
    assert a.left == []


def test_node_that_was_stopped_does_not_take_the_others_for_dead(
    network: Network, nodes: list[Node]
) -> None:
    a, b, _ = nodes
    b.is_running = False
    b.driver.pause()
    network.run(40)
    assert "B" in a.left
    b.is_running = True
    b.driver.resume()
    network.run(6)
    assert b.left == []
    assert (a.sees, b.sees) == (["B", "C"], ["A", "C"])


def test_message_of_a_node_that_has_said_goodbye_does_not_bring_it_back(
    network: Network, nodes: list[Node]
) -> None:
    a, _, c = nodes
    late = Message(MessageType.HEARTBEAT, {}, "C", "/", 1000)
    c.close()
    network.run(0.1)
    a.message_received(encode_message(late))
    assert a.sees == ["B"]


def test_no_more_members_than_the_bound(network: Network) -> None:
    a = network.node("A", options=ClusterOptions(max_members=2))
    for name in "BCD":
        network.node(name)
    network.run(0.1)
    assert len(a.sees) == 2
    a.connect("a1")
    network.nodes[-1].emit("x")
    network.run(0.1)
    assert a.events("a1") == ["x"]


# --- broadcasts -----------------------------------------------------------------------------------


def test_broadcast_reaches_everybody_once(network: Network, nodes: list[Node]) -> None:
    nodes[0].emit("x")
    network.run(0.1)
    assert got(nodes) == ["a1", "a2", "b1", "c1"]


def test_broadcast_to_rooms_reaches_their_sockets(network: Network, nodes: list[Node]) -> None:
    nodes[2].emit("x", to("r", "s"))
    network.run(0.1)
    assert got(nodes) == ["a1", "b1", "c1"]


def test_broadcast_leaves_out_excluded_rooms(network: Network, nodes: list[Node]) -> None:
    nodes[0].emit("x", everybody_but("r"))
    network.run(0.1)
    assert got(nodes) == ["a2", "c1"]


def test_broadcast_to_no_room_reaches_nobody(network: Network, nodes: list[Node]) -> None:
    nodes[0].emit("x", BroadcastOptions(()))
    nodes[0].cluster.broadcast(encoded("y"), local(), nodes[0].now)
    network.run(0.1)
    assert (got(nodes), nodes[0].sent) == ([], [])


def test_broadcast_to_no_room_reaches_nobody_while_nodes_start(network: Network) -> None:
    a, b = network.node("A"), network.node("B")
    b.connect("b1")
    a.emit("x", BroadcastOptions(()))
    a.cluster.broadcast(encoded("y"), local(), a.now)
    network.run(0.1)
    assert b.got == []


def local() -> BroadcastOptions:
    return BroadcastOptions(flags=BroadcastFlags(local=True))


def encoded(*args: Any) -> EncodedEvent:
    return EncodedEvent(args, "/", None)


def test_arguments_arrive_as_they_were(network: Network, nodes: list[Node]) -> None:
    args = (1, "é", None, 1.5, b"\x00\x01", {"a": [b"\x02"]})
    nodes[0].emit("x", to("s"), *args)
    network.run(0.1)
    assert nodes[2].got == [("c1", ("x", *args))]


def test_broadcast_goes_to_those_alone_who_have_the_room(nodes: list[Node]) -> None:
    nodes[0].emit("x", to("s"))
    assert nodes[0].sent == [(MessageType.ENCODED_BROADCAST, 1)]


def test_broadcast_that_nobody_wants_is_not_sent(nodes: list[Node]) -> None:
    nodes[1].emit("x", to("nowhere"))
    nodes[2].emit("x", to("s"))
    assert (nodes[1].sent, nodes[2].sent) == ([], [])


def test_broadcast_to_all_takes_one_message(nodes: list[Node]) -> None:
    nodes[0].emit("x")
    assert nodes[0].sent == [(MessageType.ENCODED_BROADCAST, None)]


def test_room_of_a_socket_id_reaches_it_wherever_it_is(network: Network, nodes: list[Node]) -> None:
    id_ = "0123456789abcdefghij"
    nodes[1].connect(id_)
    nodes[0].emit("x", to(id_))
    network.run(0.1)
    assert nodes[1].events(id_) == ["x"]


def test_first_broadcast_of_a_new_node_reaches_those_it_has_not_heard_yet(
    network: Network, nodes: list[Node]
) -> None:
    new = network.node("D")
    new.emit("x", to("r"))
    network.run(0.1)
    assert got(nodes) == ["a1", "b1"]


def test_rooms_of_a_new_node_are_known_before_it_is_settled(
    network: Network, nodes: list[Node]
) -> None:
    new = network.node("D")
    network.run(0.1)
    new.connect("d1", "late")
    network.run(0.1)
    nodes[0].emit("x", to("late"))
    network.run(0.1)
    assert new.events("d1") == ["x"]


def test_room_joined_in_the_first_moment_of_a_node_is_known(
    network: Network, nodes: list[Node]
) -> None:
    new = network.node("D")
    new.connect("d1", "early")
    network.run(0.1)
    nodes[0].emit("x", to("early"))
    network.run(0.1)
    assert new.events("d1") == ["x"]


def test_node_without_the_room_any_more_is_left_out(network: Network, nodes: list[Node]) -> None:
    nodes[2].exit("c1", "s")
    network.run(0.1)
    nodes[0].emit("x", to("s"))
    assert nodes[0].sent == []


def test_emitter_reaches_sockets_and_is_no_member(network: Network, nodes: list[Node]) -> None:
    data = {"packet": {"type": 2, "data": ["x", 1], "nsp": "/"}, "opts": {"rooms": ["r"]}}
    nodes[0].message_received(encode_message(Message(3, data, "emitter", "/")))
    assert (nodes[0].got, nodes[0].sees) == ([("a1", ("x", 1))], ["B", "C"])


def asked_by_emitter(
    monkeypatch: pytest.MonkeyPatch, node: Node, type_: int, **data: Any
) -> list[tuple[Message, AbstractSet[str] | None]]:
    """Let an emitter ask a node, and give what that says."""
    said: list[tuple[Message, AbstractSet[str] | None]] = []
    monkeypatch.setattr(node, "send", lambda message, to: said.append((message, to)))
    data = {"requestId": "q", "opts": {"rooms": ["r"]}, **data}
    node.message_received(encode_message(Message(type_, data, "emitter", "/")))
    return said


def test_emitter_that_asks_is_told_who_else_serves(
    monkeypatch: pytest.MonkeyPatch, network: Network, nodes: list[Node]
) -> None:
    node = nodes[0]
    told = {"servers": 3, "others": ["B", "C"]}
    ((fetched, to_),) = asked_by_emitter(monkeypatch, node, MessageType.FETCH_SOCKETS)
    assert (fetched.type, to_) == (MessageType.FETCH_SOCKETS_RESPONSE, {"emitter"})
    assert [socket["id"] for socket in fetched.data["sockets"]] == ["a1"]
    assert {name: fetched.data[name] for name in told} == told
    ((count, _),) = asked_by_emitter(monkeypatch, node, MessageType.FETCH_SOCKETS, count=True)
    assert count.data == {"requestId": "q", "count": 1, **told}
    event = {"packet": {"type": 2, "data": ["question"]}, "ids": True}
    ((asked, _), *_) = asked_by_emitter(monkeypatch, node, MessageType.BROADCAST, **event)
    assert asked.data == {"requestId": "q", "clientCount": 1, "ids": ["a1"], **told}
    assert node.sees == ["B", "C"]


def test_emitter_is_told_only_the_number_of_very_many(
    monkeypatch: pytest.MonkeyPatch, nodes: list[Node]
) -> None:
    monkeypatch.setattr(answering, "MAX_NAMED", 1)
    ((fetched, _),) = asked_by_emitter(monkeypatch, nodes[0], MessageType.FETCH_SOCKETS)
    assert fetched.data["servers"] == 3
    assert "others" not in fetched.data


def test_message_that_comes_twice_counts_once(network: Network, nodes: list[Node]) -> None:
    data = {"packet": {"type": 2, "data": ["x"]}, "opts": {"rooms": ["r"]}}
    for _ in range(2):
        nodes[0].message_received(encode_message(Message(3, data, "B", "/", 900)))
    assert nodes[0].events("a1") == ["x"]


def test_own_messages_and_those_of_other_namespaces_are_ignored(nodes: list[Node]) -> None:
    data = {"packet": {"type": 2, "data": ["x"]}, "opts": {"rooms": []}}
    nodes[0].message_received(encode_message(Message(3, data, "A", "/")))
    nodes[0].message_received(encode_message(Message(3, data, "B", "/admin")))
    assert nodes[0].got == []


# --- members in JavaScript ------------------------------------------------------------------------


class Foreigner:
    """A server in JavaScript: it hears heartbeats and packets, and announces nothing."""

    def __init__(self, network: Network) -> None:
        self.driver = network.broker.driver()
        self.driver.listen("/", "JS", self)
        self.got: list[Message] = []
        self.say(MessageType.INITIAL_HEARTBEAT, {})

    def say(self, type_: MessageType, data: dict[str, Any]) -> None:
        self.driver.publish("/", encode_message(Message(type_, data, "JS", "/"), as_text=True))

    def message_received(self, message: bytes) -> None:
        self.got.append(decode_message(message))

    def messages_lost(self, what: str) -> None: ...

    def addresses_gone(self, addresses: AbstractSet[str]) -> None: ...

    @property
    def types(self) -> set[int]:
        return {message.type for message in self.got}


def test_javascript_gets_packets_of_all_rooms_and_nothing_it_does_not_know(
    network: Network, nodes: list[Node]
) -> None:
    foreigner = Foreigner(network)
    network.run(0.1)
    nodes[2].emit("x", to("r"), 1)
    nodes[1].connect("b2", "new")
    network.run(0.1)
    assert foreigner.types == {2, 3}
    packet, opts = foreigner.got[-1].data["packet"], foreigner.got[-1].data["opts"]
    assert packet == {"type": 2, "data": ["x", 1]}
    assert opts == {"rooms": ["r"], "except": [], "flags": {}}
    assert got(nodes) == ["a1", "b1"]


def test_everybody_gets_packets_where_nobody_can_be_left_out(network: Network) -> None:
    network.broker.capabilities = Capabilities(is_text=True)
    a, b = network.cluster_of("A", "B")
    foreigner = Foreigner(network)
    network.run(0.1)
    b.connect("b1", "r")
    network.run(0.1)
    a.emit("x", to("r"))
    network.run(0.1)
    assert b.events("b1") == ["x"]
    assert (MessageType.BROADCAST, None) in a.sent
    assert foreigner.got[-1].data["packet"]["data"] == ["x"]


def test_javascript_answers_questions_in_its_own_way(network: Network) -> None:
    (a,) = network.cluster_of("A")
    foreigner = Foreigner(network)
    network.run(0.1)
    clients, sockets, count = a.ask_clients(), a.fetch(), a.count_sockets()
    servers = a.ask_servers("hi")
    network.run(0.1)
    first, second, third, fourth = foreigner.got[-4:]
    foreigner.say(MessageType.BROADCAST_ACK, {"requestId": request(first), "packet": "pong"})
    counted = {"requestId": request(first), "clientCount": 1}
    foreigner.say(MessageType.BROADCAST_CLIENT_COUNT, counted)
    socket: dict[str, Any] = {"id": "x", "handshake": {}, "rooms": ["x", 7], "data": {}}
    for message in (second, third):
        answer = {"requestId": request(message), "sockets": [socket]}
        foreigner.say(MessageType.FETCH_SOCKETS_RESPONSE, answer)
    answered = {"requestId": request(fourth), "packet": 1}
    foreigner.say(MessageType.SERVER_SIDE_EMIT_RESPONSE, answered)
    network.run(0.1)
    assert clients.answers == [(None, "pong")]
    ((details,),) = sockets.answers
    assert (details.member, details.rooms) == ("JS", {"x", "7"})
    assert [len(sockets) for sockets in count.answers] == [1]
    assert servers.answers == [1]
    ends = [each.outcome.is_complete for each in (clients, sockets, count, servers)]
    assert ends == [True] * 4


def request(message: Message) -> str:
    id_ = message.data["requestId"]
    assert isinstance(id_, str)
    return id_


def test_nobody_is_told_of_rooms_where_everything_goes_to_all(network: Network) -> None:
    network.broker.capabilities = Capabilities(has_strangers=True, counts=True)
    a, b = network.cluster_of("A", "B")
    for name in ("b1", "b2"):
        b.connect(name, f"room of {name}")
    network.run(1.0)
    b.disconnect_socket("b2")
    a.messages_lost("something")
    network.run(20.0)
    a.emit("x", to("room of b1"))
    network.run(0.1)
    assert b.events("b1") == ["x"]
    about_rooms = {MessageType.INTEREST, MessageType.INTEREST_WANTED}
    assert not about_rooms & {type_ for node in (a, b) for type_, _ in node.sent}


def test_question_is_over_though_nobody_could_count_when_it_was_asked(network: Network) -> None:
    network.broker.capabilities = Capabilities(has_strangers=True, counts=True)
    a, _ = network.cluster_of("A", "B")
    network.can_count = False
    asked = a.ask_servers("hi", timeout=10.0)
    network.run(0.5)
    assert (asked.answers, asked.outcomes) == (["B"], [])
    network.can_count = True
    network.run(1.5)
    assert asked.outcome.is_complete


def test_strangers_are_counted(network: Network) -> None:
    network.broker.capabilities = Capabilities(has_strangers=True, counts=True)
    a, _ = network.cluster_of("A", "B")
    stranger = network.broker.driver()
    heard: list[bytes] = []

    class Silent:
        def message_received(self, message: bytes) -> None:
            heard.append(message)

        def messages_lost(self, what: str) -> None: ...

        def addresses_gone(self, addresses: AbstractSet[str]) -> None: ...

    stranger.listen("/", "S", Silent())
    asked = a.ask_servers("hi")
    network.run(1)
    assert (asked.answers, asked.outcomes) == (["B"], [])
    data = {"requestId": "A:1", "packet": "S"}
    message = Message(MessageType.SERVER_SIDE_EMIT_RESPONSE, data, "S", "/")
    stranger.publish("/", encode_message(message))
    network.run(0.1)
    assert (asked.answers, asked.outcome.is_complete) == (["B", "S"], True)


# --- rooms and disconnects ------------------------------------------------------------------------


def test_sockets_join_and_leave_everywhere(network: Network, nodes: list[Node]) -> None:
    a, b, c = nodes
    c.sockets_join(to("r"), "x", "y")
    network.run(0.1)
    assert (a.rooms_of("a1"), b.rooms_of("b1")) == ({"a1", "r", "x", "y"}, {"b1", "r", "x", "y"})
    a.sockets_leave(ALL, "x")
    network.run(0.1)
    assert (a.rooms_of("a1"), b.rooms_of("b1")) == ({"a1", "r", "y"}, {"b1", "r", "y"})


def test_broadcast_right_behind_a_join_arrives(network: Network, nodes: list[Node]) -> None:
    a, b, _ = nodes
    a.sockets_join(to("r"), "fresh")
    a.emit("x", to("fresh"))
    network.run(0.1)
    assert b.events("b1") == ["x"]


def test_whoever_has_heard_of_a_join_reaches_those_who_joined(
    network: Network, nodes: list[Node]
) -> None:
    a, b, c = nodes
    a.sockets_join(ALL, "fresh")
    while not c.rooms_of("c1") >= {"fresh"}:
        network.time.call_next()
    c.emit("x", to("fresh"))
    network.run(0.1)
    assert got(nodes) == ["a1", "a2", "b1", "c1"]
    assert b.events("b1") == ["x"]


def test_member_is_not_believed_for_ever_to_have_a_room(
    network: Network, nodes: list[Node]
) -> None:
    a, _, _ = nodes
    a.sockets_join(to("s"), "fresh")
    network.run(11)
    a.sent.clear()
    a.emit("x", to("fresh"))
    assert a.sent == [(MessageType.ENCODED_BROADCAST, 1)]


def test_sockets_are_disconnected_everywhere(network: Network, nodes: list[Node]) -> None:
    nodes[2].disconnect_sockets(to("r"))
    network.run(0.1)
    assert [list(node.sockets) for node in nodes] == [["a2"], [], ["c1"]]


# --- questions ------------------------------------------------------------------------------------


def test_clients_of_others_answer_and_it_is_known_who(network: Network, nodes: list[Node]) -> None:
    asked = nodes[0].ask_clients()
    network.run(0.1)
    assert sorted(asked.answers) == [("b1", "b1"), ("c1", "c1")]
    assert asked.outcome.is_complete
    assert asked.ended is not None and asked.ended < asked.deadline


@pytest.mark.parametrize(("answer", "value"), [((), None), ((1,), 1), ((1, 2), (1, 2))])
def test_answers_have_the_form_of_emit_with_ack(
    network: Network, nodes: list[Node], answer: tuple[Any, ...], value: Any
) -> None:
    nodes[2].answers = lambda socket: answer
    asked = nodes[0].ask_clients(to("s"))
    network.run(0.1)
    assert asked.answers == [("c1", value)]


def test_question_to_nobody_is_over_at_once(nodes: list[Node]) -> None:
    a = nodes[0]
    for asked in (
        a.ask_clients(to("nowhere")),
        a.ask_clients(BroadcastOptions(())),
        a.fetch(to("nowhere")),
        a.count_sockets(to("nowhere")),
        a.fetch(local()),
    ):
        assert asked.outcome.is_complete
    assert a.sent == []


def test_client_that_does_not_answer_is_named_at_the_timeout(
    network: Network, nodes: list[Node]
) -> None:
    nodes[1].answers = lambda socket: None
    asked = nodes[0].ask_clients(timeout=1.5)
    network.run(1.4)
    assert asked.outcomes == []
    network.run(0.2)
    assert asked.answers == [("c1", "c1")]
    assert (asked.outcome.is_complete, asked.outcome.missing) == (False, ("b1",))
    assert (asked.outcome.silent, asked.outcome.gone) == ((), ())


def test_client_that_goes_is_named_at_once(network: Network, nodes: list[Node]) -> None:
    nodes[1].answers = lambda socket: GONE
    asked = nodes[0].ask_clients()
    network.run(0.1)
    assert (asked.outcome.is_complete, asked.outcome.missing) == (False, ("b1",))


def test_node_that_says_nothing_is_silent(network: Network, nodes: list[Node]) -> None:
    nodes[1].die()
    clients, sockets = nodes[0].ask_clients(), nodes[0].fetch()
    servers = nodes[0].ask_servers("hi")
    network.run(2.1)
    for asked in (clients, sockets, servers):
        assert (asked.outcome.is_complete, asked.outcome.silent) == (False, ("B",))
        assert asked.ended == asked.deadline
    assert servers.answers == ["C"]


def test_question_ends_when_the_last_one_waited_for_has_gone(
    network: Network, nodes: list[Node]
) -> None:
    a, b, _ = nodes
    b.answer_delay = 100
    clients, servers = a.ask_clients(timeout=60), a.ask_servers("hi", timeout=60)
    network.run(1)
    b.close()
    network.run(0.1)
    for asked in (clients, servers):
        assert (asked.outcome.is_complete, asked.outcome.gone) == (False, ("B",))
        assert asked.ended is not None and asked.ended < asked.deadline
    assert clients.outcome.missing == ("b1",)
    assert servers.answers == ["C"]


def test_question_ends_when_a_dead_node_is_found_out(network: Network, nodes: list[Node]) -> None:
    nodes[1].die()
    asked = nodes[0].fetch(timeout=60)
    network.run(12)
    assert (asked.outcome.gone, len(asked.answers)) == (("B",), 1)


def test_sockets_of_others_are_fetched(network: Network, nodes: list[Node]) -> None:
    asked = nodes[0].fetch(to("r", "s"))
    network.run(0.1)
    details = sorted((d for answer in asked.answers for d in answer), key=lambda d: d.id)
    assert [(d.id, d.member, d.rooms, d.data) for d in details] == [
        ("b1", "B", {"b1", "r"}, {"at": 1}),
        ("c1", "C", {"c1", "s"}, {"at": 1}),
    ]


def test_counts_are_numbers_on_the_wire(network: Network, nodes: list[Node]) -> None:
    asked = nodes[0].count_sockets()
    network.run(0.1)
    assert asked.answers == [1, 1]
    assert nodes[1].sent == [(MessageType.COUNT_RESPONSE, 1)]


def test_other_servers_hear_events_and_answer(network: Network, nodes: list[Node]) -> None:
    nodes[0].cluster.server_emit(("hello", 1))
    asked = nodes[0].ask_servers("hi", b"\x00")
    network.run(0.1)
    assert nodes[1].server_events == [("hello", 1), ("hi", b"\x00")]
    assert sorted(asked.answers) == ["B", "C"]
    assert asked.outcome.is_complete


def test_cancelled_question_tells_nothing(network: Network, nodes: list[Node]) -> None:
    asked = nodes[0].ask_clients()
    nodes[0].cluster.cancel(asked.question)
    network.run(5)
    assert (asked.answers, asked.outcomes) == ([], [])


def test_closing_ends_questions(network: Network, nodes: list[Node]) -> None:
    asked = nodes[0].fetch()
    nodes[0].close()
    assert (asked.outcome.is_complete, asked.outcome.silent) == (False, ("B", "C"))


def test_too_many_questions_are_refused(network: Network) -> None:
    a = network.node("A", options=ClusterOptions(max_pending=2))
    network.node("B").server_answer = None
    network.run(6)
    a.ask_servers("1")
    a.ask_servers("2")
    with pytest.raises(LimitExceeded, match="max_pending"):
        a.ask_servers("3")
    network.run(3)
    a.ask_servers("4")


def test_too_many_questions_of_others_get_no_answer(network: Network) -> None:
    a = network.node("A")
    b = network.node("B", options=ClusterOptions(max_pending=1))
    b.connect("b1")
    b.answers = lambda socket: None
    network.run(6)
    first, second = a.ask_clients(), a.ask_clients()
    network.run(2.1)
    assert (first.outcome.missing, first.outcome.silent) == (("b1",), ())
    assert (second.outcome.missing, second.outcome.silent) == ((), ("B",))


def test_client_that_came_with_a_new_node_is_waited_for(
    network: Network, nodes: list[Node]
) -> None:
    a, b, _ = nodes
    b.answer_delay = 0.5
    new = network.node("D")
    new.connect("d1")
    new.answer_delay = 1.0
    asked = a.ask_clients()
    network.run(1.5)
    assert sorted(socket for socket, _ in asked.answers) == ["b1", "c1", "d1"]
    assert asked.outcome.is_complete


# --- losses and bad messages ----------------------------------------------------------------------


def test_missed_rooms_are_asked_for(network: Network, nodes: list[Node]) -> None:
    a, b, c = nodes
    network.broker.partition([a.driver, b.driver], [c.driver])
    c.connect("c2", "hidden")
    network.broker.partition()
    network.run(6)
    a.emit("x", to("hidden"))
    network.run(0.1)
    assert c.events("c2") == ["x"]


def test_known_loss_is_told_and_made_good_at_once(network: Network, nodes: list[Node]) -> None:
    a, b, c = nodes
    network.broker.partition([a.driver, b.driver], [c.driver])
    c.connect("c2", "hidden")
    network.broker.partition()
    c.messages_lost("something is missing")
    network.run(0.1)
    assert c.failures == ["something is missing"]
    a.emit("x", to("hidden"))
    c.emit("y", to("r"))
    network.run(0.1)
    assert c.events("c2") == ["x"]
    assert (a.events("a1"), b.events("b1")) == (["y"], ["y"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"{",
        b"[]",
        b"{}",
        b'{"type":3,"uid":"B","nsp":"/"}',
        b'{"type":3,"uid":"B","nsp":"/","data":{"opts":{"rooms":[{}]},"packet":{"data":["x"]}}}',
        b'{"type":3,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"packet":{"data":[]}}}',
        b'{"type":100,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"text":"nonsense"}}',
        b'{"type":100,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"text":["x"]}}',
        b'{"type":100,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"text":"[\\"\\"]","bin":[1]}}',
        b'{"type":100,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"messages":["x"]}}',
        b'{"type":8,"uid":"B","nsp":"/","data":{"requestId":7,"sockets":[]}}',
        b'{"type":101,"uid":"B","nsp":"/","data":{"version":-1}}',
        b'{"type":101,"uid":"B","nsp":"/","data":{"version":99,"filter":"x"}}',
        b'{"type":2,"uid":"B","nsp":"/","data":{"sockwave":{"version":"x"}}}',
        b'{"type":true,"uid":"B","nsp":"/"}',
        b'{"type":4,"uid":"B","nsp":"/","data":{"opts":{"rooms":[]},"rooms":"r"}}',
        b"\x84\xa4type\x03\xa3uid\xa1B\xa3nsp\xa1/\xa4data\x82\xa4opts\x81\xa5rooms\x90"
        b"\xa6packet\x81\xa4data\x92\xa1x" + b"\x81\xa1k" * 140 + b"\x01",
        b'{"type":2,"uid":"","nsp":"/"}',
    ],
)
def test_bad_message_leaves_a_line_in_the_log_and_nothing_else(
    network: Network, nodes: list[Node], data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, _ = nodes
    a.message_received(data)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (a.cluster.dropped, a.got) == (1, [])
    b.emit("x", to("r"))
    network.run(0.1)
    assert a.events("a1") == ["x"]


def test_flood_of_bad_messages_does_not_flood_the_log(
    nodes: list[Node], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1000):
        nodes[0].message_received(b"{}")
    assert len(caplog.records) == 10


def test_types_from_the_future_and_late_answers_are_ignored(
    nodes: list[Node], caplog: pytest.LogCaptureFixture
) -> None:
    nodes[0].message_received(encode_message(Message(250, {"x": 1}, "B", "/")))
    data = {"requestId": "unknown", "sockets": []}
    nodes[0].message_received(encode_message(Message(8, data, "B", "/")))
    assert caplog.records == []


def test_failing_handler_of_an_answer_stops_nobody(
    network: Network, nodes: list[Node], caplog: pytest.LogCaptureFixture
) -> None:
    a = nodes[0]
    ended: list[Any] = []

    def fail(member: str, value: Any) -> None:
        raise ValueError

    a.cluster.fetch(ALL, a.now, 2.0, fail, ended.append)
    network.run(0.1)
    assert len(ended) == 1
    assert len(caplog.records) == 2


def test_ids_are_those_of_the_reference() -> None:
    node = Network().node("A")
    made = Cluster("/", ClusterOptions(), node, node)
    assert len(made.id) == 16
    assert int(made.id, 16) >= 0


def test_repeated_losses_do_not_make_more_of_them(network: Network, nodes: list[Node]) -> None:
    a = nodes[0]
    for _ in range(50):
        a.messages_lost("again")
    assert len(a.sent) == 3
    network.run(1.5)
    assert len([kind for kind, _ in a.sent if kind == MessageType.INTEREST]) == 2
    assert all(m.interest is not None and m.interest.is_known for m in a.cluster.members)


# --- what others ask ------------------------------------------------------------------------------


def question(id_: str = "q", rooms: tuple[str, ...] = ()) -> dict[str, Any]:
    opts = {"rooms": list(rooms), "except": [], "flags": {"timeout": 1500}}
    return {"packet": {"type": 2, "data": ["question"]}, "requestId": id_, "opts": opts}


def test_javascript_gets_answers_in_the_form_it_knows(network: Network, nodes: list[Node]) -> None:
    foreigner = Foreigner(network)
    nodes[0].answers = lambda socket: (1, 2) if socket == "a1" else GONE
    foreigner.say(MessageType.BROADCAST, question(rooms=("r", "s", "a2")))
    network.run(0.1)
    counts = [m.data for m in foreigner.got if m.type == MessageType.BROADCAST_CLIENT_COUNT]
    answers = [m.data for m in foreigner.got if m.type == MessageType.BROADCAST_ACK]
    assert sorted(data.pop("clientCount") for data in counts) == [1, 1, 2]
    assert counts == [{"requestId": "q"}] * 3
    assert sorted(str(data.pop("packet")) for data in answers) == ["1", "b1", "c1"]
    assert answers == [{"requestId": "q"}] * 3
    assert MessageType.ACK_LOST not in foreigner.types


def test_question_that_comes_twice_is_asked_once(network: Network, nodes: list[Node]) -> None:
    foreigner = Foreigner(network)
    nodes[2].answer_delay = 1.0
    foreigner.say(MessageType.BROADCAST, question(rooms=("s",)))
    foreigner.say(MessageType.BROADCAST, question(rooms=("s",)))
    network.run(0.1)
    assert nodes[2].events("c1") == ["question"]


def test_question_of_a_node_that_has_gone_is_not_answered(
    network: Network, nodes: list[Node]
) -> None:
    a, _, c = nodes
    c.answer_delay = 1.0
    a.ask_clients(to("s"))
    network.run(0.1)
    a.close()
    c.sent.clear()
    network.run(2)
    assert MessageType.BROADCAST_ACK not in [kind for kind, _ in c.sent]


def test_late_answer_is_not_sent(network: Network, nodes: list[Node]) -> None:
    a, _, c = nodes
    c.answer_delay = 5.0
    asked = a.ask_clients(to("s"), timeout=1.0)
    network.run(10)
    assert asked.outcome.missing == ("c1",)
    assert MessageType.BROADCAST_ACK not in [kind for kind, _ in c.sent]


def test_answer_that_cannot_be_sent_is_told_in_the_log(
    network: Network, nodes: list[Node], caplog: pytest.LogCaptureFixture
) -> None:
    nodes[2].answers = lambda socket: (object(),)
    asked = nodes[0].ask_clients(to("s"))
    network.run(3)
    assert asked.outcome.missing == ("c1",)
    assert len(caplog.records) == 1


def test_encoded_events_pass_as_text_too(network: Network) -> None:
    network.broker.capabilities = Capabilities(is_text=True, is_selective=True)
    a, b = network.cluster_of("A", "B")
    b.connect("b1")
    network.run(0.1)
    a.emit("x", ALL, "é")
    a.emit("y", ALL, b"\x00")
    network.run(0.1)
    assert b.got == [("b1", ("x", "é")), ("b1", ("y", b"\x00"))]
    assert a.sent[-2:] == [(MessageType.ENCODED_BROADCAST, None)] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"heartbeat_interval": 10.0},
        {"heartbeat_interval": 0.0},
        {"max_members": 0},
        {"max_pending": 0},
        {"max_announced_rooms": -1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"heartbeat|max_"):
        ClusterOptions(**wrong)


def test_short_heartbeats_find_the_dead_soon(network: Network) -> None:
    options = ClusterOptions(heartbeat_interval=0.2, heartbeat_timeout=0.4)
    a, b = (network.node(name, options=options) for name in "AB")
    network.run(2)
    assert a.sees == ["B"]
    b.die()
    network.run(0.6)
    assert a.sees == []


# --- messages that do not come --------------------------------------------------------------------


def lose(network: Network, node: Node, count: int) -> None:
    """Let a node send to everybody what reaches nobody."""
    network.broker.faults = Faults(loss=1.0)
    for _ in range(count):
        node.emit("lost")
    network.broker.faults = Faults()


def test_messages_that_do_not_come_are_missed_at_the_next_one(network: Network) -> None:
    a, b, c = network.cluster_of("A", "B", "C")
    for node in (a, b, c):
        node.connect(f"{node.name}1")
    network.run(1)
    lose(network, a, 3)
    a.emit("found")
    network.run(2)
    said = "3 messages of node A have not come"
    assert (a.failures, b.failures, c.failures) == ([], [said], [said])
    assert (b.cluster.missed, b.events("B1")) == (3, ["found"])


def test_loss_of_many_messages_is_told_once_a_second(network: Network) -> None:
    a, b = network.cluster_of("A", "B")
    b.connect("B1")
    network.run(1)
    for _ in range(100):
        lose(network, a, 1)
        a.emit("found")
        network.run(0.001)
    network.run(2)
    assert b.cluster.missed == 100
    assert 1 <= len(b.failures) <= 2


def test_what_cannot_be_sent_is_not_missed(network: Network) -> None:
    a, b = network.cluster_of("A", "B")
    network.run(6)
    for _ in range(3):
        with pytest.raises(EncodeError):
            a.cluster.server_emit(("x", object()))
    network.run(10)
    assert (b.cluster.missed, b.failures) == (0, [])


def test_carrier_that_mixes_messages_up_loses_none(network: Network) -> None:
    network.broker.capabilities = Capabilities(is_ordered=False)
    network.broker.faults = Faults(delay=0.5, reorders=True)
    a, b = network.cluster_of("A", "B")
    b.connect("B1")
    for _ in range(20):
        a.emit("mixed")
    network.run(5)
    assert (b.failures, len(b.events("B1"))) == ([], 20)


# --- somebody speaks in the name of another -------------------------------------------------------


def test_goodbye_that_somebody_else_has_said_is_undone_by_heartbeats(
    network: Network, nodes: list[Node]
) -> None:
    a, _, c = nodes
    a.message_received(encode_message(Message(MessageType.ADAPTER_CLOSE, {}, "C", "/")))
    assert a.sees == ["B"]
    network.run(12)  # more than two heartbeats
    assert sorted(a.sees) == ["B", "C"]
    c.emit("x", to("r"))
    a.emit("y", to("s"))
    network.run(0.1)
    assert (a.events("a1"), c.events("c1")) == (["x"], ["y"])


def test_numbers_that_somebody_else_has_used_silence_nobody_for_long(
    network: Network, nodes: list[Node]
) -> None:
    a, b, _ = nodes
    forged = Message(MessageType.HEARTBEAT, {}, "B", "/", number=10**18, sequence=10**18)
    a.message_received(encode_message(forged))
    network.run(6)
    b.emit("x", to("r"))
    network.run(0.1)
    assert a.events("a1") == ["x"]


def test_rooms_that_somebody_else_has_told_are_asked_for_at_the_next_heartbeat(
    network: Network, nodes: list[Node]
) -> None:
    a, b, _ = nodes
    told = {"version": 10**9, "rooms": []}
    a.message_received(encode_message(Message(MessageType.INTEREST, told, "B", "/")))
    network.run(6)
    a.emit("x", to("r"))
    network.run(0.1)
    assert b.events("b1") == ["x"]


@pytest.mark.parametrize("type_", [0, -1, -(10**9)])
def test_types_below_those_there_are_are_no_heartbeats(nodes: list[Node], type_: int) -> None:
    a = nodes[0]
    own = {"sockwave": {"version": "no number"}}
    a.message_received(encode_message(Message(type_, own, "B", "/")))
    assert (a.cluster.dropped, a.sees) == (0, ["B", "C"])
