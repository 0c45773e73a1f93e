"""How the rows of the catalogue are run: their size, and sets of options that several share."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["IS_FULL", "scaled"]

IS_FULL: Final = os.environ.get("SOCKWAVE_CATALOGUE") == "full"
"""Whether every row is run at the size that the catalogue gives it."""


def scaled(full: int, quick: int) -> int:
    """The size of a row: as in the catalogue where `SOCKWAVE_CATALOGUE=full`, else smaller."""
    return full if IS_FULL else quick
