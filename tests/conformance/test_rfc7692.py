"""RFC 7692: negotiation, and compressed messages, in both roles.

The number in a name is the section of the RFC.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from sockwave.codec.deflate import OFFER, Deflate, PerMessageDeflate, agree, negotiate
from sockwave.codec.socketio import decode_packet
from sockwave.codec.websocket import CloseCode, Opcode, encode_frame
from sockwave.errors import TextEncodingError, WebSocketError
from tests.codec.handlers import Connection, chopped

if TYPE_CHECKING:
    from tests.codec.handlers import Event

RSV1 = 4
HELLO = bytes.fromhex("f248cdc9c90700")
BITS = range(9, 16)


def extension(**parameters: int) -> PerMessageDeflate:
    return PerMessageDeflate(Deflate(), **parameters)  # type: ignore[arg-type] # bits and flags


def answer(header: str, options: Deflate | None = None) -> str | None:
    """Value of the response header, None to go on without."""
    chosen = negotiate(header, options or Deflate())
    return None if chosen is None else chosen[0]


# --- negotiation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "x-webkit-deflate-frame", "permessage-bzip2; a=1", ",", ";"]
)
def test_5_1_server_goes_on_without_an_offer(header: str) -> None:
    assert answer(header) is None


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
                "permessage-deflate; client_max_window_bits"
            ),
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            (
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover; "
                "client_max_window_bits=8; server_max_window_bits=15"
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=15"
            ),
        ),
        (
            'permessage-deflate;server_max_window_bits="10"',
            "permessage-deflate; server_max_window_bits=10",
        ),
        (" \tpermessage-deflate\t;\tclient_max_window_bits = 10 ", "permessage-deflate"),
    ],
)
def test_7_1_3_server_answers_the_examples(header: str, value: str) -> None:
    assert answer(header) == value


@pytest.mark.parametrize(
    "parameters",
    [
        "unknown",
        "unknown=1",
        "x; client_max_window_bits",
        "server_no_context_takeover=true",
        "server_no_context_takeover=1",
        'client_no_context_takeover="1"',
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=+10",
        "server_max_window_bits=1e1",
        "server_max_window_bits='10'",
        "server_max_window_bits=١٥",
        "client_max_window_bits=",
        "client_max_window_bits=0",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "client_max_window_bits=-9",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
        "server_no_context_takeover server_max_window_bits=10",
    ],
)
def test_7_1_server_declines_an_invalid_offer_and_takes_the_next(parameters: str) -> None:
    invalid = f"permessage-deflate; {parameters}"
    assert answer(invalid) is None
    assert answer(f"{invalid}, permessage-deflate") == "permessage-deflate"


def test_5_1_server_takes_the_first_offer_that_it_can_accept() -> None:
    header = (
        "a, permessage-deflate; x, permessage-deflate; server_max_window_bits=9, permessage-deflate"
    )
    assert answer(header) == "permessage-deflate; server_max_window_bits=9"


def test_7_1_1_1_server_keeps_no_context_when_the_client_asks_so() -> None:
    chosen = negotiate("permessage-deflate; server_no_context_takeover", Deflate())
    assert chosen
    assert chosen[1].compress(b"Hello") == chosen[1].compress(b"Hello") == HELLO


def test_7_1_1_1_server_may_give_up_its_context_unasked() -> None:
    chosen = negotiate("permessage-deflate", Deflate(server_no_context_takeover=True))
    assert chosen and "server_no_context_takeover" in chosen[0]
    assert chosen[1].compress(b"Hello") == chosen[1].compress(b"Hello")


@pytest.mark.parametrize("asks", [True, False], ids=["client offers", "server asks"])
def test_7_1_1_2_server_keeps_no_context_of_the_client_once_agreed(asks: bool) -> None:
    offer = "permessage-deflate" + ("; client_no_context_takeover" if asks else "")
    chosen = negotiate(offer, Deflate(client_no_context_takeover=not asks))
    assert chosen and "client_no_context_takeover" in chosen[0]
    side = Connection(is_server=True)
    wire = side.text(HELLO, rsv=RSV1) * 2
    assert side.read(wire, deflate=chosen[1]) == [("text", b"Hello")] * 2


@pytest.mark.parametrize("offered", BITS)
@pytest.mark.parametrize("option", BITS)
def test_7_1_2_1_answer_has_the_smaller_of_both_windows(offered: int, option: int) -> None:
    value = answer(
        f"permessage-deflate; server_max_window_bits={offered}",
        Deflate(server_max_window_bits=option),
    )
    assert value == f"permessage-deflate; server_max_window_bits={min(offered, option)}"


@pytest.mark.parametrize("offered", BITS)
def test_7_1_2_1_server_stays_within_the_window_agreed(offered: int) -> None:
    chosen = negotiate(f"permessage-deflate; server_max_window_bits={offered}", Deflate())
    assert chosen
    message = bytes(range(256)) * 40 + b"x" * 40_000 + bytes(range(256)) * 40
    inflater = zlib.decompressobj(-offered)
    for _ in range(2):
        data = chosen[1].compress(message)
        assert inflater.decompress(data + b"\0\0\xff\xff") == message


@pytest.mark.parametrize(
    "parameters", ["", "server_no_context_takeover;", "; server_no_context_takeover"]
)
def test_7_1_server_takes_an_offer_with_nothing_behind_a_semicolon(parameters: str) -> None:
    """As the reference: some clients end their list of parameters with one."""
    chosen = answer(f"permessage-deflate; {parameters}")
    assert chosen is not None
    assert ("server_no_context_takeover" in chosen) == bool(parameters)


def test_7_1_2_1_server_declines_a_window_that_zlib_cannot_keep() -> None:
    assert answer("permessage-deflate; server_max_window_bits=8") is None


@pytest.mark.parametrize("value", ["", *(f"={bits}" for bits in range(8, 16))])
def test_7_1_2_2_server_takes_any_window_of_the_client_and_asks_for_none(value: str) -> None:
    assert answer(f"permessage-deflate; client_max_window_bits{value}") == "permessage-deflate"


# --- negotiation as a client ----------------------------------------------------------------------


def test_7_1_2_2_client_offers_to_limit_its_window_and_asks_for_nothing() -> None:
    assert OFFER == "permessage-deflate; client_max_window_bits"
    chosen = negotiate(OFFER, Deflate())
    assert chosen and agree(chosen[0], Deflate())


@pytest.mark.parametrize("header", ["", " ", "\t"])
def test_5_1_client_goes_on_without_an_answer(header: str) -> None:
    assert agree(header, Deflate()) is None


@pytest.mark.parametrize(
    "parameters",
    [
        *("", ";", "; server_no_context_takeover", "; client_no_context_takeover"),
        *(f"; server_max_window_bits={bits}" for bits in range(8, 16)),
        *(f"; client_max_window_bits={bits}" for bits in BITS),
        '; server_max_window_bits="10"; client_max_window_bits=9; server_no_context_takeover',
    ],
)
def test_7_1_client_takes_every_valid_answer(parameters: str) -> None:
    assert agree(f"permessage-deflate{parameters}", Deflate())


@pytest.mark.parametrize(
    "header",
    [
        "x",
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate",
        "x, permessage-deflate",
        "permessage-deflate, ",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
    ],
)
def test_7_1_client_fails_the_connection_on_an_invalid_answer(header: str) -> None:
    with pytest.raises(WebSocketError) as caught:
        agree(header, Deflate())
    assert caught.value.code == CloseCode.MANDATORY_EXTENSION


def test_7_1_2_2_client_fails_on_a_window_that_zlib_cannot_keep() -> None:
    with pytest.raises(WebSocketError):
        agree("permessage-deflate; client_max_window_bits=8", Deflate())


@pytest.mark.parametrize("bits", BITS)
def test_7_1_2_2_client_stays_within_the_window_agreed(bits: int) -> None:
    chosen = agree(f"permessage-deflate; client_max_window_bits={bits}", Deflate())
    assert chosen
    message = bytes(range(256)) * 40 + b"x" * 40_000 + bytes(range(256)) * 40
    inflater = zlib.decompressobj(-bits)
    for _ in range(2):
        assert inflater.decompress(chosen.compress(message) + b"\0\0\xff\xff") == message


def test_7_1_1_2_client_keeps_no_context_when_the_server_asks_so() -> None:
    chosen = agree("permessage-deflate; client_no_context_takeover", Deflate())
    assert chosen
    assert chosen.compress(b"Hello") == chosen.compress(b"Hello") == HELLO


def test_7_1_1_1_client_reads_a_server_that_keeps_no_context() -> None:
    chosen = agree("permessage-deflate; server_no_context_takeover", Deflate())
    side = Connection(is_server=False)
    wire = side.text(HELLO, rsv=RSV1) * 2
    assert side.read(wire, deflate=chosen) == [("text", b"Hello")] * 2


# --- framing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [1, 2])
def test_6_reader_fails_on_rsv1_that_was_not_negotiated(side: Connection, opcode: int) -> None:
    wire = side.frame(opcode, HELLO, rsv=RSV1)
    assert side.failure(wire) == ([], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_6_reader_fails_on_rsv1_of_a_control_frame(side: Connection, opcode: Opcode) -> None:
    wire = side.frame(opcode, HELLO, rsv=RSV1)
    assert side.failure(wire, deflate=extension()) == ([], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("first", [0, RSV1], ids=["plain", "compressed"])
def test_6_reader_fails_on_rsv1_of_a_continuation(side: Connection, first: int) -> None:
    wire = side.frame(2, HELLO[:3], fin=False, rsv=first)
    wire += side.more(HELLO[3:], fin=True, rsv=RSV1)
    assert side.failure(wire, deflate=extension()) == ([], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("rsv", [1, 2, 3, 5, 6, 7])
def test_6_reader_fails_on_the_other_reserved_bits(side: Connection, rsv: int) -> None:
    wire = side.text(HELLO, rsv=rsv)
    assert side.failure(wire, deflate=extension()) == ([], CloseCode.PROTOCOL_ERROR)


def test_6_reader_fails_on_reserved_opcodes_with_rsv1(side: Connection) -> None:
    wire = side.frame(3, HELLO, rsv=RSV1)
    assert side.failure(wire, deflate=extension()) == ([], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize(("name", "opcode"), [("text", 1), ("binary", 2)])
def test_6_2_reader_inflates_both_kinds_of_message(
    side: Connection, name: str, opcode: int
) -> None:
    wire = side.frame(opcode, HELLO, rsv=RSV1)
    assert side.read(*chopped(wire), deflate=extension()) == [(name, b"Hello")]


def test_6_2_message_without_rsv1_is_handed_on_as_it_is(side: Connection) -> None:
    wire = side.frame(2, HELLO) + side.text(HELLO, rsv=RSV1) + side.frame(2, HELLO[:3], fin=False)
    wire += side.more(HELLO[3:], fin=True)
    expected: list[Event] = [("binary", HELLO), ("text", b"Hello"), ("binary", HELLO)]
    assert side.read(wire, deflate=extension()) == expected


def test_6_2_plain_message_leaves_the_window_alone(side: Connection) -> None:
    writer = extension()
    first, second = writer.compress(b"Hello" * 9), writer.compress(b"Hello" * 9)
    wire = side.text(first, rsv=RSV1) + side.text(b"plain") + side.text(second, rsv=RSV1)
    expected: list[Event] = [("text", b"Hello" * 9), ("text", b"plain"), ("text", b"Hello" * 9)]
    assert side.read(wire, deflate=extension()) == expected


def test_6_2_compressed_message_may_be_cut_anywhere(side: Connection) -> None:
    for at in range(len(HELLO) + 1):
        wire = side.text(HELLO[:at], fin=False, rsv=RSV1) + side.more(HELLO[at:], fin=True)
        assert side.read(wire, deflate=extension()) == [("text", b"Hello")]


def test_6_2_control_frames_between_fragments_are_plain(side: Connection) -> None:
    wire = side.text(HELLO[:3], fin=False, rsv=RSV1) + side.frame(9, HELLO)
    wire += side.more(HELLO[3:], fin=True)
    assert side.read(wire, deflate=extension()) == [("ping", HELLO), ("text", b"Hello")]


@pytest.mark.parametrize("mask", [True, False], ids=["client", "server"])
def test_6_1_writer_marks_a_compressed_message_with_rsv1(mask: bool) -> None:
    frame = encode_frame(1, extension().compress(b"Hello"), rsv1=True, mask=mask)
    assert frame[0] == 0xC1
    assert Connection(is_server=mask).read(frame, deflate=extension()) == [("text", b"Hello")]


@pytest.mark.parametrize("octet", [b"\xff", b"\x80"])
def test_6_2_compressed_text_is_checked_when_it_is_inflated(side: Connection, octet: bytes) -> None:
    packed = extension().compress(octet)
    wire = side.text(packed[:1], fin=False, rsv=RSV1) + side.more(packed[1:], fin=True)
    assert side.read(*chopped(wire), deflate=extension()) == [("text", octet)]
    with pytest.raises(TextEncodingError):
        decode_packet(b"40/" + octet)


# --- compression ----------------------------------------------------------------------------------

EXAMPLES = {
    "7.2.3.1 one block": "f248cdc9c90700",
    "7.2.3.3 no compression": "000500faff48656c6c6f00",
    "7.2.3.4 final block": "f348cdc9c9070000",
    "7.2.3.5 two blocks": "f248050000 00ffffcac9c90700",
}


@pytest.mark.parametrize("data", EXAMPLES.values(), ids=EXAMPLES.keys())
@pytest.mark.parametrize("takeover", [True, False])
def test_7_2_2_reader_inflates_the_examples(side: Connection, data: str, takeover: bool) -> None:
    wire = side.text(bytes.fromhex(data), rsv=RSV1) * 3
    deflate = extension(read_takeover=takeover)
    assert side.read(wire, deflate=deflate) == [("text", b"Hello")] * 3


def test_7_2_3_1_writer_compresses_the_example() -> None:
    assert extension().compress(b"Hello") == HELLO


def test_7_2_3_1_reader_inflates_the_fragmented_example() -> None:
    wire = bytes.fromhex("4103f248cd 8004c9c90700")
    side = Connection(is_server=False)
    assert side.read(wire, deflate=extension()) == [("text", b"Hello")]


def test_7_2_3_2_window_is_shared_between_messages(side: Connection) -> None:
    second = bytes.fromhex("f200110000")
    wire = side.text(HELLO, rsv=RSV1) + side.text(second, rsv=RSV1)
    assert side.read(wire, deflate=extension()) == [("text", b"Hello")] * 2


def test_7_2_3_6_empty_message_is_one_octet(side: Connection) -> None:
    writer = extension()
    assert writer.compress(b"") == b"\0"
    assert writer.compress(b"Hello") and writer.compress(b"") == b"\0" == writer.compress(b"")
    wire = side.text(b"\0", rsv=RSV1) * 2
    assert side.read(wire, deflate=extension()) == [("text", b"")] * 2


def test_7_2_2_message_of_no_octets_inflates_to_nothing(side: Connection) -> None:
    # Not what a compressor writes, yet the tail alone is half of an empty block.
    assert side.read(side.text(b"", rsv=RSV1), deflate=extension()) == [("text", b"")]


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no takeover"])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("length", [16, 1024, 65_536, 131_072])
def test_7_2_messages_round_trip_in_every_window(
    side: Connection, takeover: bool, bits: int, length: int
) -> None:
    writer = extension(write_window_bits=bits, write_takeover=takeover)
    reader = extension(read_window_bits=bits, read_takeover=takeover)
    message = (b'42["news",{"title":"Lorem ipsum","n":12345}]' * (length // 40 + 1))[:length]
    frames = [
        encode_frame(1, writer.compress(message), rsv1=True, mask=side.is_server) for _ in range(3)
    ]
    assert side.read(*frames, deflate=reader) == [("text", message)] * 3


@pytest.mark.parametrize("data", ["07", "ffff", "0105000000"])
def test_7_2_2_reader_fails_on_data_that_does_not_inflate(side: Connection, data: str) -> None:
    wire = side.text(bytes.fromhex(data), rsv=RSV1)
    assert side.failure(wire, deflate=extension()) == ([], CloseCode.INVALID_PAYLOAD)


def test_8_limit_holds_for_the_inflated_message(side: Connection) -> None:
    wire = side.text(extension().compress(b"x" * 1000), rsv=RSV1)
    assert side.read(wire, max_message=1000, deflate=extension()) == [("text", b"x" * 1000)]
    failure = side.failure(wire, max_message=999, deflate=extension())
    assert failure == ([], CloseCode.MESSAGE_TOO_BIG)
