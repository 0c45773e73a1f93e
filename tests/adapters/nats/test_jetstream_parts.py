"""Parts of large entries, places of entries, and options, without a NATS."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters import JetStream, NatsAdapter
from sockwave.adapters.messages import Message, MessageType, encode_message
from sockwave.adapters.nats.jetstream.entries import JetStreamEntry, Places
from sockwave.adapters.nats.jetstream.parts import Parts, cut, is_reference, read_reference
from sockwave.adapters.nats.subjects import Subjects, split_subject
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.errors import PacketError
from sockwave.socketio.client.offsets import Offsets

CREATED = "2026-11-30T17:58:10.071234567Z"


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_places_are_in_the_order_of_the_numbers(one: int, two: int) -> None:
    places = Places(CREATED)
    assert (places.position(one) < places.position(two)) is (one < two)
    assert places.sequence(places.position(one)) == max(one, 1)
    assert places.sequence(places.position(one) + 1) == one + 1
    assert position_of(entry_id(places.position(one))) == places.position(one)


def test_places_of_a_stream_that_was_made_later_are_behind() -> None:
    places, later = Places(CREATED), Places("2026-11-30T17:58:10.072Z")
    assert places.position(2**29) < later.position(0)
    assert places.sequence(later.position(5)) > 2**29
    assert later.sequence(places.position(5)) == 1


@pytest.mark.parametrize("number", [0, 1, 2**30 - 1, 2**30, 2**45])
def test_offset_has_the_form_by_which_clients_know_it(number: int) -> None:
    offsets, text = Offsets(), entry_id(Places(CREATED).position(number))
    offsets.accepted("x" * 20)
    assert offsets.without(["news", 1, text]) == ["news", 1]
    assert offsets.last == text


@pytest.mark.parametrize("created", ["2026-11-30T17:58:10Z", "2026-11-30T17:58:10.5Z"])
def test_time_may_have_fewer_digits(created: str) -> None:
    assert entry_id(Places(created).position(7)) in ("1796061490000-7", "1796061490500-7")


@pytest.mark.parametrize("created", ["", "now", "2026-11-30", "2026-13-30T17:58:10Z"])
def test_what_is_no_time_makes_no_places(created: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Places(created)


def test_entry_is_read_once_and_tells_what_is_in_it() -> None:
    message = Message(MessageType.BROADCAST, {"packet": {"data": ["x"]}}, "me", "/", 7)
    entry = JetStreamEntry(5, "/", encode_message(message))
    assert (entry.sender, entry.number, entry.namespace) == (b"me", 7, "/")
    assert entry.message() == message
    assert entry.message() is entry.message()


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\0\0", b"\xc1", b"[]"])
def test_entry_that_is_no_message_is_of_nobody(data: bytes) -> None:
    entry = JetStreamEntry(5, "/", data)
    assert (entry.sender, entry.number) == (b"", None)
    with pytest.raises(PacketError):
        entry.message()


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50))
def test_parts_make_the_whole(data: bytes, most: int) -> None:
    pieces, reference = cut(data, "a-1", most)
    parts = Parts()
    for piece in pieces:
        assert len(piece) <= most
        parts.add("/", "a-1", piece)
    assert is_reference(reference)
    assert parts.take("/", reference) == data
    with pytest.raises(PacketError) as refused:
        parts.take("/", reference)
    assert "are missing" in str(refused.value.detail)


def test_parts_without_references_are_kept_within_a_bound() -> None:
    parts = Parts(10)
    for token in "abc":
        parts.add("/", token, bytes(4))
    with pytest.raises(PacketError):
        parts.take("/", cut(bytes(4), "a", 4)[1])
    assert parts.take("/", cut(bytes(4), "c", 4)[1]) == bytes(4)


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0\0\1", b"\0\0\0\0\1a.b", b"\0\0\0\0\1>"])
def test_reference_that_makes_no_sense_is_refused(data: bytes) -> None:
    """It must not become a subject that matches others."""
    with pytest.raises(PacketError):
        read_reference(data)


def test_subjects_in_streams() -> None:
    subjects = Subjects("a.b")
    assert subjects.stream_name == "a=2Eb"
    assert subjects.log("/", "me") == "a.b.=2F.log.me"
    assert subjects.logs("/") == "a.b.=2F.log.*"
    assert subjects.session("/x", "a*b") == "a.b.=2Fx.session.a=2Ab"
    assert subjects.all_entries == ["a.b.*.log.*", "a.b.*.part.*"]
    assert split_subject(subjects.parts("/", "t")) == (subjects.base("/"), True, "t")
    assert split_subject(subjects.log("/", "me")) == (subjects.base("/"), False, "me")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_bytes": 1}, ValueError),
        ({"max_bytes": "1"}, TypeError),
        ({"replicas": 0}, ValueError),
        ({"replicas": 6}, ValueError),
        ({"storage": "disk"}, ValueError),
        ({"max_byte": 1}, TypeError),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        JetStream(**options)


@pytest.mark.parametrize("option", [None, 1, "yes", {}, ssl.PROTOCOL_TLS_CLIENT])
def test_jetstream_is_a_bool_or_options(option: Any) -> None:
    with pytest.raises(TypeError, match="jetstream must be"):
        NatsAdapter(jetstream=option)
