"""Frames: what is lost is noticed, what is large comes in parts, what makes no sense is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.nats import frames as frames_module
from sockwave.adapters.nats.frames import HEAD_SIZE, FrameReader, FrameWriter, sender_of
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Hashable

ONE, TWO = b"sender-1", b"sender-2"
LARGE = 1_000_000


class Reading:
    """A reader, and what it has said."""

    def __init__(self, max_partial: int = LARGE) -> None:
        self.lost: list[tuple[Hashable, str]] = []
        self.reader = FrameReader(
            lambda place, what: self.lost.append((place, what)), max_partial=max_partial
        )

    def read(self, *frames: bytes, place: Hashable = "all", now: float = 0.0) -> list[bytes]:
        read = [self.reader.receive(place, frame, now) for frame in frames]
        return [message for message in read if message is not None]


def frames(writer: FrameWriter, *messages: bytes, room: int = LARGE) -> list[bytes]:
    """The frames of messages to one subject."""
    return [f for m in messages for f in writer.frames("all", m, room + HEAD_SIZE)]


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 50))
def test_messages_of_any_size_arrive_whole_and_in_order(messages: list[bytes], room: int) -> None:
    reading = Reading()
    sent = frames(FrameWriter(ONE), *messages, room=room)
    assert all(len(frame) <= room + HEAD_SIZE for frame in sent)
    assert reading.read(*sent) == messages
    assert reading.lost == []


@given(st.data())
def test_each_loss_is_told_and_no_message_is_made_of_what_is_left(data: st.DataObject) -> None:
    messages = [bytes([number]) * (number % 7) for number in range(30)]
    writer, reading = FrameWriter(ONE), Reading()
    sent = frames(writer, *messages, room=2)
    kept = data.draw(st.lists(st.booleans(), min_size=len(sent), max_size=len(sent)))
    kept[0] = True  # whoever hears of a sender for the first time cannot miss anything
    arrived = [frame for frame, is_kept in zip(sent, kept, strict=True) if is_kept]
    read = reading.read(*arrived, *(mark for _, mark in writer.marks()))
    left = iter(messages)
    assert all(message in left for message in read), "in their order, and nothing else"
    assert bool(reading.lost) == (not all(kept))
    if all(kept):
        assert read == messages


def test_a_mark_tells_of_a_last_message_that_was_lost() -> None:
    writer, reading = FrameWriter(ONE), Reading()
    first, last = frames(writer, b"first", b"last")
    ((subject, mark),) = writer.marks()
    assert (subject, writer.marks()) == ("all", [])
    reading.read(first)
    reading.read(mark)
    reading.read(mark)
    assert reading.lost == [("all", "NATS has lost 1 messages of another process, or parts of one")]
    assert reading.read(last) == [], "it was counted as lost"


def test_number_that_somebody_else_has_used_silences_nobody_beyond_the_next_mark() -> None:
    reading, writer = Reading(), FrameWriter(ONE)
    assert reading.read(*frames(writer, b"1")) == [b"1"]
    assert reading.read(struct.pack("!B8sQ", 0, ONE, 10**18) + b"forged") == [b"forged"]
    assert reading.read(*frames(writer, b"2")) == []
    reading.read(*(mark for _, mark in writer.marks()))
    assert reading.read(*frames(writer, b"3")) == [b"3"]


def test_a_mark_of_somebody_who_was_not_heard_yet_begins_his_count() -> None:
    writer, reading = FrameWriter(ONE), Reading()
    frames(writer, b"before")
    reading.read(*(mark for _, mark in writer.marks()))
    lost, after = frames(writer, b"lost", b"after")
    assert lost
    assert reading.read(after) == [b"after"]
    assert len(reading.lost) == 1


def test_frame_that_comes_twice_is_taken_once() -> None:
    reading = Reading()
    one, two = frames(FrameWriter(ONE), b"one", b"two")
    assert reading.read(one, one, two, one, two) == [b"one", b"two"]
    assert reading.lost == []


def test_senders_and_places_are_counted_apart() -> None:
    reading = Reading()
    a, b = FrameWriter(ONE), FrameWriter(TWO)
    (a1, a2), (b1, b2) = frames(a, b"a1", b"a2"), frames(b, b"b1", b"b2")
    assert reading.read(a1, b1) == [b"a1", b"b1"]
    assert reading.read(a1, b2, place="own") == [b"a1", b"b2"]
    assert reading.read(b2, a2) == [b"b2", b"a2"]
    assert reading.lost == []
    assert sender_of(a1) == ONE


def test_subjects_are_counted_apart() -> None:
    writer = FrameWriter(ONE)
    (one,) = writer.frames("one", b"x", LARGE)
    (two,) = writer.frames("two", b"x", LARGE)
    (more,) = writer.frames("one", b"x", LARGE)
    numbers = [struct.unpack_from("!Q", frame, 9)[0] for frame in (one, two, more)]
    assert numbers == [0, 1, 1], "a new one begins behind all that was counted"
    assert sorted(subject for subject, _ in writer.marks()) == ["one", "two"]


def test_subject_that_is_forgotten_gets_no_mark() -> None:
    writer = FrameWriter(ONE)
    frames(writer, b"x")
    writer.forget("all")
    assert writer.marks() == []


def test_parts_of_two_senders_may_be_mixed() -> None:
    reading = Reading()
    a = frames(FrameWriter(ONE), b"aaaaaa", room=2)
    b = frames(FrameWriter(TWO), b"bbbb", room=2)
    assert reading.read(a[0], b[0], a[1], b[1], a[2]) == [b"bbbb", b"aaaaaa"]


def test_sender_that_was_cut_off_begins_again() -> None:
    """After a new connection it sends the whole message once more."""
    writer, reading = FrameWriter(ONE), Reading()
    cut = frames(writer, b"aaaaaa", room=2)[:2]
    reading.read(*cut)
    writer = FrameWriter(ONE)
    frames(writer, b"..", b"..")  # as many as came before the cut
    assert reading.read(*frames(writer, b"aaaaaa", b"next", room=2)) == [b"aaaaaa", b"next"]
    assert reading.lost == []


def test_who_comes_in_the_middle_of_a_message_waits_for_the_next() -> None:
    reading = Reading()
    sent = frames(FrameWriter(ONE), b"aaaaaa", b"bb", room=2)
    assert reading.read(*sent[1:]) == [b"bb"]
    assert reading.lost == []


def test_rest_that_does_not_come_is_given_up_and_told() -> None:
    writer, reading = FrameWriter(ONE), Reading()
    sent = frames(writer, b"aaaaaa", room=2)
    reading.read(*sent[:2], now=100.0)
    reading.reader.expire(130.0)
    assert reading.lost == []
    reading.reader.expire(130.1)
    assert [place for place, _ in reading.lost] == ["all"]
    reading.reader.expire(200.0)
    assert len(reading.lost) == 1
    assert reading.read(sent[2]) == [], "there is no message of the last part alone"


def test_parts_are_bounded_and_the_oldest_go_first() -> None:
    reading = Reading(max_partial=10)
    a = frames(FrameWriter(ONE), b"a" * 8, room=4)
    b = frames(FrameWriter(TWO), b"b" * 12, room=4)
    reading.read(a[0], place="a")
    assert reading.read(*b[:2], place="b") == []
    assert reading.lost == [("a", "a message of another process is too large")]
    assert reading.read(b[2], place="b") == [b"b" * 12]
    assert reading.read(a[1], place="a") == []


def test_message_that_alone_is_too_large_is_given_up() -> None:
    reading = Reading(max_partial=10)
    sent = frames(FrameWriter(ONE), b"a" * 20, b"next", room=4)
    assert reading.read(*sent) == [b"next"]
    assert len(reading.lost) == 1


def test_place_that_is_forgotten_begins_anew() -> None:
    writer, reading = FrameWriter(ONE), Reading()
    one, *_, last = frames(writer, b"one", b"parts", b"last", room=3)
    reading.read(one)
    reading.reader.forget("all")
    assert reading.read(last) == []
    assert reading.lost == []
    assert reading.read(*frames(writer, b"new")) == [b"new"]


def test_memory_of_senders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "MAX_STREAMS", 2)
    reading = Reading()
    writers = [FrameWriter(b"sender-%d" % number) for number in range(3)]
    for writer in writers:
        assert reading.read(*frames(writer, b"x")) == [b"x"]
    frames(writers[0], b"lost")
    assert reading.read(*frames(writers[0], b"y")) == [b"y"]
    assert reading.lost == [], "the first was forgotten for the third"


def test_memory_of_subjects_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "MAX_SUBJECTS", 2)
    writer = FrameWriter(ONE)
    (before,) = writer.frames("a", b"x", LARGE)
    for subject in ("b", "c"):
        list(writer.frames(subject, b"x", LARGE))
    (after,) = writer.frames("a", b"y", LARGE)
    reading = Reading()
    assert reading.read(before, after) == [b"x", b"y"], "not taken for one that came twice"
    assert len(writer.marks()) == 2


@pytest.mark.parametrize("frame", [b"", b"\x00", bytes(HEAD_SIZE - 1), b"\x05" + bytes(40)])
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(PacketError):
        Reading().read(frame)


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_whatever_comes_is_a_message_a_loss_or_an_error(received: list[bytes]) -> None:
    reading = Reading(max_partial=50)
    for frame in received:
        try:
            reading.read(frame)
        except PacketError:
            continue
    reading.reader.expire(1_000.0)
