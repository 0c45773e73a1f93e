"""Ids that grant something: whoever knows one can take part."""

from __future__ import annotations

from binascii import b2a_base64
from typing import Final

from sockwave.codec.random_pool import RandomPool

__all__ = ["generate_id"]

_random: Final = RandomPool(15).next
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def generate_id(prefix: str = "") -> str:
    """Make an id of 20 characters from 120 random bits.

    Args:
        prefix: What it begins with: six bits less are random for each character of it.
    """
    id_ = b2a_base64(_random(), newline=False).translate(_URL_SAFE).decode()
    return prefix + id_[len(prefix) :] if prefix else id_
