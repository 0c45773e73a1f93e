"""User name and password of viewers, and how often one may try.

Theory: bcrypt takes a good part of a second on purpose, so it runs in threads, of which there are
few. It runs for a wrong user name, too, so that the time tells nothing. Who has failed a few times
has to wait, longer each time, by address; while others from the same address wait for a thread, no
more of them are taken. All tables are bounded. When the table of addresses is full, the one that
has failed longest ago is forgotten: who has that many addresses is held up by the threads.

Must never happen: a password in a log, or an answer that tells a wrong name from a wrong password.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.rate_addresses import address_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.core.rate_addresses import AddressKey

__all__ = ["Attempts", "Basic", "Busy", "read_auth"]

THREADS: Final = 2
"""Passwords that are checked at a time: the rest of the machine is for the server."""

MOST_WAITING: Final = 16
"""Attempts that are checked or wait to be, in all: a few seconds' worth."""

FREE: Final = 5
"""Failures of an address before it has to wait: people mistype."""

LONGEST: Final = 300.0
"""Seconds that an address has to wait at most. It is forgotten after twice as long a silence."""

MOST_ADDRESSES: Final = 10_000

BCRYPT_BYTES: Final = 72
"""What bcrypt looks at of a password."""

_HASH: Final = re.compile(r"\$2[abxy]?\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")


class Busy(Exception):
    """Too many attempts; the text is for the viewer."""


@dataclass
class _Failures:
    count: int
    last: float
    until: float


class Attempts:
    """How often each address has failed.

    Args:
        clock: Seconds of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[AddressKey, _Failures] = {}
        self._trying: dict[AddressKey, int] = {}

    def begin(self, address: str) -> None:
        """Somebody tries.

        Raises:
            Busy: Not now.
        """
        key, now = address_key(address), self._clock()
        failures = self._failures.get(key)
        trying = self._trying.get(key, 0)
        if failures is not None:
            if now - failures.last > 2 * LONGEST:
                del self._failures[key]
            elif now < failures.until:
                wait = max(1, round(failures.until - now))
                raise Busy(f"too many attempts: try again in {wait} s")
        if trying and trying + (0 if failures is None else failures.count) >= FREE:
            raise Busy("too many attempts: try again in 1 s")
        if sum(self._trying.values()) >= MOST_WAITING:
            raise Busy("too many attempts: try again in 1 s")
        self._trying[key] = trying + 1

    def end(self, address: str, *, has_failed: bool | None) -> None:
        """It is decided; None if it could not be."""
        key, now = address_key(address), self._clock()
        left = self._trying.pop(key, 1) - 1
        if left:
            self._trying[key] = left
        old = self._failures.pop(key, None)
        if has_failed is None and old is not None:
            self._failures[key] = old
        if has_failed:
            count = 1 if old is None else old.count + 1
            wait = 0.0 if count < FREE else min(LONGEST, 2.0 ** min(count - FREE, 20))
            while len(self._failures) >= MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            self._failures[key] = _Failures(count, now, now + wait)


class Basic:
    """One user name, and the bcrypt hash of the password."""

    def __init__(self, username: str, password: str) -> None:
        self._check = _bcrypt()
        self._username = username.encode()
        self._password = password.encode()
        self._threads: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return "<Basic>"

    async def admits(self, username: object, password: object) -> bool:
        """Whether both are right; takes the same time whatever is wrong."""
        is_known = isinstance(username, str) and hmac.compare_digest(
            username.encode(errors="replace"), self._username
        )
        text = password if isinstance(password, str) else ""
        given = text.encode(errors="replace")[:BCRYPT_BYTES]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sockwave-admin")
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(self._threads, self._matches, given)
        return is_known and is_right and isinstance(password, str)

    def _matches(self, given: bytes) -> bool:
        try:
            return bool(self._check(given, self._password))
        except ValueError:  # a password with a zero byte, with some versions
            return False


def read_auth(auth: Any) -> Basic | None:
    """Take what `instrument` was given as `auth`; None where everybody is let in.

    Raises:
        TypeError: It is nothing of what it may be.
        ValueError: The password is no bcrypt hash.
        ImportError: bcrypt is not installed; the text says what to do.
    """
    if auth is False:
        return None
    pair = _pair(auth)
    if pair is None:
        raise TypeError(
            'auth of instrument must be ("user name", "bcrypt hash of the password"), or False, '
            "which lets everybody in"
        )
    username, password = pair
    if not username:
        raise ValueError("auth of instrument: the user name is empty")
    if not _HASH.fullmatch(password):
        raise ValueError(
            "auth of instrument: the password must be a bcrypt hash; to make one: python -c "
            "\"import bcrypt; print(bcrypt.hashpw(b'the password', bcrypt.gensalt()).decode())\""
        )
    return Basic(username, password)


def _pair(auth: Any) -> tuple[str, str] | None:
    if isinstance(auth, dict):
        return _pair_of_mapping(auth)
    if not isinstance(auth, (tuple, list)) or len(auth) != 2:
        return None
    username, password = auth
    if isinstance(username, str) and isinstance(password, str):
        return username, password
    return None


def _pair_of_mapping(auth: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The form of the JavaScript version."""
    if auth.get("type", "basic") != "basic" or not auth.keys() <= {"type", "username", "password"}:
        return None
    return _pair((auth.get("username"), auth.get("password")))


def _bcrypt() -> Callable[[bytes, bytes], bool]:
    try:
        import bcrypt
    except ModuleNotFoundError as error:
        text = 'auth of instrument needs bcrypt: pip install "sockwave[admin]"'
        raise ImportError(text, name="bcrypt") from error
    return bcrypt.checkpw
