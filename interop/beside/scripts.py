"""Actions from a seed: what clients do, in parts and at the wrong moment, and what none does.

A script knows no answers: what it does next depends on the seed alone, so that both servers get the
same.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from sockwave.codec.websocket import Opcode, encode_close, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.beside.player import Action, Script

__all__ = ["make_script", "packet_of"]

NAMESPACES: Final = ("/", "/", "/", "/chat", "/chat", "/dyn-1", "/dyn-x", "/no", "/later", "/none")
EVENTS: Final = ("echo", "echo", "ack", "ack", "twice", "everybody", "join", "leave", "drop", "end")
ARGUMENTS: Final = ("", ",1", ',"text"', ',{"a":[1,2.5,null,true]},"é😀"', ',[],""', ',"/a?b,c"')
ATTACHMENT: Final = b"\x01\x02\x03"

BROKEN: Final = (
    *("40[]", '40"x"', "401", "40/chat,[]", "41x", "41{}", "42", "42[]", "42{}", "42[1]", '42["a"'),
    *('42["connect"]', '42["disconnecting"]', '42["newListener","x"]', '42["error",1]', "42[null]"),
    *("43", "43[]", '4399["late"]', '43x["a"]', '44{"message":"x"}', '44"x"', "45", "451-", "47"),
    *('4511-["a"]', '45-["a"]', '451-["a",{"_placeholder":true,"num":1}]', '450-["echo",1]', "4a"),
    *('451-["echo",{"_placeholder":true,"num":0}]', "461-7[]", '42/chat["a"]', '42/none,["echo"]'),
    *(
        '42["echo",1]x',
        '420["ack"]',
        '4200["ack",1]',
        '42/,["echo",3]',
        "40/",
        "40/,",
        "40/chat?a=1,",
    ),
    *('42/chat?a=1,["echo",1]', '42?a=1,["echo"]', "40/chat", "41/chat", "41/none,", "4", "4🎉"),
)
"""Text packets of Socket.IO, most of them wrong."""

STRANGE: Final = ("0", "0{}", "1", "2", "2x", "3", "3x", "5", "6", "6x", "7", "", "bAQID", "b4AQID")
"""Packets of Engine.IO."""

BODIES: Final = (b"", b"\x1e", b"x", b"\xff", b"4\xff", b"1:", b"4:4", b"-1:4", b"d=40", b"1:40")
"""Bodies that are no payload, or not of each revision."""

FRAMES: Final = (
    encode_frame(Opcode.PING, b"hello", mask=True),
    encode_frame(Opcode.PONG, b"", mask=True),
    encode_frame(Opcode.TEXT, b'42["ec', fin=False, mask=True)
    + encode_frame(Opcode.CONTINUATION, b'ho",7]', mask=True),
    encode_frame(Opcode.TEXT, b"42[\xff]", mask=True),
    encode_frame(Opcode.TEXT, b"\xff", mask=True),
    encode_frame(Opcode.TEXT, b"x" * 5_001, mask=True),
    encode_frame(Opcode.TEXT, b'42["ack"]', mask=False),
    encode_frame(Opcode.TEXT, b'42["ack"]', rsv1=True, mask=True),
    encode_frame(Opcode.CONTINUATION, b"x", mask=True),
    encode_frame(3, b"", mask=True),
    encode_frame(Opcode.CLOSE, b"\x03", mask=True),
    encode_frame(Opcode.CLOSE, b"\x03\xed", mask=True),
    *(encode_close(code, mask=True) for code in (None, 1000, 1001, 3000, 4999)),
)


def make_script(seed: int | str, length: int = 14) -> Script:
    """Make one."""
    return _Writer(random.Random(f"beside {seed}")).write(length)


def packet_of(event: str, namespace: str = "/", id_: str = "", arguments: str = "") -> str:
    """An event, as text."""
    name = "" if namespace == "/" else f"{namespace},"
    return f'42{name}{id_}["{event}"{arguments}]'


class _Peer:
    """What a script has begun: a session, and which of its WebSockets came last."""

    def __init__(self, number: int, revision: str, websocket: int | None, jsonp: bool) -> None:
        self.number = number
        self.revision = revision
        self.is_polling = websocket is None
        self.websocket = websocket
        self.has_moved = websocket is not None
        self.has_jsonp = jsonp


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._script: Script = []
        self._peers: list[_Peer] = []
        self._websockets = 0

    def write(self, length: int) -> Script:
        self._open()
        while len(self._script) < length:
            peer = self._peers[-1] if self._rng.random() < 0.9 else self._rng.choice(self._peers)
            self._rng.choices(
                [self._talk, self._upgrade, self._poll, self._serve, self._break, self._open_more],
                [9, 4, 4, 5, 3, 0.4],
            )[0](peer)
        return self._script[: length + 4]

    def _do(self, *action: object) -> None:
        self._script.append(action)

    # --- beginnings -------------------------------------------------------------------------------

    def _open_more(self, peer: _Peer) -> None:
        if len(self._peers) < 3:
            self._open()

    def _open(self) -> None:
        rng = self._rng
        transport = rng.choice(("polling", "polling", "websocket"))
        revision = rng.choice(("4", "4", "4", "3"))
        query = {"EIO": revision}
        if revision == "3" and rng.random() < 0.3:
            query["b64"] = "1"
        jsonp = transport == "polling" and rng.random() < 0.08
        if jsonp:
            query |= {"j": "0"} if revision == "4" else {"j": "0", "b64": "1"}
        websocket = None
        if transport == "websocket":
            websocket, self._websockets = self._websockets, self._websockets + 1
        peer = _Peer(len(self._peers), revision, websocket, jsonp)
        self._peers.append(peer)
        self._do("open", transport, query)
        if peer.is_polling and rng.random() < 0.5:
            self._do("polls", peer.number)
        if rng.random() < 0.9:
            self._say(peer, "40" if revision == "4" else "40/chat")
        if rng.random() < 0.2:
            self._say(peer, "40/chat," if revision == "4" else "40/dyn-1?a=1")

    # --- what a client says -----------------------------------------------------------------------

    def _say(self, peer: _Peer, *packets: str | bytes) -> None:
        """On what carries the session, or what should not."""
        on_websocket = peer.has_moved if self._rng.random() < 0.95 else not peer.has_moved
        if on_websocket and peer.websocket is not None:
            for packet in packets:
                self._do("send", peer.websocket, self._message(peer, packet))
        elif peer.is_polling:
            self._do("post", peer.number, *packets)

    def _message(self, peer: _Peer, packet: str | bytes) -> str | bytes:
        return b"\x04" + packet if isinstance(packet, bytes) and peer.revision == "3" else packet

    def _talk(self, peer: _Peer) -> None:
        packets: list[str | bytes] = []
        for _ in range(self._rng.choice((1, 1, 1, 2, 3))):
            packets += self._saying(peer)
        self._say(peer, *packets)

    def _saying(self, peer: _Peer) -> list[str | bytes]:
        rng = self._rng
        namespace = rng.choice(NAMESPACES)
        kind = rng.random()
        if kind < 0.15:
            name = "" if namespace == "/" else namespace
            auth = rng.choice(("", '{"a":1}')) if peer.revision == "4" else rng.choice(("", "?a=1"))
            return [f"40{name}," + auth if peer.revision == "4" else f"40{name}{auth}"]
        if kind < 0.2:
            return [f"41{'' if namespace == '/' else namespace + ','}"]
        if kind < 0.26:
            return [f"43#{rng.randrange(2)}" + rng.choice(("[]", "[1]", '["a",{}]'))]
        if kind < 0.34:
            head = f"451-{'' if namespace == '/' else namespace + ','}"
            return [f'{head}["echo",{{"_placeholder":true,"num":0}}]', ATTACHMENT]
        if kind < 0.42:
            return [rng.choice(BROKEN)]
        if kind < 0.46:
            return [rng.choice(STRANGE)]
        if kind < 0.48:
            return [ATTACHMENT]
        event = rng.choice(EVENTS[:7] if rng.random() < 0.8 else EVENTS)
        leaves = event in ("leave", "drop", "end")
        id_ = "" if leaves else rng.choice(("", "", "7", "0", "123"))
        where = namespace if rng.random() < 0.4 else "/"
        return [packet_of(event, where, id_, rng.choice(ARGUMENTS))]

    # --- upgrades ---------------------------------------------------------------------------------

    def _upgrade(self, peer: _Peer) -> None:
        """All steps of one, or not all, and something else between them."""
        rng = self._rng
        if not peer.is_polling:
            return
        self._do("upgrade", peer.number)
        number, self._websockets = self._websockets, self._websockets + 1
        steps: list[Callable[[], None]] = [
            lambda: self._do("send", number, "2probe"),
            lambda: self._do("poll", peer.number),
            lambda: self._do("send", number, "5"),
        ]
        if rng.random() < 0.15:
            steps.pop(rng.randrange(3))
        for step in steps:
            if rng.random() < 0.25:
                rng.choice([self._serve, self._talk, self._break])(peer)
            if rng.random() < 0.06:
                self._do("send", number, rng.choice((*STRANGE, '42["echo"]', "2probe", b"\x01")))
            if rng.random() < 0.04:
                self._do(*rng.choice((("websocket_cut", number), ("frames", number, FRAMES[-4]))))
            step()
        if len(steps) == 3 or rng.random() < 0.5:
            peer.websocket, peer.has_moved = number, True

    # --- polls ------------------------------------------------------------------------------------

    def _poll(self, peer: _Peer) -> None:
        if peer.is_polling:
            name = self._rng.choices(["poll", "polls", "poll_cut"], [6, 4, 1])[0]
            self._do(name, peer.number)

    # --- the application --------------------------------------------------------------------------

    def _serve(self, peer: _Peer) -> None:
        rng = self._rng
        what = rng.choices(
            ["emit", "bytes", "ask", "leave", "drop", "end"], [6, 2, 3, 1.2, 1.6, 1.2]
        )[0]
        namespace = rng.choice(("/", "/", "/", "/chat", "/dyn-1"))
        arguments = {"emit": ("news", 1, "é"), "ask": (1,), "bytes": ("x",)}.get(what, ())
        self._do("server", peer.number, what, namespace, *arguments)

    # --- faults -----------------------------------------------------------------------------------

    def _break(self, peer: _Peer) -> None:
        rng = self._rng
        if peer.websocket is not None and rng.random() < 0.6:
            self._do(
                *rng.choices(
                    [
                        ("frames", peer.websocket, rng.choice(FRAMES)),
                        ("websocket_cut", peer.websocket),
                        ("send", peer.websocket, rng.choice(STRANGE)),
                        ("upgrade", peer.number),
                    ],
                    [6, 2, 4, 1],
                )[0]
            )
            self._websockets += self._script[-1][0] == "upgrade"
        elif peer.is_polling:
            self._break_polling(peer)

    def _break_polling(self, peer: _Peer) -> None:
        rng, number = self._rng, peer.number
        body = b'42["echo",1]' if peer.revision == "4" else b'12:42["echo",1]'
        large = b"4" + b"x" * 6_000
        octets = "application/octet-stream"
        choices: list[list[Action]] = [
            [("post_bytes", number, rng.choice(BODIES), "text/plain")],
            [("post_bytes", number, large, "text/plain")],
            [("post_bytes", number, body, octets)],
            [("post_bytes", number, b"\x00\x01\x02\xff41\x01\x02\xff\x04\x05", octets)],
            [("post_begin", number, body, 5), ("post_end", number)],
            [("post_begin", number, body, 5), ("post_cut", number)],
            [("post_begin", number, body, 5), ("post_bytes", number, body, "text/plain")],
            [("request", number, rng.choice(("PUT", "DELETE", "HEAD")))],
            [("poll", number), ("poll", number)],
            [("post", number, rng.choice(STRANGE))],
        ]
        for action in rng.choice(choices):
            self._do(*action)
