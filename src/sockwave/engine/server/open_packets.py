"""The packet that a session begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.engineio import Handshake, handshake_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.options import EngineOptions
    from sockwave.types import SessionId, TransportName

__all__ = ["OpenPackets"]


class OpenPackets:
    """Makes handshakes of one engine; those of sessions differ in their ids only."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._encoders: dict[tuple[TransportName, ...], Callable[[SessionId], bytes]] = {}

    def __call__(self, id_: SessionId, upgrades: tuple[TransportName, ...]) -> bytes:
        """Encode the handshake of a session, which names the transports that it may move to."""
        encode = self._encoders.get(upgrades)
        if encode is None:
            options = self._options
            encode = self._encoders[upgrades] = handshake_encoder(
                Handshake(
                    id_, upgrades, options.ping_interval, options.ping_timeout, options.max_payload
                )
            )
        return encode(id_)
