from __future__ import annotations

import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.deflate import Deflate, PerMessageDeflate, negotiate
from sockwave.codec.websocket import CloseCode
from sockwave.errors import WebSocketError
from tests.codec.handlers import Connection, peak_memory

LIMIT = 1_000_000


def finished(data: bytes) -> bytes:
    """A deflate stream that ends with a final block."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH)


def bomb(size: int) -> bytes:
    """A message of zeros, compressed a thousandfold."""
    compressor = zlib.compressobj(9, wbits=-15)
    chunk = bytes(1 << 20)
    parts = [compressor.compress(chunk) for _ in range(size >> 20)]
    return b"".join([*parts, compressor.flush(zlib.Z_SYNC_FLUSH)])[:-4]


def failure(extension: PerMessageDeflate, data: bytes, limit: int = LIMIT) -> int:
    with pytest.raises(WebSocketError) as caught:
        extension.decompress(data, limit)
    return caught.value.code


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("threshold", 0, 2**31),
        ("server_max_window_bits", 9, 15),
        ("level", -1, 9),
        ("mem_level", 1, 9),
    ],
)
def test_option_out_of_range_is_refused_by_name(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(Deflate(**{name: value}), name) == value  # type: ignore[arg-type] # by name
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"^per_message_deflate: {name} must be between {low}"):
            Deflate(**{name: value})  # type: ignore[arg-type] # by name


def test_extension_shows_the_threshold() -> None:
    assert PerMessageDeflate(Deflate(threshold=7)).threshold == 7


# --- round trips ----------------------------------------------------------------------------------

messages = st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([b"", b"abc" * 500])))


@given(
    messages,
    st.booleans(),
    st.integers(9, 15),
    st.sampled_from([-1, 0, 1, 6, 9]),
    st.integers(1, 9),
)
def test_messages_round_trip_with_every_option(
    messages: list[bytes], takeover: bool, bits: int, level: int, mem_level: int
) -> None:
    writer = PerMessageDeflate(
        Deflate(level=level, mem_level=mem_level), write_window_bits=bits, write_takeover=takeover
    )
    reader = PerMessageDeflate(Deflate(), read_window_bits=bits, read_takeover=takeover)
    for message in messages:
        assert reader.decompress(writer.compress(message), LIMIT) == message


@pytest.mark.parametrize(
    ("bits", "takeover", "level", "mem_level"),
    list(itertools.product(range(9, 16), [True, False], [-1, 0, 9], [1, 8, 9])),
)
def test_long_messages_round_trip(bits: int, takeover: bool, level: int, mem_level: int) -> None:
    options = Deflate(level=level, mem_level=mem_level)
    writer = PerMessageDeflate(options, write_window_bits=bits, write_takeover=takeover)
    reader = PerMessageDeflate(options, read_window_bits=bits, read_takeover=takeover)
    text = b"".join(b'42["event",%d]' % (n * n % 911) for n in range(3000))
    for message in (text, b"", text[::-1], text):
        assert reader.decompress(writer.compress(message), LIMIT) == message


def test_reader_that_keeps_its_window_reads_a_writer_that_does_not() -> None:
    writer = PerMessageDeflate(Deflate(), write_takeover=False)
    reader = PerMessageDeflate(Deflate())
    for message in (b"abc" * 100, b"abc" * 100, b""):
        assert reader.decompress(writer.compress(message), LIMIT) == message


def test_window_outlives_a_message_only_with_takeover() -> None:
    message = random.Random(1).randbytes(1000)
    kept = PerMessageDeflate(Deflate())
    fresh = PerMessageDeflate(Deflate(), write_takeover=False)
    assert len(kept.compress(message)) > 1000 and len(kept.compress(message)) < 50
    assert fresh.compress(message) == fresh.compress(message)


def test_reader_without_takeover_refuses_a_reference_to_the_message_before() -> None:
    writer = PerMessageDeflate(Deflate())
    reader = PerMessageDeflate(Deflate(), read_takeover=False)
    first, second = writer.compress(b"Hello" * 20), writer.compress(b"Hello" * 20)
    assert reader.decompress(first, LIMIT) == b"Hello" * 20
    assert failure(reader, second) == CloseCode.INVALID_PAYLOAD


# --- final blocks ---------------------------------------------------------------------------------


def test_data_after_a_final_block_belongs_to_the_message() -> None:
    reader = PerMessageDeflate(Deflate())
    assert reader.decompress(finished(b"Hello") + finished(b" world") + b"\0", 11) == b"Hello world"


def test_window_after_a_final_block_outlives_the_message() -> None:
    writer = PerMessageDeflate(Deflate())
    reader = PerMessageDeflate(Deflate())
    text = b"Hello" * 20
    assert reader.decompress(finished(b"<") + writer.compress(text), LIMIT) == b"<" + text
    assert reader.decompress(writer.compress(text), LIMIT) == text


@pytest.mark.parametrize("end", [b"", b"\0"], ids=["bare", "padded"])
@pytest.mark.parametrize("takeover", [True, False])
def test_stream_goes_on_after_messages_with_a_final_block(end: bytes, takeover: bool) -> None:
    reader = PerMessageDeflate(Deflate(), read_takeover=takeover)
    for message in (b"Hello", b"", b"Hello"):
        assert reader.decompress(finished(message) + end, 5) == message


@pytest.mark.parametrize("split", [0, 1, 5, 10])
def test_limit_holds_across_final_blocks(split: int) -> None:
    data = finished(b"x" * split) + finished(b"x" * (10 - split)) + b"\0"
    assert PerMessageDeflate(Deflate()).decompress(data, 10) == b"x" * 10
    assert failure(PerMessageDeflate(Deflate()), data, 9) == CloseCode.MESSAGE_TOO_BIG


def test_bomb_after_a_final_block_is_bounded() -> None:
    data = finished(b"x") + bomb(64 << 20)
    with peak_memory() as memory:
        assert failure(PerMessageDeflate(Deflate()), data) == CloseCode.MESSAGE_TOO_BIG
    assert memory.peak < 8 << 20


def test_rubbish_after_a_final_block_is_refused() -> None:
    data = finished(b"x") + b"\x07\x07"
    assert failure(PerMessageDeflate(Deflate()), data) == CloseCode.INVALID_PAYLOAD


def test_final_blocks_of_a_message_are_limited() -> None:
    reader = PerMessageDeflate(Deflate())
    assert reader.decompress(finished(b"x") * 16 + b"\0", LIMIT) == b"x" * 16
    assert failure(reader, finished(b"") * 400_000) == CloseCode.INVALID_PAYLOAD


# --- limits and rubbish ---------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 100, 16_384, 100_000])
def test_message_may_inflate_to_the_limit_and_no_further(limit: int) -> None:
    data = PerMessageDeflate(Deflate()).compress(b"x" * limit)
    assert PerMessageDeflate(Deflate()).decompress(data, limit) == b"x" * limit
    if limit:
        code = failure(PerMessageDeflate(Deflate()), data, limit - 1)
        assert code == CloseCode.MESSAGE_TOO_BIG


def test_compression_bomb_is_bounded_in_memory() -> None:
    data = bomb(900 << 20)
    assert len(data) < LIMIT
    side = Connection(is_server=False)
    wire = side.frame(2, data, rsv=4)
    with peak_memory() as memory:
        deflate = PerMessageDeflate(Deflate())
        assert side.failure(wire, deflate=deflate) == ([], CloseCode.MESSAGE_TOO_BIG)
    assert memory.peak < 8 << 20


@pytest.mark.parametrize("data", [b"\x07", b"\xff" * 10, b"\x01\x05\x00\x00\x00"])
def test_what_is_not_deflate_data_is_refused(data: bytes) -> None:
    assert failure(PerMessageDeflate(Deflate()), data) == CloseCode.INVALID_PAYLOAD


@given(st.binary(), st.binary(max_size=50), st.integers(0, 1000))
def test_any_data_inflates_within_the_limit_or_raises_our_error(
    data: bytes, before: bytes, limit: int
) -> None:
    reader = PerMessageDeflate(Deflate())
    reader.decompress(PerMessageDeflate(Deflate()).compress(before), 50)
    try:
        message = reader.decompress(data, limit)
    except WebSocketError:
        return
    assert len(message) <= limit


# --- negotiation ----------------------------------------------------------------------------------

offers = st.lists(
    st.sampled_from(
        [
            *("permessage-deflate", ";", ",", "=", " ", "\t", '"', "15", "8", "9", "016", "x"),
            *("server_max_window_bits", "client_max_window_bits", "client_no_context_takeover"),
            *("server_no_context_takeover", "; server_max_window_bits=10", "é", "١٥", "\0"),
        ]
    )
).map("".join)


@given(st.one_of(st.text(), offers, offers.map(lambda rest: "permessage-deflate; " + rest)))
def test_any_header_is_answered_or_passed_over(header: str) -> None:
    answer = negotiate(header, Deflate())
    if answer is not None:
        value, extension = answer
        assert value.split(";")[0] == "permessage-deflate"
        message = extension.compress(b"hello")
        assert PerMessageDeflate(Deflate()).decompress(message, 5) == b"hello"


def test_only_the_first_offers_are_looked_at() -> None:
    assert negotiate("x," * 15 + "permessage-deflate", Deflate())
    assert negotiate("x," * 16 + "permessage-deflate", Deflate()) is None
    assert negotiate("," * 1_000_000, Deflate()) is None


@pytest.mark.parametrize(
    "parameter",
    [
        "x",
        "server_no_context_takeover=1",
        "server_max_window_bits",
        "client_max_window_bits=7",
        "=",
    ],
)
def test_offer_with_an_invalid_parameter_is_passed_over(parameter: str) -> None:
    assert negotiate(f"permessage-deflate; {parameter}", Deflate()) is None


def test_offer_may_ask_for_everything() -> None:
    offer = (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits"
    )
    answer = negotiate(offer, Deflate())
    assert answer and answer[0] == offer.removesuffix("; client_max_window_bits")


@pytest.mark.parametrize("bits", range(9, 16))
def test_options_bound_our_window(bits: int) -> None:
    answer = negotiate("permessage-deflate", Deflate(server_max_window_bits=bits))
    assert answer
    expected = "permessage-deflate" + (f"; server_max_window_bits={bits}" if bits < 15 else "")
    assert answer[0] == expected


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (
            Deflate(server_no_context_takeover=True),
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            Deflate(client_no_context_takeover=True),
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            Deflate(
                server_no_context_takeover=True,
                client_no_context_takeover=True,
                server_max_window_bits=9,
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=9"
            ),
        ),
    ],
)
def test_options_add_parameters_to_the_answer(options: Deflate, value: str) -> None:
    answer = negotiate("permessage-deflate", options)
    assert answer and answer[0] == value
