"""What `aioquic` does otherwise than who talks with strangers can have it.

Both classes use what its documentation does not name, and nothing else of this package does: a new
version is looked at here.

- Its receive windows double on their own. Here only the stream of a session is given more, as its
  bytes are taken, and nothing while nobody reads. All else that a peer sends, heads, capsules and
  further streams, has to do with the first window.
- It names one dialect of WebTransport in its settings; Safari asks for another.
- It decodes heads of any size, and each field of one may stand for a whole dynamic table.
- Its connection ids are random, and say nothing to other processes of the port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import pylsqpack
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, ProtocolError, Setting
from aioquic.quic.connection import QuicConnection

from sockwave.engine.io.quic.windows import CONNECTION_WINDOW, WINDOW

if TYPE_CHECKING:
    from aioquic.h3.connection import H3Stream
    from aioquic.h3.events import H3Event
    from aioquic.quic.connection import QuicConnectionId
    from aioquic.quic.packet_builder import QuicPacketBuilder
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream, QuicStreamSender
    from cryptography import x509

__all__ = ["HTTP3", "WindowedConnection"]

_DIALECTS: Final = {0xC671706A: 1, 0x14E9CD29: 1}
"""Settings of drafts 7 to 12, and 13 to 14, of WebTransport: one session. That of draft 2, which
Chromium and Firefox ask for, is the library's own."""


class IdMaker(Protocol):
    """Makes ids of connections, of the length that the configuration says."""

    def new(self) -> bytes:
        """Make an id."""

    def token(self, id_: bytes) -> bytes:
        """What tells the peer that the connection of an id is no more."""


class WindowedConnection(QuicConnection):
    """A connection whose peer may send as much as we have taken from it, and a window more.

    Args:
        ids: Gives the connection its ids; None leaves that to the library.

    Attributes:
        taken_stream: The stream of which more may come.
        is_paused: Whether nobody takes anything of it.
    """

    def __init__(self, ids: IdMaker | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.taken_stream: int | None = None
        self.is_paused: bool = False
        self._ids = ids
        self._name(self._host_cids)
        self.host_cid: bytes = self._host_cids[0].cid
        self._local_initial_source_connection_id = self.host_cid

    def _name(self, made: list[QuicConnectionId]) -> None:
        if self._ids is not None:
            for id_ in made:
                id_.cid = self._ids.new()
                id_.stateless_reset_token = self._ids.token(id_.cid)

    def _replenish_connection_ids(self) -> None:
        known = len(self._host_cids)
        super()._replenish_connection_ids()
        self._name(self._host_cids[known:])

    @property
    def peer_certificates(self) -> list[x509.Certificate]:
        """What the peer has shown: its own certificate first, then those that it is made by."""
        tls = self.tls
        own = tls._peer_certificate
        return [] if own is None else [own, *tls._peer_certificate_chain]

    def may_send(self, stream_id: int) -> bool:
        """Whether more can be sent on a stream: it has not ended, and the peer wants it."""
        sender = self._sender(stream_id)
        if sender is None:
            return False
        return sender._buffer_fin is None and sender._reset_error_code is None

    def is_delivered(self, stream_id: int) -> bool:
        """Whether the peer has confirmed all of a stream, with its end."""
        return self._sender(stream_id) is None

    def confirmed(self, stream_id: int) -> tuple[int, int]:
        """Bytes of a stream that the peer has confirmed, and those that it has not."""
        sender = self._sender(stream_id)
        if sender is None:
            return 0, 0
        return sender._buffer_start, sender._buffer_stop - sender._buffer_start

    def _sender(self, stream_id: int) -> QuicStreamSender | None:
        stream = self._streams.get(stream_id)
        return None if stream is None or stream.sender.is_finished else stream.sender

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        limit = self._local_max_data
        stream = self._streams.get(-1 if self.taken_stream is None else self.taken_stream)
        if stream is not None and not self.is_paused:
            end = stream.receiver.starting_offset() + CONNECTION_WINDOW
            if end - limit.value >= CONNECTION_WINDOW // 2:
                limit.value = end
        used, limit.used = limit.used, 0  # by this it would be doubled
        try:
            super()._write_connection_limits(builder, space)
        finally:
            limit.used = used

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        receiver = stream.receiver
        if stream.stream_id == self.taken_stream and not self.is_paused:
            end = receiver.starting_offset() + WINDOW
            if end - stream.max_stream_data_local >= WINDOW // 2:
                stream.max_stream_data_local = end
        highest, receiver.highest_offset = receiver.highest_offset, 0  # as above
        try:
            super()._write_stream_limits(builder, space, stream)
        finally:
            receiver.highest_offset = highest


class HTTP3(H3Connection):
    """HTTP/3 with WebTransport.

    Args:
        quic: The connection.
        head_bytes: Of one head, encoded; past it the connection ends.
    """

    def __init__(self, quic: QuicConnection, head_bytes: int) -> None:
        super().__init__(quic, enable_webtransport=True)
        self._head_bytes = head_bytes
        self._decoder = pylsqpack.Decoder(0, 0)

    def _get_local_settings(self) -> dict[int, int]:
        settings = super()._get_local_settings()
        settings[Setting.QPACK_MAX_TABLE_CAPACITY] = settings[Setting.QPACK_BLOCKED_STREAMS] = 0
        return {**settings, **_DIALECTS}

    def _handle_request_or_push_frame(
        self,
        frame_type: int,
        frame_data: bytes | None,
        stream: H3Stream,
        stream_ended: bool,
    ) -> list[H3Event]:
        is_head = frame_type == FrameType.HEADERS and frame_data is not None
        if is_head and len(frame_data or b"") > self._head_bytes:
            error = ProtocolError("the head is too large")
            error.error_code = ErrorCode.H3_EXCESSIVE_LOAD
            raise error
        return super()._handle_request_or_push_frame(frame_type, frame_data, stream, stream_ended)
