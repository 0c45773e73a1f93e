from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.webtransport import MAX_LENGTH, Frame, FrameReader, encode_frame, frame_head
from sockwave.errors import PacketError

MAX_PAYLOAD = 1_000_000

packets = st.lists(
    st.builds(
        Frame,
        st.booleans(),
        st.one_of(
            st.binary(min_size=1, max_size=20),
            st.sampled_from([125, 126, 127, 65_535, 65_536]).map(lambda size: b"x" * size),
        ),
    ),
    max_size=6,
)


def encoded(frames: list[Frame]) -> bytes:
    return b"".join(encode_frame(frame.data, binary=frame.is_binary) for frame in frames)


def read_all(reader: FrameReader) -> list[Frame]:
    found = []
    while (frame := reader.read()) is not None:
        found.append(frame)
    return found


def read_pieces(pieces: list[bytes], max_payload: int = MAX_PAYLOAD) -> list[Frame]:
    reader = FrameReader(max_payload)
    found = []
    for piece in pieces:
        reader.feed(piece)
        found += read_all(reader)
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in itertools.pairwise(borders)]


# --- the reference's bytes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "head"),
    [
        (Frame(False, b"4hello"), "06"),
        (Frame(True, b"\x01\x02\x03"), "83"),
        (Frame(True, bytes(12_345)), "fe3039"),
        (Frame(True, bytes(1_000_000)), "ff00000000000f4240"),
        (Frame(False, "41€".encode()), "05"),
        (Frame(False, b"0"), "01"),
        (Frame(False, bytes(125)), "7d"),
        (Frame(False, bytes(126)), "7e007e"),
        (Frame(False, bytes(65_535)), "7effff"),
        (Frame(False, bytes(65_536)), "7f0000000000010000"),
    ],
)
def test_bytes_are_those_of_the_reference(frame: Frame, head: str) -> None:
    data = encode_frame(frame.data, binary=frame.is_binary)
    assert data == bytes.fromhex(head) + frame.data
    assert frame_head(len(frame.data), binary=frame.is_binary) == bytes.fromhex(head)
    assert read_pieces([data]) == [frame]


# --- any split ------------------------------------------------------------------------------------


@given(packets, st.lists(st.integers(0, 2**20), max_size=12))
def test_any_split_gives_the_same_packets(frames: list[Frame], places: list[int]) -> None:
    assert read_pieces(cut(encoded(frames), places)) == frames


@pytest.mark.parametrize("size", [1, 125, 126, 300, 65_536])
def test_every_split_in_two_gives_the_same_packets(size: int) -> None:
    frames = [Frame(False, b"4" * size), Frame(True, b"\x00" * 3), Frame(False, b"2")]
    data = encoded(frames)
    near_borders = {*range(min(len(data), 400)), *range(len(data) - 30, len(data))}
    for place in near_borders:
        assert read_pieces([data[:place], data[place:]]) == frames


def test_byte_by_byte() -> None:
    frames = [Frame(False, b"4" * 300), Frame(True, b"\xff" * 70_000), Frame(False, b"3probe")]
    assert read_pieces([bytes((byte,)) for byte in encoded(frames)]) == frames


@given(packets)
def test_what_was_fed_before_is_read_later(frames: list[Frame]) -> None:
    reader = FrameReader(MAX_PAYLOAD)
    for frame in frames:
        reader.feed(encode_frame(frame.data, binary=frame.is_binary))
    assert reader.held == len(encoded(frames))
    assert reader.unread == encoded(frames)
    assert read_all(reader) == frames
    assert reader.held == 0
    assert reader.unread == b""


# --- what is refused ------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_read_or_refused(data: bytes, places: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> tuple[list[Frame], bool]:
        reader = FrameReader(100)
        found = []
        try:
            for piece in pieces:
                reader.feed(piece)
                while (frame := reader.read()) is not None:
                    found.append(frame)
        except PacketError:
            return found, False
        return found, True

    assert outcome(cut(data, places)) == outcome([data])


@pytest.mark.parametrize("head", ["00", "80", "7e0000", "fe0000", "7f" + "00" * 8])
def test_an_empty_frame_is_refused(head: str) -> None:
    with pytest.raises(PacketError, match="empty frame"):
        read_pieces([bytes.fromhex(head)])


@pytest.mark.parametrize("length", [1_001, 65_536, MAX_LENGTH + 1, 2**63 - 1, 2**64 - 1])
def test_a_frame_that_is_too_large_is_refused_by_its_head(length: int) -> None:
    with pytest.raises(PacketError, match="too big"):
        read_pieces([frame_head(length, binary=True)], max_payload=1_000)


def test_a_frame_of_the_most_bytes_is_read() -> None:
    frame = Frame(False, b"4" * 1_000)
    assert read_pieces([encode_frame(frame.data)], max_payload=1_000) == [frame]


def test_no_limit_of_the_caller_goes_past_what_javascript_can_count() -> None:
    with pytest.raises(PacketError, match="too big"):
        read_pieces([frame_head(MAX_LENGTH + 1)], max_payload=2**64)
    assert read_pieces([frame_head(MAX_LENGTH)], max_payload=2**64) == []


def test_a_stream_may_end_between_frames() -> None:
    def is_between(data: bytes) -> bool:
        reader = FrameReader(MAX_PAYLOAD)
        reader.feed(data)
        read_all(reader)
        return reader.is_between_frames

    assert is_between(b"")
    assert is_between(b"\x0240")
    assert not is_between(b"\x02")
    assert not is_between(b"\x0240\x02")


# --- memory and time ------------------------------------------------------------------------------


def test_a_large_frame_in_small_pieces_takes_little_memory() -> None:
    size = 1_000_000
    data = encode_frame(bytes(size), binary=True)
    reader = FrameReader(size)
    tracemalloc.start()
    try:
        for begin in range(0, len(data), 20):
            reader.feed(data[begin : begin + 20])
            if begin + 20 < len(data):
                assert reader.read() is None
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()
    frame = reader.read()
    assert frame is not None
    assert len(frame.data) == size


def test_what_is_not_read_yet_can_be_taken_out() -> None:
    reader = FrameReader(100)
    reader.feed(encode_frame(b"4one") + encode_frame(b"4two") + b"\x054th")
    assert reader.read() == Frame(False, b"4one")
    assert reader.unread == encode_frame(b"4two") + b"\x054th"
    assert reader.read() == Frame(False, b"4two")
    assert reader.read() is None
    assert reader.unread == b"\x054th"


def test_empty_binary_message_is_text_since_no_frame_is_empty() -> None:
    assert encode_frame(b"", binary=True) == b"\x01b"
    assert read_pieces([b"\x01b"]) == [Frame(False, b"b")]
