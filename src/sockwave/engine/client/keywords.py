"""The options of a client's engine as keywords, in the forms a user may write them.

What stands under each is the text of the dataclass, for editors; `python -m scripts.option_docs`
writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import os
    import ssl as ssl_module
    from collections.abc import Mapping, Sequence

    from sockwave.codec.deflate import Deflate
    from sockwave.engine.client.options import ExtraHeaders
    from sockwave.types import TransportName

__all__ = ["ClientEngineOptionsDict"]


class ClientEngineOptionsDict(TypedDict, total=False):
    """The keywords of `ClientEngineOptions`, for functions that pass them on."""

    path: str
    """URL path of the server. Default: `"/socket.io"`."""

    add_trailing_slash: bool
    """Whether the path ends with a slash in the URL. Default: `True`."""

    query: Mapping[str, object] | str
    """Parameters for the handshake, a mapping or a query string; they win over those of the URL.
    The protocol's own (`EIO`, `transport`, `sid`) cannot be set. Default: `{}`."""

    transports: Sequence[TransportName]
    """Transports in the order they are tried; only the first, unless `try_all_transports`.
    WebTransport, which needs `sockwave[webtransport]`, gives way to the next one in any case:
    networks block UDP. Default: `('polling', 'websocket')`."""

    try_all_transports: bool
    """Go on to the next transport when one cannot be opened. Default: `False`."""

    upgrade: bool
    """Try to move from polling to WebTransport or a WebSocket. Default: `True`."""

    remember_upgrade: bool
    """Begin with what the last connection had moved to, when it ended on that. Default: `False`."""

    timeout: float | None
    """Seconds an attempt may take until the server's handshake, over all transports tried; also the
    time of an upgrade. None: no limit. Default: `20.0`."""

    request_timeout: float | None
    """Seconds a POST of polling may take. None: the heartbeat alone judges. Default: `None`."""

    close_timeout: float
    """Seconds that an orderly close may take. Default: `5.0`."""

    timestamp_requests: bool | None
    """Make each URL unique against caches. None: on polling only. Default: `None`."""

    timestamp_param: str
    """Name of the parameter that `timestamp_requests` adds. Default: `"t"`."""

    force_base64: bool
    """Send and ask for binary messages as base64 text. Default: `False`."""

    extra_headers: ExtraHeaders
    """Header fields sent with every request, or a function that is asked for them at each
    connection attempt; it may be `async def`. Default: `{}`."""

    with_credentials: bool
    """Keep cookies that polling responses set, and send them along, for sticky sessions. They live
    as long as the connection. Default: `False`."""

    protocols: Sequence[str]
    """WebSocket subprotocols to offer. Default: `()`."""

    per_message_deflate: Deflate | bool | None
    """Offered to the server; True for the defaults of `Deflate`, False to offer nothing. Messages
    below its threshold are sent as they are. Default: `Deflate()`."""

    ssl: ssl_module.SSLContext | bool
    """True checks the server's certificate by the system's authorities; a context of your own for
    other authorities or a client certificate; False checks nothing. Default: `True`."""

    server_certificate_hashes: Sequence[str | bytes]
    """SHA-256 of certificates, as 64 hexadecimal digits or 32 bytes: with WebTransport a server
    that shows one of these is believed, and no other. Default: `()`."""

    webtransport_cafile: str | os.PathLike[str] | None
    """File in PEM with the authorities that are believed with WebTransport, or the certificate of
    the server itself. None: those that `ssl` says, without those of a folder (`capath`). Default:
    `None`."""

    proxy: str | None
    """URL of a proxy, `http://user:password@host:port`, or `socks5://host:port`, which needs
    `sockwave[socks]`. Default: `None`."""

    trust_env: bool
    """Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, but for hosts of `NO_PROXY`,
    and its password from the netrc file; for both transports. Nothing else is taken from there: no
    password is sent to the server. WebTransport goes through none. Default: `False`."""

    unix_path: str | None
    """Path of a Unix socket to connect to; the URL's host is then only a name. Default: `None`."""

    max_payload: int
    """Bytes of one message from the server, after inflation; a larger one ends the connection. A
    response of polling, which holds several, may have twice that. Default: `16_777_216`."""

    max_backlog: int
    """Bytes queued that the server has not taken; past it sending raises. Default: `67_108_864`."""
