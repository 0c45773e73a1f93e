"""Which worker this process is: told by the supervisor, in its environment."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Final

import msgspec

from sockwave.engine.server.routing import WORKER_VARIABLE, told_worker

__all__ = ["MAX_NUMBER", "Identity", "number_of", "prefix_of"]

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DIGITS: Final = {ord(digit): value for value, digit in enumerate(_ALPHABET)}

MAX_NUMBER: Final = len(_ALPHABET) ** 2 - 1
"""Numbers are two characters of a session id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A worker, as its supervisor has made it.

    Attributes:
        number: In the ids of its sessions. A worker that takes the place of another one has a new
            one: both have sessions for a while.
        index: Its place among the workers, from 0.
        count: How many places there are.
        directory: Where the workers' Unix sockets are; nobody else may look into it.
        listening: Descriptor of the port, as a listening socket of this place.
        control: Descriptor of the connection to the supervisor.
        has_udp: Whether its socket of the UDP port comes on that connection.
        key: Of the ids of connections on that port, the same for all workers, in hexadecimal.
    """

    number: int
    index: int
    count: int
    directory: str
    listening: int
    control: int
    has_udp: bool = False
    key: str = ""

    def environment(self) -> dict[str, str]:
        """What tells a new process that it is this one."""
        told = msgspec.json.encode(asdict(self)).decode()
        return {WORKER_VARIABLE: f"{self.control}:{os.fstat(self.control).st_ino}:{told}"}

    @classmethod
    def of_this_process(cls) -> Identity | None:
        """Read it from the environment; None in a process that is no worker."""
        told = told_worker()
        return None if told is None else msgspec.json.decode(told, type=cls)


def prefix_of(number: int) -> str:
    """The number as sessions' ids begin with it."""
    return _ALPHABET[number >> 6] + _ALPHABET[number & 63]


def number_of(sid: bytes) -> int | None:
    """The number with which an id begins; None where it is no number."""
    if len(sid) < 2:
        return None
    high, low = _DIGITS.get(sid[0]), _DIGITS.get(sid[1])
    return None if high is None or low is None else high << 6 | low
