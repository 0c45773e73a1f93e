"""Addresses of engines, which may have passwords in them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["check_address"]

_HOST: Final = re.compile(r"(?!unix:)[^:/]*://([^/?#]*)([^?]*)(.*)", re.DOTALL)
"""User, password and host; what follows; options."""


def check_address(address: str) -> None:
    """Refuse a URL whose password ends too early, at a character that has to be written otherwise.

    What is left of the password would be taken for a host, and shown to people as one.

    Raises:
        ValueError: It is such a one; the text has nothing of it.
    """
    if (found := _HOST.fullmatch(address)) is None:
        return
    host, path, options = found.groups()
    if "@" in path or ("@" in options and "@" not in host):
        raise ValueError(
            "an @ stands behind the host of this address: what is special in a password is written"
            " as in any URL, / as %2F, # as %23, ? as %3F and @ as %40"
        )
