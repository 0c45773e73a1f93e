"""When what a process sends to itself does not come back, and when it is only late."""

from __future__ import annotations

from sockwave.adapters.redis.echoes import EchoWatch


def deaf_at(
    watch: EchoWatch, end: int, *, heard: int = 0, answered_late: int = 0, each: int = 1
) -> int | None:
    """The second at which it is taken for deaf, with an echo every two; None if never.

    Args:
        heard: Messages of others that come each second.
        answered_late: Seconds that Redis takes for what is sent.
        each: Namespaces, each of which sends to itself.
    """
    for now in range(0, end, 2):
        for _ in range(each):
            late = max(now - answered_late, 0)
            if watch.is_deaf(now, heard=heard * now, sent=now, answered=late):
                return now
    return None


def test_who_hears_nothing_is_deaf_within_six_seconds() -> None:
    assert deaf_at(EchoWatch(), 20) == 6


def test_namespaces_that_send_at_the_same_time_are_no_reason() -> None:
    assert deaf_at(EchoWatch(), 20, each=10) == 6


def test_who_hears_itself_is_not_deaf() -> None:
    watch = EchoWatch()
    for now in range(0, 60, 2):
        assert not watch.is_deaf(now, heard=0, sent=0, answered=0)
        watch.heard()


def test_who_hears_others_is_behind_and_not_deaf() -> None:
    assert deaf_at(EchoWatch(), 60, heard=1) is None


def test_what_redis_has_not_taken_cannot_come_back() -> None:
    assert deaf_at(EchoWatch(), 60, answered_late=3) is None
    assert deaf_at(EchoWatch(), 60, answered_late=1) == 6
