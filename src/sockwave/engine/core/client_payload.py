"""How many packets a client puts into one POST (docs/protocol/client-engine.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sockwave.engine.core.transport import Outgoing

__all__ = ["MAX_PACKETS", "count_for_payload", "packet_size"]

MAX_PACKETS: Final = 16
"""Packets in one POST: python-socketio's server closes the session on a seventeenth."""


def packet_size(packet: Outgoing) -> int:
    """Bytes that a packet takes in a polling payload."""
    if isinstance(packet, bytes):
        return len(packet)
    if packet.is_binary:
        return 1 + 4 * -(-len(packet.data) // 3)
    return len(packet.data)


def count_for_payload(packets: list[Outgoing], max_payload: int) -> int:
    """How many packets fit into one POST; at least one, which may be too large.

    docs/protocol/client-engine.md#buffer-and-maxpayload has what the reference counts.

    Args:
        max_payload: Bytes that the server takes; 0 when it has not told.
    """
    size = 0
    for count, packet in enumerate(packets[:MAX_PACKETS]):
        size += packet_size(packet) + (1 if count else 0)
        if count and 0 < max_payload < size:
            return count
    return min(len(packets), MAX_PACKETS)
