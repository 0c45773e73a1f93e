"""Connection ids that say which process of a port has the connection, to these processes alone.

Theory. An id is `SALT` random bytes and four that are hidden by a keyed hash of these: the number
of the process, and zeros by which an id of ours is known. Whoever has no key sees random bytes,
so he can neither tell which ids belong to one client, as RFC 9000 section 5.1 wants it, nor which
process has it. Any process of the port reads the number, and knows the token by which a client is
told that its connection is no more (section 10.3): so another one can say so for one that is dead.

An id that somebody else has chosen passes for one of ours in one of 65,536 cases; whoever is asked
for it by mistake finds no connection, and nothing worse comes of it.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

__all__ = ["KEY", "LENGTH", "ConnectionIds", "stateless_reset"]

KEY: Final = 32
"""Bytes of a key."""

SALT: Final = 8
"""Random bytes of an id."""

LENGTH: Final = SALT + 4
"""Bytes of an id."""

TOKEN: Final = 16
"""Bytes of a reset token, as QUIC has them."""

MOST_RESET: Final = 43
"""Bytes of a reset at most; a usual small packet is as long."""

LEAST_RESET: Final = 21
"""Bytes of a reset at least."""


class ConnectionIds:
    """Makes and reads the ids of one port.

    Args:
        number: Of this process, below 65,536.
        key: Of the port, the same for all its processes; None makes one for this process alone.

    Attributes:
        number: The same.
    """

    __slots__ = ("_key", "number")

    def __init__(self, number: int = 0, key: bytes | None = None) -> None:
        self.number: int = number
        self._key = os.urandom(KEY) if key is None else key

    def new(self) -> bytes:
        """Make an id for a connection of this process."""
        salt = os.urandom(SALT)
        return salt + self._masked(salt, self.number << 16)

    def number_in(self, id_: bytes) -> int | None:
        """The number of the process that has made an id; None where it is none of this port."""
        if len(id_) != LENGTH:
            return None
        plain = int.from_bytes(self._masked(id_[:SALT], int.from_bytes(id_[SALT:], "big")), "big")
        return None if plain & 0xFFFF else plain >> 16

    def _masked(self, salt: bytes, value: int) -> bytes:
        mask = blake2b(salt, digest_size=4, key=self._key, person=b"number").digest()
        return (int.from_bytes(mask, "big") ^ value).to_bytes(4, "big")

    def token(self, id_: bytes) -> bytes:
        """What tells the client of an id that its connection is no more."""
        return blake2b(id_, digest_size=TOKEN, key=self._key, person=b"reset").digest()


def stateless_reset(token: bytes, size: int) -> bytes | None:
    """A packet that ends a connection which nobody has any more (RFC 9000, section 10.3).

    Args:
        size: Of the packet that asks for it: the answer is smaller, so that two sides that know
            nothing of each other do not talk for ever. None where that one is too small.
    """
    length = min(size - 1, MOST_RESET)
    if length < LEAST_RESET:
        return None
    noise = bytearray(os.urandom(length - TOKEN))
    noise[0] = 0x40 | noise[0] & 0x3F  # as if it were a packet of a connection
    return bytes(noise) + token
