"""Every malformed packet of the catalogue's rows, sent by a server to its client (C03, C06).

Each comes behind a valid event and before another one: the first is delivered, the second never is,
the reason is that of the reference, and the client comes back with its backoff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave.codec.websocket import encode_frame, server_frame
from tests.security.hostile import ACCEPTED, Hostile, close_codes
from tests.security.victims import CLIENT_PEAK

if TYPE_CHECKING:
    from tests.security.victims import Client

Packets = list[bytes | tuple[bytes]]

MB: Final = 1_000_000
FIVE_MS: Final = 0.005
SLOW_MACHINE: Final = 4

BINARY: Final = b'451-["a",{"_placeholder":true,"num":%b}]'

INVALID: Final[dict[str, Packets]] = {
    "V04 ack id of 900,000 digits": [b"42" + b"9" * 900_000 + b'["a"]'],
    "V04 900,000 digits for a number of attachments": [b"45" + b"9" * 900_000],
    **{
        f"V08 placeholder {index}": [BINARY % index.encode(), (b"x",)]
        for index in ("-1", "1", "99", "0.5", '"0"', '"splice"', "true", "null", "{}", "1e0")
    },
    **{
        f"V09 event {event}": [b"42" + event.encode()]
        for event in ('[{"toString":"x"}]', '[["a"]]', "[null]", "[true]", "[]", "{}", "")
    },
    **{
        f"V11 reserved {name}": [b'42["%b",{}]' % name.encode()]
        for name in (
            "connect",
            "connect_error",
            "disconnect",
            "disconnecting",
            "newListener",
            "removeListener",
        )
    },
    "V12 a thousand million attachments": [
        b'451000000000-["x",{"_placeholder":true,"num":0}]',
        *[(bytes(90_000),)] * 10,
    ],
    "V13 too many attachments": [b'4511-["x"]'],
    "no attachment": [b'450-["x"]'],
    "attachments of an ack, too many": [b"4611-1[]"],
    "attachment that nothing asked for": [(b"x",)],
    "text in place of an attachment": [BINARY % b"0", b'42["b"]'],
    "V48 490,000 brackets": [b'42["a"' + b"[" * 490_000 + b"]" * 490_000 + b"]"],
    **{
        f"V48 depth {depth}": [b'42["a",' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"]"]
        for depth in (129, 253, 300, 1_023)
    },
    "V48 depth of an ack": [b"431" + b"[" * 300 + b"]" * 300],
    "V48 placeholder at the bottom": [
        b'451-["a",' + b"[" * 300 + b'{"_placeholder":true,"num":0}' + b"]" * 301,
    ],
    "D10 ack id beyond 2^53": [b"439007199254740992[]"],
    "D14 number of 900,000 digits": [b'42["a",' + b"9" * 900_000 + b"]"],
    "D14 1e999": [b'42["a",1e999]'],
    "D16 NaN": [b'42["a",NaN]'],
    "D16 Infinity": [b'42["a",Infinity]'],
    "D16 -Infinity": [b'42["a",-Infinity]'],
    "D16 byte order mark": [b'42\xef\xbb\xbf["a"]'],
    "D25 namespace of 70 kB": [b"42/" + b"n" * 70_000 + b',["a"]'],
    "event name of 256 bytes": [b'42["' + b"n" * 256 + b'"]'],
    "JSON that is cut": [b"42[broken"],
    "type that there is none of": [b"47"],
    "no type": [b"4"],
    "ack of an object": [b"431{}"],
    "CONNECT of a list": [b"40[]"],
    "CONNECT_ERROR of a list": [b"44[]"],
    "DISCONNECT with a payload": [b"41[]"],
}

BROKEN: Final[dict[str, Packets]] = {
    "packet of no type": [b"7"],
    "packet that is no packet": [b"hello"],
}

PAYLOADS: Final = {
    "V29 separators": b"\x1e" * 999_999,
    "empty payload": b"",
    "D16 not UTF-8": b'42["a\xff"]',
    "empty packet first": b'\x1e42["a"]',
}

FRAMES: Final[dict[str, tuple[bytes, int]]] = {
    "C06 masked": (encode_frame(1, b'42["a"]', mask=True), 1002),
    "C06 RSV1, V27": (b"\xc1\x02" + b"4x", 1002),
    "C06 RSV2": (b"\xa1\x02" + b"4x", 1002),
    "C06 RSV3": (b"\x91\x02" + b"4x", 1002),
    "V27 RSV1 on a ping": (b"\xc9\x00", 1002),
    "V05 reserved bits and an empty frame": (bytes.fromhex("f100"), 1002),
    "C06 text in two halves of bad UTF-8": (b"\x01\x02" + b"4\xc3" + b"\x80\x01" + b"\x28", 1007),
    "C06 text that ends within a character": (server_frame(b'42["\xe2\x82'), 1007),
    "D16 raw ff": (server_frame(b'42["\xff"]'), 1007),
    "V19 frame of 2^32 bytes": (b"\x82\x7f" + (2**32).to_bytes(8, "big"), 1009),
    "V19 frame of 2^40 bytes": (b"\x82\x7f" + (2**40).to_bytes(8, "big"), 1009),
    "V44 frame of 2^62 bytes": (b"\x81\x7f" + (2**62).to_bytes(8, "big"), 1009),
    "V20 length with the top bit": (b"\x82\x7f\x80" + bytes(7) + bytes(100), 1002),
    "V20 length -64": (b"\x82\x7f" + (2**64 - 64).to_bytes(8, "big") + bytes(100), 1002),
    "V25 200,000 fragments": (b"\x01\x014" + b"\x00\x01a" * 200_000, 1008),
    "V28 fragments over the sum": (
        b"\x01\x7f" + (600_000).to_bytes(8, "big") + b"4" * 600_000
        + b"\x00\x7f" + (600_000).to_bytes(8, "big") + b"x",
        1009,
    ),
    "reserved opcode": (b"\x83\x00", 1002),
    "reserved control opcode": (b"\x8b\x00", 1002),
    "continuation of nothing": (b"\x80\x01a", 1002),
    "new message within another": (b"\x01\x014\x81\x014", 1002),
    "ping in fragments": (b"\x09\x00", 1002),
    "ping of 126 bytes": (b"\x89\x7e\x00\x7e" + bytes(126), 1002),
    "close frame of one byte": (b"\x88\x01\x03", 1002),
    "close code that is reserved": (b"\x88\x02\x03\xed", 1002),
    "close reason that is not UTF-8": (b"\x88\x03\x03\xe8\xff", 1007),
}  # fmt: skip

PASSED_OVER: Final[dict[str, tuple[Packets, list[str]]]] = {
    "V09 number for a name": ([b"42[7]"], ["(7,)"]),
    "V10 event called error": ([b'42["error","x"]'], ["('error', 'x')"]),
    "V11 connection and *": ([b'42["connection"]', b'42["*"]'], ["('connection',)", "('*',)"]),
    "V16 PONGs": ([b"3"] * 10_000, []),
    "V48 depth 128": (
        [b'42["a",' + b"[" * 127 + b"]" * 127 + b"]"],
        [f"('a', {'[' * 127}{']' * 127})"[:200]],
    ),
    "D10 acks that nobody waits for": ([b"43%d[]" % number for number in range(10_000)], []),
    "ack without arguments": ([b"431"], []),
    "D14 number of 30 digits": ([b'42["a",' + b"9" * 30 + b"]"], ["('a', 1e+30)"]),
    "D15 half of a surrogate pair": (
        [rb'42["\ud83d",{"\ud83d":"\udc00"}]'],
        ["('\ufffd', {'\ufffd': '\ufffd'})"],
    ),
    "D16 key twice": ([b'42["a",{"k":1,"k":2}]'], ["('a', {'k': 2})"]),
    "D18 probes of a session that is open": ([b"2probe", b"3probe", b"5", b"6"] * 100, []),
    "D31 names of ours": (
        [b'42["__init__"]', b'42["_private"]', b'42["emit"]'],
        ["('__init__',)", "('_private',)", "('emit',)"],
    ),
    "packets for namespaces that nobody is in": (
        [b'42/other,["a"]', b"41/other,", b'43/other,5["x"]', b'40/other,{"sid":"x"}'],
        [],
    ),
    "second CONNECT": ([b'40{"sid":"other"}'], []),
    "second OPEN": ([b'0{"sid":"other","upgrades":[],"pingInterval":1,"pingTimeout":1}'], []),
}

BEFORE, AFTER = b'42["before"]', b'42["after"]'


async def assert_comes_back(
    client: Client, server: Hostile, reasons: set[str], **bounds: Any
) -> list[str]:
    """The client loses the connection for one of the reasons, and comes again; gives the error."""
    async with server.serve() as url:
        options = {"transports": [server.transport], "max_payload": MB}
        async with client.attacked(url, options=options, **bounds) as ordeal:
            report = await ordeal.seen(lambda report: report["lost"])
            await server.asked(2)
    reason, *told = report["lost"][0]
    assert reason in reasons, report["lost"][0]
    assert all(told), "an error says nothing"
    assert report["values"] == ["('before',)"] * len(report["values"])
    assert server.sessions[1] - server.sessions[0] >= 0.05
    return told  # type: ignore[no-any-return] # JSON


@pytest.mark.parametrize("name", INVALID)
async def test_c03_invalid_packet_is_a_parse_error(
    client: Client, transport: str, name: str
) -> None:
    packets = [ACCEPTED, BEFORE, *INVALID[name], AFTER]
    server = Hostile(transport, packets)
    # Polling holds 900 kB as a body and as a packet.
    await assert_comes_back(
        client, server, {"parse error"}, peak=2 * CLIENT_PEAK, stall=SLOW_MACHINE * FIVE_MS
    )


@pytest.mark.parametrize("name", BROKEN)
async def test_c03_broken_packet_is_a_transport_error(
    client: Client, transport: str, name: str
) -> None:
    server = Hostile(transport, [ACCEPTED, BEFORE, *BROKEN[name], AFTER])
    await assert_comes_back(client, server, {"transport error"})


@pytest.mark.parametrize("name", PAYLOADS)
async def test_c03_broken_payload_is_a_transport_error(client: Client, name: str) -> None:
    server = Hostile("polling", [ACCEPTED, BEFORE], raw=PAYLOADS[name])
    # A body of a megabyte is there in the pieces that came, and whole; what the allocator keeps of
    # both differs from run to run.
    await assert_comes_back(client, server, {"transport error"}, peak=6 * MB)


@pytest.mark.parametrize("is_sliced", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("name", FRAMES)
async def test_c06_broken_frame_is_answered_with_its_code(
    client: Client, name: str, is_sliced: bool
) -> None:
    frame, code = FRAMES[name]
    server = Hostile(
        "websocket",
        [ACCEPTED, BEFORE],
        raw=frame + server_frame(AFTER),
        is_sliced=is_sliced,
    )
    reasons = {"transport error", "parse error"}
    told = await assert_comes_back(client, server, reasons, peak=2 * CLIENT_PEAK)
    assert told[0] in (f"WebSocketError {code}", "TextEncodingError" if code == 1007 else None)
    if not is_sliced:  # else the server's own bytes to a closed connection cost it the answer
        assert code in close_codes(bytes(server.received))


@pytest.mark.parametrize("name", PASSED_OVER)
async def test_c03_odd_but_allowed_packet_changes_nothing(
    client: Client, transport: str, name: str
) -> None:
    packets, values = PASSED_OVER[name]
    server = Hostile(transport, [ACCEPTED, BEFORE, *packets, AFTER])
    async with server.serve() as url:
        async with client.attacked(url, options={"transports": [transport]}) as ordeal:
            report = await ordeal.seen(lambda report: "('after',)" in report["values"])
    assert report["values"] == ["('before',)", *values, "('after',)"]
    assert not report["lost"]
    assert len(server.sessions) == 1
