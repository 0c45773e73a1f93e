"""The proxy that the environment names, as curl and browsers take it."""

from __future__ import annotations

import netrc
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from sockwave.engine.client.options import check_proxy

if TYPE_CHECKING:
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.url import ServerUrl

__all__ = ["find_proxy"]


def find_proxy(server: ServerUrl, options: ClientEngineOptions) -> str | None:
    """URL of the proxy of the options, else with `trust_env` that of the environment.

    `HTTP_PROXY` or `HTTPS_PROXY` by the server's scheme, on both transports, else `ALL_PROXY`; none
    for hosts of `NO_PROXY`. Its password may stand in the netrc file. That of the server is not
    looked for there: nobody who wants a proxy means to send passwords to the server.

    Raises:
        ValueError: The environment names no URL of a proxy.
    """
    if options.proxy is not None:
        return options.proxy
    if not options.trust_env or options.unix_path is not None:
        return None
    proxies = getproxies()
    url = proxies.get("https" if server.is_secure else "http") or proxies.get("all")
    if not url or proxy_bypass(f"{server.host}:{server.port}"):
        return None
    if "://" not in url:
        url = f"http://{url}"
    check_proxy(url, "trust_env: the proxy of the environment")
    return _with_login(url)


def _with_login(url: str) -> str:
    """Add what the netrc file says of the proxy's host."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return url
    try:
        found = netrc.netrc().authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return url
    if found is None:
        return url
    name, _, password = found
    login = f"{quote(name, safe='')}:{quote(password or '', safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()
