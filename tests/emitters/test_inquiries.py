"""Questions of emitters: whatever comes, in whatever order, each ends as it should."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sockwave.adapters.messages import ANONYMOUS, Message, MessageType, decode_message
from sockwave.adapters.messages import encode_message as encode
from sockwave.emitters import inquiries
from sockwave.emitters.inquiries import AckInquiry, CountInquiry, FetchInquiry
from sockwave.errors import AckTimeout, ClusterTimeout, LimitExceeded
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions

if TYPE_CHECKING:
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.socketio.core.cluster_contract import RemoteDetails

Q = TypeVar("Q", bound="Inquiry[Any]")

ALL = BroadcastOptions()


def ack(timeout: float | None = 10.0) -> AckInquiry:
    options = BroadcastOptions(flags=BroadcastFlags(timeout=timeout))
    return begun(AckInquiry("question", (1,), options, "/", 60.0))


def fetch() -> FetchInquiry[str]:
    return begun(FetchInquiry(ALL, "/", lambda details: str(details.id)))


def begun(inquiry: Q) -> Q:
    inquiry.begin(100.0)
    return inquiry


def say(inquiry: Inquiry[Any], sender: str, type_: int, *, nsp: str = "/", **data: Any) -> bool:
    """Let a server answer."""
    message = Message(type_, {"requestId": inquiry.id, **data}, sender, nsp)
    if sender == ANONYMOUS:
        return inquiry.came(inquiry.id.encode(), lambda _: message)
    return inquiry.came(encode(message), decode_message)


def count(inquiry: Inquiry[Any], sender: str, number: Any, **more: Any) -> bool:
    type_ = MessageType.BROADCAST_CLIENT_COUNT
    return say(inquiry, sender, type_, clientCount=number, **more)


def answer(inquiry: Inquiry[Any], sender: str, value: Any, **more: Any) -> bool:
    return say(inquiry, sender, MessageType.BROADCAST_ACK, packet=value, **more)


def sockets(inquiry: Inquiry[Any], sender: str, *ids: str, **more: Any) -> bool:
    found = [{"id": id_, "handshake": {}, "rooms": [id_], "data": {}} for id_ in ids]
    return say(inquiry, sender, MessageType.FETCH_SOCKETS_RESPONSE, sockets=found, **more)


# --- servers that the carrier counts --------------------------------------------------------------


def test_question_is_over_when_all_clients_of_all_servers_have_answered() -> None:
    inquiry = ack()
    inquiry.counted(2, 100.0)
    answer(inquiry, "B", "early", id="b1")
    count(inquiry, "A", 1, ids=["a1"])
    count(inquiry, "B", 1, ids=["b1"])
    assert not inquiry.is_over
    answer(inquiry, "A", "one", id="a1", args=["one", "two"])
    assert inquiry.result() == ["early", ("one", "two")]
    assert inquiry.result().by_socket == {"b1": "early", "a1": ("one", "two")}


def test_servers_are_counted_before_or_after_they_answer() -> None:
    for is_late in (False, True):
        inquiry = fetch()
        if not is_late:
            inquiry.counted(2, 100.0)
        sockets(inquiry, "A", "a1", servers=2, others=["B"])
        sockets(inquiry, "B", servers=2, others=["A"])
        if is_late:
            assert not inquiry.is_over
            inquiry.counted(2, 100.0)
        assert inquiry.result() == ["a1"]


def test_servers_without_names_answer_one_for_each() -> None:
    inquiry = ack()
    inquiry.counted(2, 100.0)
    for _ in range(2):
        count(inquiry, ANONYMOUS, 1)
        answer(inquiry, ANONYMOUS, "x")
    assert inquiry.result() == ["x", "x"]


def test_no_servers_answer_at_once() -> None:
    for inquiry in (ack(), fetch()):
        inquiry.counted(0, 100.0)
        assert inquiry.result() == []


# --- servers that say how many they are -----------------------------------------------------------


def test_first_server_tells_how_many_there_are() -> None:
    inquiry = fetch()
    inquiry.counted(None, 100.0)
    assert inquiry.next_deadline() == 101.0
    sockets(inquiry, "A", "a1", servers=2, others=["J"])
    inquiry.handle_timeout(102.0)
    assert not inquiry.is_over
    sockets(inquiry, "J", "j1")  # in JavaScript: it does not tell
    assert inquiry.result() == ["a1", "j1"]


def test_more_servers_than_the_first_one_knows_are_waited_for() -> None:
    inquiry = fetch()
    sockets(inquiry, "A", "a1", servers=2)
    inquiry.counted(None, 100.0)
    sockets(inquiry, "B", "b1", servers=3)
    assert not inquiry.is_over
    sockets(inquiry, "C", "c1", servers=3)
    assert inquiry.result() == ["a1", "b1", "c1"]


def test_where_nobody_tells_those_are_all_who_have_answered_within_a_second() -> None:
    inquiry = fetch()
    inquiry.counted(None, 100.0)
    sockets(inquiry, "J", "j1")
    sockets(inquiry, "K", "k1")
    inquiry.handle_timeout(100.9)
    assert not inquiry.is_over
    inquiry.handle_timeout(101.0)
    assert inquiry.result() == ["j1", "k1"]
    slow = ack()
    slow.counted(None, 100.0)
    count(slow, "J", 1)
    slow.handle_timeout(101.0)
    assert not slow.is_over  # its client has the time of the question
    answer(slow, "J", "late")
    assert slow.result() == ["late"]


def test_servers_are_counted_by_what_they_tell_or_by_their_answers() -> None:
    told, heard, dead = (begun(CountInquiry("/")) for _ in range(3))
    for inquiry in (told, heard, dead):
        inquiry.counted(None, 100.0)
    response = MessageType.COUNT_RESPONSE
    for sender in ("A", "B"):
        say(told, sender, response, count=0, servers=2)
    assert told.result() == 2
    for sender in ("J", "K"):
        sockets(heard, sender)
    heard.handle_timeout(101.0)
    assert heard.result() == 2
    say(dead, "A", response, count=0, servers=2)
    assert dead.next_deadline() == 101.0
    dead.handle_timeout(101.0)
    assert dead.result() == 2


# --- who does not answer --------------------------------------------------------------------------


def test_who_does_not_answer_is_named_as_far_as_it_is_known() -> None:
    inquiry = ack()
    inquiry.counted(3, 100.0)
    count(inquiry, "A", 2, ids=["a1", "a2"], servers=3, others=["B", "C"])
    count(inquiry, "B", 1)
    answer(inquiry, "A", 1, id="a1")
    say(inquiry, "A", MessageType.ACK_LOST, id="a2")
    inquiry.handle_timeout(110.0)
    with pytest.raises(AckTimeout) as raised:
        inquiry.result()
    assert raised.value.responses == [1]
    assert raised.value.missing == ("a2",)
    assert raised.value.missing_servers == ("B", "C")


def test_sockets_that_are_known_come_with_the_error() -> None:
    inquiry = fetch()
    inquiry.counted(2, 100.0)
    sockets(inquiry, "A", "a1", others=["A", "B", 7, None], servers=2)
    inquiry.handle_timeout(105.0)
    with pytest.raises(ClusterTimeout) as raised:
        inquiry.result()
    assert (raised.value.arrived, raised.value.missing_servers) == (["a1"], ("B",))


def test_client_that_is_gone_ends_the_question_with_an_error_at_once() -> None:
    inquiry = ack()
    inquiry.counted(1, 100.0)
    count(inquiry, "A", 1, ids=["a1"])
    say(inquiry, "A", MessageType.ACK_LOST, id="a1")
    with pytest.raises(AckTimeout) as raised:
        inquiry.result()
    assert raised.value.missing == ("a1",)


# --- what is no answer ----------------------------------------------------------------------------


def test_what_is_not_an_answer_to_this_question_is_ignored() -> None:
    inquiry, other = fetch(), fetch()
    inquiry.counted(1, 100.0)

    def unread(data: bytes) -> Message:
        pytest.fail("it is another one's")

    for data in (b"", b"{", b"\xff" * 100, other.id.encode(), encode(other.message)):
        assert not inquiry.came(data, unread)
    assert inquiry.came(encode(inquiry.message), decode_message)  # the question itself
    sockets(inquiry, "A", "x", nsp="/admin")
    assert inquiry.came(inquiry.id.encode(), lambda _: None)
    foreign = Message(8, {"requestId": "x", "sockets": [], "y": inquiry.id}, "A", "/")
    inquiry.came(encode(foreign), decode_message)
    assert not inquiry.is_over


def test_server_answers_once() -> None:
    inquiry = fetch()
    inquiry.counted(2, 100.0)
    for _ in range(3):
        sockets(inquiry, "A", "a1")
    assert not inquiry.is_over
    sockets(inquiry, "B", "b1")
    assert inquiry.result() == ["a1", "b1"]
    assert not sockets(inquiry, "C", "late")
    assert inquiry.result() == ["a1", "b1"]


@pytest.mark.parametrize(
    "data",
    [
        {"clientCount": -1},
        {"clientCount": 10**30},
        {"clientCount": True},
        {"clientCount": "1"},
        {"clientCount": 1, "ids": [None]},
        {"clientCount": 1, "servers": "many"},
        {"clientCount": 1, "servers": -1},
        {},
    ],
)
def test_malformed_answer_leaves_a_line_in_the_log(
    data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inquiry = ack()
    inquiry.counted(1, 100.0)
    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        say(inquiry, ANONYMOUS, MessageType.BROADCAST_CLIENT_COUNT, **data)
        inquiry.came(b"\xc1" + inquiry.id.encode(), decode_message)
    assert caplog.messages[0].startswith("answer 1 to an emitter is dropped: ")
    assert not inquiry.is_over
    count(inquiry, "A", 0)
    assert inquiry.result() == []


def test_server_that_lies_about_numbers_is_waited_for_no_longer_than_for_others() -> None:
    inquiry = ack()
    inquiry.counted(None, 100.0)
    count(inquiry, "A", 10**9, servers=10**9)
    assert inquiry.next_deadline() == 110.0
    inquiry.handle_timeout(110.0)
    with pytest.raises(AckTimeout):
        inquiry.result()


def test_answers_are_bounded_in_bytes_and_so_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "MAX_BYTES", 10_000)
    large, many = ack(), ack()
    answer(large, "A", "x" * 10_000)
    for inquiry, number in ((many, 0), (large, 1)):
        while not inquiry.is_over:
            number += 1
            answer(inquiry, "A", 1, id=f"a{number}")
        assert number < 100
        with pytest.raises(LimitExceeded, match="more than 10000 bytes"):
            inquiry.result()


def test_names_of_servers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "MAX_NAMES", 5)
    inquiry = fetch()
    inquiry.counted(2, 100.0)
    sockets(inquiry, "A", servers=2, others=[f"x{number}" for number in range(100)])
    inquiry.handle_timeout(105.0)
    with pytest.raises(ClusterTimeout) as raised:
        inquiry.result()
    assert len(raised.value.missing_servers) == 5


def test_default_times_are_those_of_servers() -> None:
    assert ack(None).timeout == 60.0
    assert ack(None).message.data["opts"]["flags"]["timeout"] == 60_000
    assert fetch().timeout == 5.0


def made(details: RemoteDetails) -> str:
    return details.member


def test_whoever_makes_sockets_gets_what_their_server_told() -> None:
    inquiry = begun(FetchInquiry(ALL, "/", made))
    inquiry.counted(1, 100.0)
    sockets(inquiry, "A", "a1")
    assert inquiry.result() == ["A"]
