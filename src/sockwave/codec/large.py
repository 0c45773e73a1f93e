"""Decoding of large messages."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LARGE", "VIEWED", "decode_large"]

D = TypeVar("D")

LARGE: Final = 65_536
"""Bytes from which on the garbage collector waits while a value is built. Every few hundred lists
that are made would start it, to look at all of those before: of a million bytes of `[]` three
quarters of the time."""

VIEWED: Final = 2_048
"""Bytes from which on a copy of a piece costs more than a view of it."""


def decode_large(decode: Callable[[D], Any], data: D) -> Any:
    """Decode with the garbage collector waiting."""
    if not gc.isenabled():
        return decode(data)
    gc.disable()
    try:
        return decode(data)
    finally:
        gc.enable()
