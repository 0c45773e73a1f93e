"""Sockets and events as viewers see them: without credentials, and never large."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sockwave.codec.json import encode_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.socketio.server.socket import Socket

__all__ = ["MARK", "client_id", "now_text", "shown_args", "shown_data", "shown_socket"]

MARK: Final = "_admin"
"""Key in `socket.data` under which servers of a cluster tell each other what they cannot ask for;
of the JavaScript version."""

MOST_SHOWN: Final = 4_096
"""Bytes of JSON of one argument, or of one value of `data`, that are shown."""

MOST_ARGS: Final = 20
MOST_KEYS: Final = 100
MOST_ROOMS: Final = 1_000

HIDDEN: Final = "(hidden)"

_SECRET_HEADERS: Final = frozenset({"cookie", "authorization", "proxy-authorization"})
_SECRET_WORDS: Final = ("auth", "cookie", "jwt", "key", "pass", "secret", "session", "sid", "token")


def now_text() -> str:
    """The time as JavaScript writes a date in JSON."""
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def client_id(session: str) -> str:
    """What groups the sockets of a client, and does not tell the id of its session.

    It begins as the id does in logs.
    """
    return session[:4] + sha256(session.encode()).hexdigest()[:8]


def shown_socket(socket: Socket | RemoteSocket, namespace: str) -> dict[str, Any]:
    """A socket of this process or of another one; what others tell is only what they tell."""
    data = socket.data
    client: Any
    transport: Any
    session = getattr(socket, "conn", None)
    if session is not None:
        client, transport = client_id(session.id), session.transport.name
    else:
        mark = data.get(MARK)
        mark = mark if isinstance(mark, dict) else {}
        client, transport = mark.get("clientId"), mark.get("transport")
    rooms = sorted(socket.rooms, key=lambda room: room != socket.id)[:MOST_ROOMS]
    return {
        "id": socket.id,
        "clientId": client,
        "transport": transport,
        "nsp": namespace,
        "data": shown_data(data),
        "handshake": shown_handshake(socket),
        "rooms": rooms,
    }


def shown_handshake(socket: Socket | RemoteSocket) -> dict[str, Any]:
    """Without `auth`, and without what else lets somebody in."""
    handshake = socket.handshake
    headers: dict[str, str] = {
        name: HIDDEN if _is_secret(name, _SECRET_HEADERS) else value
        for name in handshake.headers
        if (value := handshake.headers.get(name)) is not None
    }
    query = {name: HIDDEN if _is_secret(name) else value for name, value in handshake.query.items()}
    forwarded = headers.get("cf-connecting-ip") or headers.get("x-forwarded-for")
    path = handshake.url.partition("?")[0]
    told = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
    return {
        "address": forwarded or handshake.address,
        "headers": headers,
        "query": query,
        "issued": handshake.issued,
        "secure": handshake.secure,
        "time": handshake.time,
        "url": f"{path}?{told}" if told else path,
        "xdomain": handshake.xdomain,
    }


def _is_secret(name: str, names: frozenset[str] = frozenset()) -> bool:
    name = name.lower()
    if name in names:
        return True
    if name.startswith(("sec-websocket-", "x-forwarded-")):  # `sec-websocket-key` is none
        return False
    return any(word in name for word in _SECRET_WORDS)


def shown_data(data: Mapping[Any, Any]) -> dict[str, Any]:
    """What the application keeps with a socket, as far as it can be sent."""
    names = [name for name in list(data) if name != MARK]
    shown = {str(name): _shown(data[name]) for name in names[:MOST_KEYS] if name in data}
    if len(names) > MOST_KEYS:
        shown["..."] = f"{len(names) - MOST_KEYS} more"
    return shown


def shown_args(args: Iterable[Any]) -> list[Any]:
    """Name and arguments of an event."""
    everything = list(args)
    shown = [_shown(each) for each in everything[:MOST_ARGS]]
    if len(everything) > MOST_ARGS:
        shown.append(f"... {len(everything) - MOST_ARGS} more")
    return shown


def _shown(value: Any) -> Any:
    if value is None or value.__class__ in (bool, int, float):
        return value
    if isinstance(value, str):
        return value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}..."
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    try:
        size = len(encode_plain(value, default=_shown_inside))
    except TypeError:
        return f"<{type(value).__name__}>"
    if size > MOST_SHOWN:
        return f"<{type(value).__name__} of {size} bytes>"
    return _plain(value)


def _plain(value: Any) -> Any:
    """A copy that can be sent by any parser; `encode_plain` has found that it is not deep."""
    import orjson

    return orjson.loads(encode_plain(value, default=_shown_inside))


def _shown_inside(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError
