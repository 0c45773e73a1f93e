"""Offsets name positions of their own log only, and the log is bounded."""

from __future__ import annotations

import pytest

from sockwave.socketio.core.outgoing import EncodedPacket
from sockwave.socketio.core.packet_log import LogEntry, PacketLog


def entry(size: int = 4) -> LogEntry:
    return LogEntry(0.0, EncodedPacket(b"x" * size, size), (), ())


def test_offset_names_a_position_of_its_log_only() -> None:
    log, other = PacketLog(10, 10**6), PacketLog(10, 10**6)
    for _ in range(20):
        log.append(entry())
        other.append(entry())
    assert log.position(log.offset(19)) == 19
    assert log.position(log.offset(3)) == 3, "known, though it has left the log"
    assert log.position(log.offset(20)) is None, "not given out yet"
    assert log.position(other.offset(3)) is None


@pytest.mark.parametrize("wrong", ["{}0{}", "{}+{}", "{}{}_0", "{}-{}", "{} {}", "{}", "{}g", "x"])
def test_offset_in_any_other_form_is_none(wrong: str) -> None:
    log = PacketLog(10, 10**6)
    log.append(entry())
    log.append(entry())
    epoch = log.offset(1)[:-1]
    assert log.position(wrong.format(epoch, 1)) is None


def test_log_keeps_the_latest_packets() -> None:
    log = PacketLog(3, 10**6)
    for _ in range(5):
        log.append(entry())
    assert (len(log), log.first, log.next) == (3, 2, 5)


def test_log_is_bounded_in_bytes() -> None:
    log = PacketLog(10**6, 10_000)
    for _ in range(100):
        log.append(entry(1_000))
    assert len(log) == 3
    log.append(entry(20_000))
    assert (len(log), log.next) == (0, 101)


def test_older_events_are_put_before_the_others_as_far_as_there_is_room() -> None:
    log = PacketLog(3, 10**6, "epoch of another.")
    log.first = 2
    log.append(entry())
    assert log.prepend(entry())
    assert (log.first, log.next, log.offset(1)) == (1, 3, "epoch of another.1")
    assert log.prepend(entry())
    assert not log.prepend(entry()), "there is nothing before the first of all"
    log.append(entry())
    assert (log.first, log.next) == (1, 4)
    assert not log.prepend(entry()), "it is full"
