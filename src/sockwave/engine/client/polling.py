"""Long polling in the client's role: one GET always pending, one POST at a time.

docs/protocol/client-engine.md#polling has the rules.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sockwave.codec.engineio import (
    BinaryMessage,
    encode_base64_packet,
    encode_payload,
    iter_payload,
)
from sockwave.engine.client.failures import POLL_ERROR, not_a_payload
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE
from sockwave.errors import PacketError, SockwaveError
from sockwave.types import DisconnectReason, SessionId, TransportName

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.http import HttpClient
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.transport import Outgoing, TransportReceiver

__all__ = ["PollingTransport"]


class PollingTransport:
    """Carries a session on GETs and POSTs; see `ClientTransport` for the contract.

    Attributes:
        sid: Set by the session's owner when the handshake has come.
    """

    name: TransportName = "polling"
    direct = None
    slice = SLICE

    def __init__(self, http: HttpClient, receiver: TransportReceiver, runtime: Runtime) -> None:
        self.receiver: TransportReceiver = receiver
        self.is_writable: bool = True
        self.failure: SockwaveError | None = None
        self.sid: SessionId | None = None
        self._http = http
        self._runtime = runtime
        self._is_over = False
        self._is_closing = False
        self._at_rest: Callable[[], None] | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._poster: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._poller: asyncio.Task[None] | None = runtime.start(self._poll())

    # --- reading ----------------------------------------------------------------------------------

    async def _poll(self) -> None:
        try:
            while not self._is_over and not self._is_closing and self._at_rest is None:
                await self._may_read.wait()
                payload = await self._http.get(self.sid)
                try:
                    await self._payload_received(payload)
                except PacketError as error:
                    if self._is_from_elsewhere(payload):
                        raise not_a_payload(POLL_ERROR, payload) from error
                    raise
        except SockwaveError as error:
            self._fail(error)
        finally:
            self._poller = None
            self._check_rest()

    def _is_from_elsewhere(self, payload: bytes) -> bool:
        """Before the handshake, and where HTML comes, it is not the server who speaks."""
        return self.sid is None or payload[:1] == b"<"

    async def _payload_received(self, payload: bytes) -> None:
        turns = self._runtime.turns
        for packet in iter_payload(payload):
            if self._is_over:
                return
            if isinstance(packet, BinaryMessage):
                self.receiver.binary_received(packet.data)
            else:
                self.receiver.text_received(packet)
            if not self._may_read.is_set():
                await self._may_read.wait()
            if not turns.takes(0):
                await turns.come(len(payload))

    # --- writing ----------------------------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets with one POST."""
        self.is_writable = False
        self._poster = self._runtime.start(self._post(encode_payload(list(map(_encoded, packets)))))

    async def _post(self, payload: bytes) -> None:
        assert self.sid is not None
        try:
            await self._http.post(self.sid, payload)
        except SockwaveError as error:
            self._fail(error)
            return
        finally:
            self._poster = None
        if self._is_over:
            return
        self.is_writable = True
        self._check_rest()
        self.receiver.transport_writable(self)

    def buffered(self) -> int:
        """Nothing is kept here beyond the POST under way."""
        return 0

    def progress(self) -> Taken:
        """Nothing is known of the POST under way."""
        return Taken(0, 0)

    def partial(self) -> int:
        """Bytes that have come of an answer which is not whole."""
        return self._http.partial

    # --- moving to another transport --------------------------------------------------------------

    def pause(self, at_rest: Callable[[], None]) -> None:
        """Begin no request; call back when none is under way."""
        self._at_rest = at_rest
        self._check_rest()

    def resume(self) -> None:
        """Go on polling."""
        self._at_rest = None
        if self._poller is None and not self._is_over:
            self._poller = self._runtime.start(self._poll())

    def _check_rest(self) -> None:
        if self._at_rest is None or self._is_over:
            return
        if self._poller is None and self._poster is None:
            at_rest, self._at_rest = self._at_rest, None
            at_rest()

    # --- ending -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Send a CLOSE packet, and be gone."""
        if self._is_closing or self._is_over:
            return
        self._is_closing = True
        self.is_writable = False
        self._poster = self._runtime.start(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        try:
            if self.sid is not None:
                await self._http.post(self.sid, b"1")
        except SockwaveError:
            pass  # it is over either way
        self._end(DisconnectReason.TRANSPORT_CLOSE)

    def discard(self) -> None:
        """End now and tell nobody."""
        self.receiver = NOBODY
        self._end(DisconnectReason.TRANSPORT_CLOSE)

    def pause_reading(self) -> None:
        """Send no further GET until `resume_reading`."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._may_read.set()

    async def wait_gone(self) -> None:
        """Wait until no request is under way."""
        tasks = [task for task in self._tasks if not task.done()]
        if tasks:
            await asyncio.wait(tasks)

    def _fail(self, error: SockwaveError) -> None:
        if not self._is_over:
            self.failure = error
            self._end(DisconnectReason.TRANSPORT_ERROR)

    def _end(self, reason: DisconnectReason) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.is_writable = False
        self._may_read.set()
        current = asyncio.current_task()
        self._tasks = [task for task in (self._poller, self._poster) if task is not None]
        for task in self._tasks:
            if task is not current:
                task.cancel()
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, "")


def _encoded(packet: Outgoing) -> bytes:
    if isinstance(packet, bytes):
        return packet
    return encode_base64_packet(packet.data) if packet.is_binary else packet.data
