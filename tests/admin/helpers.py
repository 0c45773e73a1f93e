"""What tests of the admin namespace share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import bcrypt

from sockwave.testing import LinkedClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Server

__all__ = ["AUTH", "HASH", "LOGIN", "Viewer", "until"]

HASH = bcrypt.hashpw(b"open sesame", b"$2b$04$abcdefghijklmnopqrstuu").decode()
AUTH = ("admin", HASH)
LOGIN = {"username": "admin", "password": "open sesame"}


async def until(is_so: Callable[[], Any]) -> Any:
    """Wait for something that happens soon; the time-out of the test is the bound."""
    async with asyncio.timeout(10):
        while not (found := is_so()):
            await asyncio.sleep(0.005)
    return found


class Viewer:
    """A page: it keeps what it gets."""

    def __init__(self, io: Server, *, auth: dict[str, Any] | None = None, **how: Any) -> None:
        self.client = LinkedClient(io, "/admin", auth=LOGIN if auth is None else auth, **how)
        self.events: list[tuple[str, list[Any]]] = []

    async def __aenter__(self) -> Viewer:
        await self.client.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.close()

    @property
    def id(self) -> str:
        assert self.client.sid is not None
        return self.client.sid

    def all(self, event: str) -> list[list[Any]]:
        """What has come of an event so far."""
        self.events += self.client.received_nowait()
        return [args for name, args in self.events if name == event]

    async def next(self, event: str, fits: Callable[[list[Any]], Any] = bool) -> list[Any]:
        """The first of an event that fits, as soon as it is there."""
        found: list[list[Any]] = await until(
            lambda: [args for args in self.all(event) if fits(args)]
        )
        return found[0]

    def names(self) -> list[str]:
        """Names of all that has come."""
        self.all("")
        return [name for name, _ in self.events]
