"""Where NATS is: addresses, or a client of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from sockwave.adapters.addresses import check_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from nats.aio.client import Client

    from sockwave.adapters.nats.connection import Source

__all__ = ["make_source"]

DEFAULT_PORT: Final = 4222

_WITH_PORT: Final = frozenset({"nats", "tls"})
_SCHEMES: Final = frozenset({*_WITH_PORT, "ws", "wss"})


def make_source(
    who: str,
    servers: str | Sequence[str] | Client,
    tls: ssl.SSLContext | None,
    credentials: str | None,
    nkeys_seed: str | None,
) -> Source:
    """What makes the connections.

    Args:
        who: Wants them, for people.

    Raises:
        ModuleNotFoundError: nats-py is not installed.
        TypeError, ValueError: It is neither URLs nor a client, or a URL is none.
    """
    try:
        from nats.aio.client import Client
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{who} needs nats-py: pip install "sockwave[nats]"', name=error.name
        ) from error
    from sockwave.adapters.nats.connection import GivenClient, OwnClients

    if isinstance(servers, Client):
        if tls is not None or credentials is not None or nkeys_seed is not None:
            raise ValueError("tls, credentials and nkeys_seed are for URLs: a client has its own")
        return GivenClient(servers)
    if not isinstance(servers, (str, list, tuple)):
        kind = type(servers).__name__
        raise TypeError(f"servers must be URLs or a client of nats-py, not {kind}")
    urls = [servers] if isinstance(servers, str) else list(servers)
    if not urls:
        raise ValueError("servers: there is none")
    urls = [_checked_url(url) for url in urls]
    return OwnClients(
        urls, login=_login(urls), tls=tls, credentials=credentials, nkeys_seed=nkeys_seed
    )


def _checked_url(url: str) -> str:
    """A URL with its port; what is wrong with one does not come into the text, for its password.

    Raises:
        TypeError, ValueError: It is none.
    """
    if not isinstance(url, str):
        raise TypeError(f"servers must be URLs or a client of nats-py, not {type(url).__name__}")
    check_address(url)
    wanted = "servers: a URL of NATS has the form nats://host:4222 or tls://host:4222"
    try:
        parts = urlsplit(url)
        has_port = parts.port is not None
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(wanted)
    if has_port or parts.scheme not in _WITH_PORT:
        return url
    return parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}").geturl()


def _login(urls: Sequence[str]) -> dict[str, str]:
    """User and password of the URLs, or a token: nats-py takes `%40` there for three characters.

    Nothing where servers have different ones, which nats-py reads by itself.
    """
    parts = [urlsplit(url) for url in urls]
    logins = {(each.username, each.password) for each in parts if each.username}
    if len(logins) != 1:
        return {}
    ((user, password),) = logins
    if password is None:
        return {"token": unquote(user or "")}
    return {"user": unquote(user or ""), "password": unquote(password)}
