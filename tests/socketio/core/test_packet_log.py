"""Offsets name positions of their own log only, and the log is bounded."""

from __future__ import annotations

import pytest

from sockwave.socketio.core.outgoing import EncodedPacket
from sockwave.socketio.core.packet_log import PacketLog


def entry() -> EncodedPacket:
    return EncodedPacket(b"42[]", 4)


def test_offset_names_a_position_of_its_log_only() -> None:
    log, other = PacketLog(10, 10**6), PacketLog(10, 10**6)
    for _ in range(20):
        log.append(entry(), (), (), 0.0)
        other.append(entry(), (), (), 0.0)
    assert log.position(log.offset(19)) == 19
    assert log.position(log.offset(3)) == 3, "known, though it has left the log"
    assert log.position(log.offset(20)) is None, "not given out yet"
    assert log.position(other.offset(3)) is None


@pytest.mark.parametrize("wrong", ["{}0{}", "{}+{}", "{}{}_0", "{}-{}", "{} {}", "{}", "{}g", "x"])
def test_offset_in_any_other_form_is_none(wrong: str) -> None:
    log = PacketLog(10, 10**6)
    log.append(entry(), (), (), 0.0)
    log.append(entry(), (), (), 0.0)
    epoch = log.offset(1)[:-1]
    assert log.position(wrong.format(epoch, 1)) is None


def test_log_keeps_the_latest_packets() -> None:
    log = PacketLog(3, 10**6)
    for _ in range(5):
        log.append(entry(), (), (), 0.0)
    assert (len(log), log.first, log.next) == (3, 2, 5)


def test_log_is_bounded_in_bytes() -> None:
    log = PacketLog(10**6, 10_000)
    for _ in range(100):
        log.append(EncodedPacket(b"x" * 1_000, 1_000), (), (), 0.0)
    assert len(log) == 3
    log.append(EncodedPacket(b"x" * 20_000, 20_000), (), (), 0.0)
    assert (len(log), log.next) == (0, 101)
