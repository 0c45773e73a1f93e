"""Names under which the demo may be asked for."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.hosts import AllowedHosts

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["allow", "allowed"]

_NAME: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)


def _own_names() -> list[str]:
    name = socket.gethostname()
    return [name, f"{name}.local"] if _NAME.fullmatch(name) else []


allowed: Final = ["localhost", "*.localhost", "addresses", *_own_names()]
"""Of the machine itself, and every address; `sockwave demo --allow-host` adds to them."""


def allow(names: Iterable[str]) -> None:
    """Add names.

    Raises:
        ValueError: One is none.
    """
    names = list(names)
    AllowedHosts(names)
    allowed.extend(names)
