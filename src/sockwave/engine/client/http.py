"""HTTP of one connection: aiohttp does requests, TLS, proxies and the WebSocket handshake.

The WebSocket itself is ours (ADR 0005): after the 101 the TCP connection gets our protocol object.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from yarl import URL

from sockwave.codec.deflate import OFFER, agree
from sockwave.codec.websocket import accept_key
from sockwave.engine.client.cookies import CookieJar
from sockwave.engine.client.failures import POLL_ERROR, POST_ERROR, WEBSOCKET_ERROR, answered
from sockwave.engine.client.http_failures import Lost, failed
from sockwave.engine.client.options import checked_headers
from sockwave.engine.client.proxies import find_proxy
from sockwave.engine.client.url import request_url
from sockwave.errors import FailureCause, SockwaveError, TransportError, WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.url import ServerUrl
    from sockwave.types import TransportName

__all__ = ["HttpClient", "Upgraded"]

ERROR_BODY: Final = 4_096
"""Bytes of an error's body that are read: it says why in a line."""

REUSED_WITHIN: Final = 1.5
"""Seconds of rest after which a TCP connection takes no further request.

A server closes a connection that rests, the hasty ones after 2 seconds (gunicorn), most after 5. A
POST that crosses this end is lost, and nobody can tell whether it was read: so none is sent then.
"""

_POOL: Final[dict[str, Any]] = {"limit": 0, "keepalive_timeout": REUSED_WITHIN}


class Upgraded(NamedTuple):
    """A TCP connection whose HTTP is over.

    Attributes:
        tcp: To write to; its protocol is to be replaced at once.
        already_read: Bytes that came right behind the 101.
        release: To be called when the connection is lost: aiohttp counts it as in use until then.
        deflate: The negotiated extension.
    """

    tcp: asyncio.Transport
    already_read: bytes
    release: Callable[[], None]
    deflate: PerMessageDeflate | None


class _Tail:
    """Stands where aiohttp's WebSocket parser would, and only collects."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None: ...


class HttpClient:
    """The requests of one connection to one server.

    Attributes:
        partial: Bytes that have come of an answer which is not whole.
    """

    def __init__(self, server: ServerUrl, options: ClientEngineOptions) -> None:
        self._server = server
        self._options = options
        self._headers: dict[str, str] = {}
        self._proxy: str | None = None
        self._jar = CookieJar() if options.with_credentials else None
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False
        self.partial: int = 0

    def __len__(self) -> int:
        """How many TCP connections are open in the pool or in use."""
        connector = self._session.connector if self._session is not None else None
        return 0 if connector is None else len(connector._acquired)

    async def prepare(self) -> None:
        """Ask for what is asked for at each attempt: headers of the application, and the proxy.

        Raises:
            TransportError: The function given as `extra_headers` failed, or the environment names
                a proxy that is none.
        """
        given = self._options.extra_headers
        try:
            headers: Any = given() if callable(given) else given
            if hasattr(headers, "__await__"):
                headers = await headers
            self._headers = checked_headers(headers)
            if self._server.login and not any(map(_is_authorization, self._headers)):
                self._headers["Authorization"] = self._server.login
            self._proxy = find_proxy(self._server, self._options)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            text = str(error) or type(error).__name__
            text = text if text.startswith("trust_env") else f"extra_headers failed: {text}"
            raise TransportError(text, cause=FailureCause.APPLICATION) from error

    @property
    def has_detour(self) -> bool:
        """Whether requests go through a proxy or a Unix socket, where no UDP goes."""
        return self._proxy is not None or self._options.unix_path is not None

    def headers(self) -> dict[str, str]:
        """Fields of a request that is made elsewhere."""
        return self._request_headers()

    async def get(self, sid: str | None) -> bytes:
        """Poll.

        Raises:
            TransportError: No answer, or one that is not 200; redirects are not followed.
        """
        return await self._request("GET", sid, None, POLL_ERROR)

    async def post(self, sid: str, body: bytes) -> None:
        """Send a payload.

        Raises:
            TransportError: As `get`.
        """
        await self._request("POST", sid, body, POST_ERROR)

    async def _request(self, method: str, sid: str | None, body: bytes | None, what: str) -> bytes:
        headers = self._request_headers()
        if body is not None:
            headers["Content-Type"] = "text/plain;charset=UTF-8"
        timeout = self._options.request_timeout if body is not None else None
        try:
            async with self._http().request(
                method,
                self._url("polling", sid),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
                **self._connection_options(),
            ) as response:
                if response.status != 200:
                    text = await _start_of(response)
                    raise answered(what, "polling", response.status, response.headers, text)
                if self._jar is not None:
                    self._jar.store(response.headers.getall("Set-Cookie", []), time.time())
                return await self._read(response, what)
        except SockwaveError:
            raise
        except Exception as error:  # those of SOCKS proxies have no base that is known here
            failure = failed(what, "polling", error, is_first=sid is None)
            raise failure from failure.__cause__

    async def _read(self, response: aiohttp.ClientResponse, what: str) -> bytes:
        """Read a body of bounded size, whatever it inflates to."""
        limit = 2 * self._options.max_payload
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                text = f"response too large, over twice `max_payload`, {limit} bytes"
                raise TransportError(
                    what, transport="polling", cause=FailureCause.TOO_LARGE, details=text
                )
            chunks.append(chunk)
            self.partial = size
        self.partial = 0
        return b"".join(chunks)

    async def upgrade(self, sid: str | None) -> Upgraded:
        """Open a WebSocket (RFC 6455 section 4.1).

        Raises:
            TransportError: The server does not speak WebSocket here.
        """
        key = base64.b64encode(os.urandom(16))
        headers = self._request_headers()
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key.decode(),
        }
        if self._options.protocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(self._options.protocols)
        if self._options.per_message_deflate is not None:
            headers["Sec-WebSocket-Extensions"] = OFFER
        try:
            response = await self._http().get(
                self._url("websocket", sid),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
                **self._connection_options(),
            )
            try:
                return await self._take_over(response, key)
            except BaseException:
                response.close()
                raise
        except TransportError:
            raise
        except Exception as error:
            failure = failed(WEBSOCKET_ERROR, "websocket", error, is_first=sid is None)
            raise failure from failure.__cause__

    async def _take_over(self, response: aiohttp.ClientResponse, key: bytes) -> Upgraded:
        if response.status != 101:
            text = await _start_of(response)
            raise answered(WEBSOCKET_ERROR, "websocket", response.status, response.headers, text)
        fields = response.headers
        if (
            fields.get("Upgrade", "").lower() != "websocket"
            or "upgrade" not in fields.get("Connection", "").lower()
            or fields.get("Sec-WebSocket-Accept", "") != accept_key(key).decode()
        ):
            raise WebSocketError(1002, "the answer is not a WebSocket handshake")
        protocol = fields.get("Sec-WebSocket-Protocol")
        if protocol is not None and protocol not in self._options.protocols:
            raise WebSocketError(1002, "the server chose a subprotocol that was not offered")
        extensions = ", ".join(fields.getall("Sec-WebSocket-Extensions", []))
        deflate_options = self._options.per_message_deflate
        deflate = None
        if extensions.strip():
            if deflate_options is None:
                raise WebSocketError(1010, "the server chose an extension that was not offered")
            deflate = agree(extensions, deflate_options)
        connection = response.connection
        http_protocol = connection.protocol if connection is not None else None
        tcp = http_protocol.transport if http_protocol is not None else None
        if http_protocol is None or tcp is None:
            raise WebSocketError(1002, "connection lost")
        tail = _Tail()
        http_protocol.set_parser(tail, None)

        def release() -> None:
            http_protocol.connection_lost(None)
            response.close()

        return Upgraded(tcp, tail.data, release, deflate)

    async def aclose(self) -> None:
        """Close all TCP connections."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- private ----------------------------------------------------------------------------------

    def _http(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise TransportError("connection closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent",),
                middlewares=(_once,),
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        options = self._options
        if options.unix_path is not None:
            return aiohttp.UnixConnector(options.unix_path, **_POOL)
        if self._proxy is not None and self._proxy.startswith("socks"):
            return _socks_connector(self._proxy)
        return aiohttp.TCPConnector(use_dns_cache=False, **_POOL)

    def _connection_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"allow_redirects": False, "ssl": self._options.ssl}
        proxy = self._proxy
        if proxy is not None and not proxy.startswith("socks"):
            options["proxy"] = proxy
        return options

    def _url(self, transport: TransportName, sid: str | None) -> URL:
        return URL(request_url(self._server, self._options, transport, sid), encoded=True)

    def _request_headers(self) -> dict[str, str]:
        headers = {"Accept": "*/*", **self._headers}
        if self._jar is not None:
            own = [name for name in headers if name.lower() == "cookie"]
            cookies = self._jar.header(headers.pop(own[0]) if own else "", time.time())
            if cookies:
                headers["Cookie"] = cookies
        return headers


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again whose connection was lost.

    The answer that was lost may have held packets: a second GET would get those behind them, and
    nobody would know. A server that hangs up at once would be called twice each time, too.
    """
    try:
        return await handler(request)
    except (
        aiohttp.ConnectionTimeoutError,
        aiohttp.ClientConnectorError,
        aiohttp.ClientConnectorCertificateError,
    ):
        raise  # nothing was sent: not repeated either
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Lost from error


def _socks_connector(proxy: str) -> aiohttp.BaseConnector:
    try:
        from aiohttp_socks import ProxyConnector
    except ImportError as error:
        raise ImportError(
            'SOCKS proxies need aiohttp-socks: pip install "sockwave[socks]"'
        ) from error
    rdns = proxy.startswith("socks5h")
    connector: aiohttp.BaseConnector = ProxyConnector.from_url(
        proxy.replace("socks5h:", "socks5:", 1), rdns=rdns or None, **_POOL
    )
    return connector


def _is_authorization(name: str) -> bool:
    return name.lower() == "authorization"


async def _start_of(response: aiohttp.ClientResponse) -> str:
    """The first bytes of an error's body; it may be endless."""
    try:
        async with asyncio.timeout(1.0):
            return (await response.content.read(ERROR_BODY)).decode(errors="replace")
    except (aiohttp.ClientError, TimeoutError):
        return ""
