"""A ping that is followed through the buffers in front of a slow peer."""

from __future__ import annotations

from sockwave.engine.core.taking import PROMPT, Taken, TakingWatch

PING = b"2"


def test_ping_is_out_when_the_peer_has_everything_that_was_written_with_it() -> None:
    queue = [b"4a"]
    watch = TakingWatch(None, Taken(1_000, 200_000), 0.0)
    seen = []
    for taken in (1_000, 200_999, 201_000):
        watch.look(queue, Taken(taken, 200_000), 1.0)
        seen.append(watch.is_out)
    assert seen == [False, False, True]


def test_ping_in_the_queue_is_not_out_whatever_the_peer_takes() -> None:
    queue = [PING, b"4a"]
    watch = TakingWatch(queue, Taken(0, 1_000), 0.0)
    watch.look(queue, Taken(1_000, 0), 1.0)
    assert not watch.is_out


def test_what_was_written_with_a_ping_from_the_queue_stands_before_it() -> None:
    watch = TakingWatch([PING, b"4a"], Taken(0, 1_000), 0.0)
    rest = [b"4b"]
    watch.look(rest, Taken(1_000, 300_000), 1.0)
    before = watch.is_out
    watch.look(rest, Taken(301_000, 100_000), 2.0)
    assert (before, watch.is_out) == (False, True)


def test_peer_is_quiet_since_it_took_something() -> None:
    watch = TakingWatch(None, Taken(5, 100), 10.0)
    watch.look([], Taken(6, 99), 12.0)
    watch.look([], Taken(6, 99), 15.0)
    assert watch.quiet(15.0) == 3.0


def test_where_nothing_is_known_but_our_own_buffer_its_change_is_life() -> None:
    watch = TakingWatch(None, Taken(-200_000, 200_000), 0.0)
    watch.look([], Taken(-140_000, 140_000), 1.0)
    before = (watch.quiet(1.0), watch.is_out)
    watch.look([], Taken(0, 0), 2.0)
    assert (before, watch.is_out) == ((0.0, False), True)


def test_little_that_is_on_its_way_is_no_reason_to_wait() -> None:
    watch = TakingWatch([PING], Taken(0, PROMPT), 0.0)
    watch.look([], Taken(0, PROMPT), 1.0)
    assert watch.is_out
