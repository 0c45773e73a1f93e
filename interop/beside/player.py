"""Plays a script to one server: bytes out, and what comes back, action by action.

No step waits for a length of time. An action is over when the kernel of this machine has handed the
server all that was sent, and the server has answered several commands after that, each in a turn of
its loop: by then it has read, acted and written. A poll that was open before the action is renewed
until it stays open, as clients do, so that it does not matter how packets share answers.
"""

from __future__ import annotations

import array
import asyncio
import base64
import fcntl
import json
import re
import socket
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, quote_plus

from tests.support.raw import Closed, RawHttp, RawWebSocket, Reply

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from interop.beside.servers import ServerBeside

__all__ = ["Action", "Observed", "Player", "Script"]

Action: TypeAlias = "tuple[Any, ...]"
"""Name and arguments: of the methods of `Player` that begin with `do_`."""

Script: TypeAlias = "list[Action]"

Observed: TypeAlias = "dict[str, list[Any]]"
"""What has come since the last action, by channel."""

ROUNDS: Final = 6
"""Commands to the server until an action counts as over: a connection is accepted in one turn of
its loop, read in the next, and the end of a body may be told in a third."""

PATIENCE: Final = 20.0
"""Seconds until an answer that must come counts as missing; no verdict depends on it."""

TEXT: Final = "text/plain; charset=UTF-8"
OCTETS: Final = "application/octet-stream"
FORM: Final = "application/x-www-form-urlencoded"


@dataclass
class Session:
    """A session as its client sees it.

    Attributes:
        query: Of its requests, without `sid`.
        polls: Whether a poll is to stay open.
        polled: Whether one was open before this action.
        is_probed: Whether the second transport has its `3probe`: then polls are answered at last.
    """

    query: dict[str, str]
    sid: str = ""
    polls: bool = False
    is_probed: bool = False
    polled: bool = False
    poll: asyncio.Task[None] | None = None
    poll_http: RawHttp | None = None
    post_http: RawHttp | None = None
    post_rest: bytes = b""


class Player:
    """One client with its sessions.

    Args:
        tag: Under which the server notes what it does; each script has one of its own.
        pause: Seconds to wait after each action besides. To see whether a difference is one.
    """

    def __init__(self, server: ServerBeside, tag: str, pause: float = 0.0) -> None:
        self._server = server
        self._tag = tag
        self._pause = pause
        self._sessions: list[Session] = []
        self._websockets: list[tuple[RawWebSocket, Session | None] | None] = []
        self._https: list[RawHttp] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._seen: Observed = {}
        self._names: dict[str, str] = {}
        self._asks: list[str] = []

    async def play(self, script: Script) -> list[Observed]:
        """Do all actions; what was observed after each, and at last after all is drained."""
        steps = []
        try:
            for name, *arguments in script:
                for session in self._sessions:
                    session.polled = session.poll is not None
                await getattr(self, f"do_{name}")(*arguments)
                steps.append(await self._settle())
            for session in self._sessions:
                if session.sid and session.query.get("transport") == "polling":
                    self._start_poll(session)
                    session.polls = True
            steps.append(await self._settle())
        finally:
            await self._leave()
        return steps

    # --- actions ----------------------------------------------------------------------------------

    async def do_open(self, transport: str, query: dict[str, str]) -> None:
        """Begin a session."""
        session = Session({"transport": transport, "tag": self._tag, **query})
        self._sessions.append(session)
        channel = f"session {len(self._sessions) - 1}"
        if transport == "polling":
            reply = await self._request("GET", self._target(session))
            self._see(channel, self._told(session, reply))
        else:
            await self._open_websocket(session, is_first=True)

    async def do_poll(self, number: int) -> None:
        """GET, and do not wait for the answer."""
        self._start_poll(self._sessions[number])

    async def do_polls(self, number: int) -> None:
        """Have a poll open from now on."""
        session = self._sessions[number]
        session.polls = True
        if session.poll is None:
            self._start_poll(session)

    async def do_poll_cut(self, number: int) -> None:
        """Break the open poll off."""
        session = self._sessions[number]
        session.polls = session.polled = False
        if session.poll is not None and session.poll_http is not None:
            session.poll.cancel()
            session.poll = None
            session.poll_http.writer.close()

    async def do_post(self, number: int, *packets: str | bytes) -> None:
        """POST packets, as clients do."""
        session = self._sessions[number]
        body = _body(list(map(self._answering, packets)), session.query)
        kind = FORM if "j" in session.query else TEXT
        await self.do_post_bytes(number, body, kind)

    async def do_post_bytes(self, number: int, body: bytes, content_type: str) -> None:
        """POST anything."""
        target, headers = self._target(self._sessions[number]), {"Content-Type": content_type}
        self._see(f"post {number}", _head(await self._request("POST", target, headers, body)))

    async def do_post_begin(self, number: int, body: bytes, sent: int) -> None:
        """POST a part of a body."""
        session = self._sessions[number]
        if session.post_http is not None:
            return
        session.post_http = http = await self._http()
        session.post_rest = body[sent:]
        http.send("POST", self._target(session), {"Content-Length": str(len(body))})
        http.write(body[:sent])
        self._spawn(self._read_post(http, f"begun post {number}"))

    async def do_post_end(self, number: int) -> None:
        """Send what is left of it."""
        session = self._sessions[number]
        if session.post_http is not None:
            session.post_http.write(session.post_rest)
            session.post_http = None

    async def do_post_cut(self, number: int) -> None:
        """Break it off."""
        session = self._sessions[number]
        if session.post_http is not None:
            session.post_http.writer.close()
            session.post_http = None

    async def do_request(self, number: int, method: str) -> None:
        """Another method."""
        reply = await self._request(method, self._target(self._sessions[number]))
        self._see(f"post {number}", _head(reply))

    async def do_upgrade(self, number: int) -> None:
        """Open a second transport."""
        await self._open_websocket(self._sessions[number], is_first=False)

    async def do_send(self, number: int, message: str | bytes) -> None:
        """Send a message on a WebSocket."""
        if (found := self._websocket(number)) is not None:
            found[0].send(self._answering(message))
            if message == "5" and found[1] is not None:
                found[1].polls = found[1].polled = found[1].is_probed = False

    async def do_frames(self, number: int, data: bytes) -> None:
        """Send bytes on a WebSocket."""
        if (found := self._websocket(number)) is not None:
            found[0].http.write(data)

    async def do_websocket_cut(self, number: int) -> None:
        """Break the connection of a WebSocket off."""
        if (found := self._websocket(number)) is not None:
            found[0].http.writer.close()

    async def do_server(self, number: int, what: str, namespace: str, *args: Any) -> None:
        """Let the application do something."""
        self._note(await self._server.command(self._tag, what, number, namespace, args))

    # --- HTTP -------------------------------------------------------------------------------------

    def _target(self, session: Session) -> str:
        query = {**session.query, **({"sid": session.sid} if session.sid else {})}
        return "/socket.io/?" + "&".join(f"{key}={quote(value)}" for key, value in query.items())

    async def _http(self) -> RawHttp:
        http = await RawHttp.connect("127.0.0.1", self._server.port)
        self._https.append(http)
        return http

    async def _request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Reply | None:
        http = await self._http()
        http.send(method, target, headers, body if method == "POST" else None)
        return await self._answer(http)

    async def _answer(self, http: RawHttp) -> Reply | None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE):
                return await http._read()
        return None

    async def _read_post(self, http: RawHttp, channel: str) -> None:
        self._see(channel, _head(await self._answer(http)))

    def _start_poll(self, session: Session) -> None:
        session.poll = self._spawn(self._poll(session))

    async def _poll(self, session: Session) -> None:
        me = asyncio.current_task()
        session.poll_http = http = await self._http()
        http.send("GET", self._target(session))
        try:
            reply = await http._read()
        except (ConnectionError, asyncio.IncompleteReadError):
            reply = None
        told = self._told(session, reply)
        channel = f"session {self._sessions.index(session)}"
        if reply is None or reply.status != 200:
            channel = f"refused {channel}"  # beside another poll, whose answer may come later
        for item in told:
            if item != "6":  # how many there are depends on the clock
                self._see(channel, item)
        if reply is None or reply.status != 200 or "1" in told:
            session.polls = session.polled = False
        if session.poll is me:
            session.poll = None

    def _told(self, session: Session, reply: Reply | None) -> list[Any]:
        if reply is None or reply.status != 200:
            return [_head(reply)]
        packets = _packets(reply, session.query)
        told = [self._packet(packet, session) for packet in packets]
        kind = (reply.header("content-type"), reply.header("cache-control"))
        is_octets = any(isinstance(packet, bytes) for packet in packets)
        if kind != ((OCTETS if is_octets else TEXT), "no-store") and "j" not in session.query:
            told.insert(0, kind)
        return told

    def _packet(self, packet: str | bytes, session: Session | None) -> Any:
        """A packet without what differs from server to server and time to time."""
        if isinstance(packet, bytes):
            return {"$bytes": packet.hex()}
        if packet.startswith("0{") and session is not None:
            with suppress(ValueError):
                handshake = json.loads(packet[1:])
                session.sid = session.sid or handshake["sid"]
                return {**handshake, "sid": self._name(handshake["sid"])}
        packet = _SID.sub(lambda found: f'"sid":"{self._name(found[1])}"', packet)
        packet = _ASK.sub(self._asked, packet)
        if packet.startswith("44"):
            return _sorted_json(packet)
        return packet

    def _asked(self, found: re.Match[str]) -> str:
        """The id of an event to be acknowledged; the reference counts them for all clients."""
        self._asks.append(found[2])
        return f'{found[1]}#{len(self._asks) - 1}["ask"'

    def _answering(self, packet: str | bytes) -> str | bytes:
        """Put the id of the event in, whose number among them stands behind the `#`."""
        if isinstance(packet, bytes) or "#" not in packet:
            return packet
        number = int(packet[packet.index("#") + 1])
        id_ = self._asks[number] if number < len(self._asks) else "999999"
        return packet.replace(f"#{number}", id_)

    def _name(self, id_: str) -> str:
        return self._names.setdefault(id_, f"id {len(self._names)}")

    # --- WebSockets -------------------------------------------------------------------------------

    async def _open_websocket(self, session: Session, *, is_first: bool) -> None:
        http = await self._http()
        query = {**session.query, "transport": "websocket"}
        target = self._target(Session(query, session.sid))
        http.send("GET", target, RawWebSocket.request_headers())
        reply = await self._answer(http)
        channel = f"websocket {len(self._websockets)}"
        if reply is None or reply.status != 101:
            self._websockets.append(None)
            self._see(channel, _head(reply))
            return
        self._see(channel, "open")
        websocket = RawWebSocket(http)
        self._websockets.append((websocket, None if is_first else session))
        self._spawn(self._read_websocket(websocket, channel, session, is_first))

    async def _read_websocket(
        self, websocket: RawWebSocket, channel: str, session: Session, is_first: bool
    ) -> None:
        while True:
            message = await websocket._receive()
            if isinstance(message, Closed):
                session.is_probed = session.is_probed and is_first
                self._see(channel, ["closed", message.code])
                websocket.http.writer.close()
                return
            if message == "3probe" and not is_first:
                session.is_probed, session.polls, session.polled = True, False, False
            self._see(channel, self._packet(message, session))

    def _websocket(self, number: int) -> tuple[RawWebSocket, Session | None] | None:
        """One that is there and has not ended, and the session that it is a second transport of."""
        found = self._websockets[number] if number < len(self._websockets) else None
        return None if found is None or found[0].http.writer.is_closing() else found

    # --- observing --------------------------------------------------------------------------------

    def _see(self, channel: str, item: Any) -> None:
        self._seen.setdefault(channel, []).append(item)

    def _note(self, notes: dict[str, list[Any]]) -> None:
        for channel, items in notes.items():
            for item in items:
                self._see(channel, item)

    async def _settle(self) -> Observed:
        while True:
            await self._quiet()
            renewed = False
            for session in self._sessions:
                if session.poll is not None and session.is_probed:
                    await self._until_answered(session)
                    renewed = True
                elif session.is_probed:
                    session.polls = session.polled = False  # it would go on with noops
                elif session.poll is None and (session.polls or session.polled):
                    self._start_poll(session)
                    renewed = True
            if not renewed:
                break
        if self._pause:
            await asyncio.sleep(self._pause)
            await self._quiet()
        seen, self._seen = self._seen, {}
        return seen

    async def _until_answered(self, session: Session) -> None:
        """A poll in the middle of an upgrade is answered, with a noop if not with more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while session.poll is not None and session.is_probed:
                    await asyncio.sleep(0.005)
                return
        self._see(f"session {self._sessions.index(session)}", "poll without an answer")
        session.is_probed = False

    async def _quiet(self) -> None:
        """Until the server has read what was sent, and we what it has answered."""
        await asyncio.sleep(0)
        while any(map(_is_sending, self._https)):
            await asyncio.sleep(0)
        for _ in range(ROUNDS):
            self._note(await self._server.command(self._tag))
            for _ in range(3):
                await asyncio.sleep(0)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(coroutine)
        self._tasks.append(task)
        return task

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for http in self._https:
            http.reset()


_TCP_CLOSED: Final = 7


def _is_sending(http: RawHttp) -> bool:
    """Whether the peer's end of the connection has not got all yet."""
    transport = http.writer.transport
    if transport.get_write_buffer_size():
        return True
    sock = transport.get_extra_info("socket")
    if sock is None or transport.is_closing() or sock.fileno() == -1:
        return False
    left = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, left)
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return False
    return left[0] > 0 and state != _TCP_CLOSED  # what is left in that one stays


_SID: Final = re.compile(r'"sid":"([^"]*)"')
_ASK: Final = re.compile(r'(42(?:/[^,]*,)?)([0-9]+)\["ask"')


def _body(packets: list[str | bytes], query: dict[str, str]) -> bytes:
    """Packets as a client of the session's revision posts them."""
    is_old = query.get("EIO") != "4"
    texts = [
        packet
        if isinstance(packet, str)
        else ("b4" if is_old else "b") + base64.b64encode(packet).decode()
        for packet in packets
    ]
    if is_old:
        body = "".join(f"{len(text.encode('utf-16-le')) // 2}:{text}" for text in texts)
    else:
        body = "\x1e".join(texts)
    return b"d=" + quote_plus(body).encode() if "j" in query else body.encode()


def _head(reply: Reply | None) -> Any:
    if reply is None:
        return "cut off"
    code = None
    with suppress(ValueError):
        told = reply.json()
        code = told["code"] if isinstance(told, dict) else None
    body = reply.text if reply.status == 200 else None
    kept = ("content-type", "cache-control") if reply.status == 200 else ()
    return [reply.status, code, body, *map(reply.header, kept)]


def _packets(reply: Reply, query: dict[str, str]) -> list[str | bytes]:
    """The packets of an answer to a poll; binary ones as bytes, where they come so."""
    body = reply.body
    if "j" in query:
        body = json.loads(body[body.index(b"(") + 1 : -2]).encode()
    if query.get("EIO") == "4":
        return list(body.decode().split("\x1e"))
    if reply.header("content-type") == "application/octet-stream":
        return list(_octets(body))
    text, packets = body.decode(), list[str | bytes]()
    while text:
        length, _, text = text.partition(":")
        packet = text.encode("utf-16-le")[: 2 * int(length)].decode("utf-16-le")
        packets.append(packet)
        text = text[len(packet) :]
    return packets


def _octets(body: bytes) -> list[str | bytes]:
    packets = list[str | bytes]()
    while body:
        is_binary, end = body[0], body.index(255)
        length = int("".join(map(str, body[1:end])))
        packet, body = body[end + 1 : end + 1 + length], body[end + 1 + length :]
        packets.append(packet if is_binary else packet.decode())
    return packets


def _sorted_json(packet: str) -> str:
    """The order of keys does not matter."""
    begin = packet.find("{")
    if begin == -1:
        return packet
    with suppress(ValueError):
        return packet[:begin] + json.dumps(json.loads(packet[begin:]), sort_keys=True)
    return packet
