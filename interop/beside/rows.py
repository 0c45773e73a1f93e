"""Rows of docs/conformance.md without a difference, as scripts: both servers must agree on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.beside.player import Action, Script

__all__ = ["ROWS"]


def _open(transport: str, revision: str = "4", **query: str) -> Action:
    return ("open", transport, {"EIO": revision, **query})


def _on(transport: str, *packets: str | bytes, revision: str = "4") -> Script:
    """A session with a poll open, or on a WebSocket, and packets of its client."""
    script: list[Action] = [_open(transport, revision)]
    if transport == "polling":
        script.append(("polls", 0))
        return [*script, *(("post", 0, packet) for packet in packets)]
    return [*script, *(("send", 0, packet) for packet in packets)]


def _both(*packets: str | bytes, then: Sequence[Action] = (), revision: str = "4") -> list[Script]:
    """The same on either transport."""
    return [
        [*_on(transport, *packets, revision=revision), *then]
        for transport in ("polling", "websocket")
    ]


def _upgrading(*interrupt: Action, at: int) -> Script:
    """An upgrade with something between its steps."""
    steps: list[Action] = [
        ("upgrade", 0),
        ("send", 0, "2probe"),
        ("poll", 0),
        ("send", 0, "5"),
        ("send", 0, '427["ack","moved"]'),
    ]
    return [_open("polling"), ("post", 0, "40"), ("poll", 0), *steps[:at], *interrupt, *steps[at:]]


def _binary(count: int, event: str = "ack") -> list[str | bytes]:
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(count))
    return [f'45{count}-5["{event}",{places}]', *(bytes([number]) for number in range(count))]


DROP: Final[Action] = ("server", 0, "drop", "/")
LEAVE: Final[Action] = ("server", 0, "leave", "/")
END: Final[Action] = ("server", 0, "end", "/")
EMIT: Final[Action] = ("server", 0, "emit", "/", "news", 1)
ASK: Final[Action] = ("server", 0, "ask", "/", 1)

ROWS: Final[dict[str, list[Script]]] = {
    "None fits: `Invalid namespace`": _both("40", "40/none,", "40/dyn-12,", "40/dyn-1,"),
    "Revision 3 is in `/` without asking": _both('421["ack",1]', "41", revision="3"),
    "Refusal: rooms left, CONNECT_ERROR with message and data": _both("40", "40/no,"),
    "Refusal of revision 3": _both("40/no", "40/none", revision="3"),
    "Refused client may try again": _both("40/no,", "40/no,", "40"),
    "Incoming ACK: unknown id ignored": _both("40", "4399[]", '43#0["x"]', then=[ASK, EMIT]),
    "Numeric event names": _both("40", '425[7,"x"]', "42[1]"),
    "`client namespace disconnect`": _both("40", "40/chat,", "41/chat,", '421["ack"]', "41"),
    "`server namespace disconnect`": _both("40", "40/chat,", then=[LEAVE, EMIT]),
    "`transport close`": [
        [*_on("websocket", "40"), ("websocket_cut", 0)],
        [*_on("polling", "40"), ("post", 0, "1")],
    ],
    "`transport error`": [
        [*_on("polling", "40"), ("poll", 0)],
        [*_on("polling", "40"), ("poll_cut", 0)],
        [*_on("polling", "40"), ("post_begin", 0, b"42", 1), ("post_cut", 0)],
        [*_on("websocket", "40"), ("frames", 0, b"\x83\x80\x00\x00\x00\x00")],
        [*_on("websocket", "40"), ("send", 0, "2")],
    ],
    "`parse error`": _both("40", "7"),
    "`forced close`": _both("40", "40/chat,", '42["a"', then=[EMIT]),
    "`forced server close`": [_on("websocket", "40", '42/none,["a"]')],
    "`disconnect()` keeps the connection": _both(
        "40", "40/chat,", then=[LEAVE, ("server", 0, "emit", "/chat", "still", 1)]
    ),
    "`disconnect(true)`: all namespaces; what was emitted arrives first": _both(
        "40", "40/chat,", then=[EMIT, DROP]
    ),
    "`socket.close()`: what is queued goes first, nothing is heard meanwhile": [
        [_open("polling"), ("post", 0, "40"), EMIT, END, ("post", 0, '42["echo",1]')],
        [*_on("websocket", "40"), EMIT, END, ("send", 0, '42["echo",1]')],
    ],
    "Closed by the server while upgrading: what is queued and the end come by the next poll, or on"
    " the second transport": [
        _upgrading(*kick, at=at)
        for at in range(5)
        for kick in ([DROP], [END], [EMIT, DROP], [EMIT, END])
    ],
    "In order per connection, across namespaces and the upgrade": [
        _upgrading(EMIT, ("post", 0, '421["ack"]'), EMIT, at=at) for at in range(3)
    ],
    "Attachments follow their header": _both("40", *_binary(2), "40/chat,"),
    "Attachments per packet: 10": _both("40", *_binary(10)) + _both("40", *_binary(11)[:1]),
    "Acks: none, several, binary, in namespaces": _both(
        "40", "40/chat,", '42["ack"]', '420["ack",1,2]', *_binary(1), '42/chat,12["ack"]'
    ),
    "Double CONNECT, EVENT before CONNECT, `4abc`": [
        *_both("40", "40"),
        *_both('42["ack"]'),
        *_both("4abc"),
    ],
    '`5woooot`, lone `5`; `44["x"]`; no data': [
        *_both("40", "45woooot"),
        *_both("40", "45"),
        *_both("40", '44["x"]'),
    ],
    "Bad content type of a POST: 400": [
        [*_on("polling", "40"), ("post_bytes", 0, b'42["echo"]', "application/octet-stream")]
    ],
    "Text of many bytes per character, also in binary payloads of revision 3": [
        *_both('42["echo","é😀\u3042"]', revision="3"),
        *_both("40", '42["echo","é😀\u3042"]'),
    ],
}
