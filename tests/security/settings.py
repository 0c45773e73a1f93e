"""How the rows of the catalogue are run: their size, and sets of options that several share."""

from __future__ import annotations

import os
import resource
from typing import Any, Final

__all__ = [
    "COMPRESSED",
    "FAULTY",
    "HASTY",
    "IS_FULL",
    "RECOVERING",
    "raise_descriptor_limit",
    "scaled",
]

IS_FULL: Final = os.environ.get("SOCKWAVE_CATALOGUE") == "full"
"""Whether every row is run at the size that the catalogue gives it."""


def scaled(full: int, quick: int) -> int:
    """The size of a row: as in the catalogue where `SOCKWAVE_CATALOGUE=full`, else smaller."""
    return full if IS_FULL else quick


HASTY: Final[dict[str, Any]] = {
    "connect_timeout": 8.0 if IS_FULL else 2.0,
    "ping_interval": 0.5,
    "ping_timeout": 3.0,
    "limits": {"head_timeout": 1.0, "body_timeout": 1.0},
}
"""Time-outs that a row can wait for."""


FAULTY: Final[dict[str, Any]] = {
    "connect_timeout": 2.0,
    "ping_interval": 0.4,
    "ping_timeout": 1.6,
    "upgrade_timeout": 0.5,
    "connection_state_recovery": True,
    "limits": {"keep_alive_timeout": 0.5},
}
"""For faults of the network: what is lost is noticed in two seconds; who is slow stays."""


COMPRESSED: Final[dict[str, Any]] = {"per_message_deflate": True}
"""With permessage-deflate."""


RECOVERING: Final[dict[str, Any]] = {"connection_state_recovery": True}
"""With connection state recovery."""


def raise_descriptor_limit() -> None:
    """Let this process, and those that it starts, open as many files as they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
