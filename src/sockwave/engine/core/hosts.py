"""Names that a server is asked for under: what keeps pages out whose name was bound to its address.

A page of `http://evil.example` whose name leads to 127.0.0.1 has the origin that it connects to, so
only the name itself tells it apart (DNS rebinding). An address cannot be bound to another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

__all__ = ["AllowedHosts"]

_HOST: Final = re.compile(
    r"(?P<name>\[[0-9a-f:.]+\]|(?:\*\.)?(?!\.)[^\s/?#@:\[\]*,;\"'<>\\]+)(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_MAX_HOST: Final = 255 + 6
_MAX_REMEMBERED: Final = 64

ADDRESSES: Final = "addresses"
"""Stands for any IP address."""


class AllowedHosts:
    """Decides by the `Host` of a request.

    Args:
        names: Names and addresses, with a port or for any port; `*.example.com` for all names below
            that one; `addresses` for every IP address.

    Raises:
        TypeError, ValueError: Name the option `allowed_hosts`.
    """

    __slots__ = ("_addresses", "_below", "_known", "_names")

    def __init__(self, names: Any) -> None:
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"allowed_hosts must be a list of names, not {names!r}")
        self._names: set[tuple[str, str | None]] = set()
        self._below: list[tuple[str, str | None]] = []
        self._addresses = False
        self._known: set[bytes] = set()
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"allowed_hosts: {name!r} is not text")
            if name == ADDRESSES:
                self._addresses = True
                continue
            found = _split(f"[{name}]" if name.count(":") > 1 and name[0] != "[" else name)
            if found is None:
                raise ValueError(
                    f"allowed_hosts: {name!r} is not a host such as 'example.com',"
                    " 'example.com:8080', '*.example.com' or 'addresses'"
                )
            if found[0].startswith("*."):
                self._below.append((found[0][1:], found[1]))
            else:
                self._names.add(found)

    def allows(self, host: bytes | None) -> bool:
        """Whether a request with this header may come in; one without may not."""
        if host in self._known:
            return True
        found = _split(host.decode("latin-1")) if host is not None else None
        if host is None or found is None or not self._includes(*found):
            return False
        if len(self._known) < _MAX_REMEMBERED:
            self._known.add(host)
        return True

    def _includes(self, name: str, port: str | None) -> bool:
        return (
            (name, None) in self._names
            or (name, port) in self._names
            or any(name.endswith(end) and each in (None, port) for end, each in self._below)
            or (self._addresses and _is_address(name))
        )


def _split(text: str) -> tuple[str, str | None] | None:
    """Read a host with its port; None for what is none."""
    found = _HOST.fullmatch(text.lower()) if len(text) <= _MAX_HOST else None
    return (found["name"].removesuffix("."), found["port"]) if found is not None else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
