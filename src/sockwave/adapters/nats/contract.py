"""What is known of the driver on NATS without nats-py."""

from __future__ import annotations

from typing import Final

from sockwave.adapters.driver import Capabilities

__all__ = ["CAPABILITIES", "DEFAULT_BACKLOG", "DEFAULT_PREFIX", "DEFAULT_SERVER"]

CAPABILITIES: Final = Capabilities(
    is_selective=True, is_ordered=True, echoes=True, mode="NatsAdapter"
)

DEFAULT_PREFIX: Final = "sockwave"
"""Of all subjects."""

DEFAULT_SERVER: Final = "nats://localhost:4222"

DEFAULT_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes that are kept while NATS is away or does not take them."""
