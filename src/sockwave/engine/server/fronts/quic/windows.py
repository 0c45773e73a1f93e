"""How much may be on its way to a client of QUIC."""

from __future__ import annotations

from typing import Final

__all__ = ["FULL", "ROOM"]

FULL: Final = 262_144
"""Bytes not confirmed by the peer, above which nothing more is written: the library would keep any
amount. With what is written at once it is the most that a stalled peer costs here."""

ROOM: Final = FULL // 2
"""Bytes below which it can be written again."""
