"""Blocks of the path that others run, and those of which the page says that nobody does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ELSEWHERE", "ByNobody", "ByTest", "Elsewhere"]


@dataclass(frozen=True, slots=True)
class ByTest:
    """Blocks with this mark below this heading are run by tests.

    Attributes:
        tests: `file::function` for each block, in their order.
    """

    title: str
    mark: str
    tests: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return len(self.tests)


@dataclass(frozen=True, slots=True)
class ByNobody:
    """They cannot be run here, and the page says so below this heading.

    Attributes:
        words: In which it says that.
        count: How many blocks there are.
    """

    title: str
    mark: str
    words: str
    count: int = 1


Elsewhere = ByTest | ByNobody

_LOGIN: Final = "tests/pages/test_authentication.py::"
_DEPLOYED: Final = "tests/pages/test_deployment.py::"
_PROXY: Final = "tests/live/test_deployment.py::"
_LOCKED_OUT: Final = "tests/live/test_lock_out.py::"
_USERS: Final = "tests/live/test_access.py::"

ELSEWHERE: Final[Mapping[str, Sequence[Elsewhere]]] = {
    "docs/authentication.md": (
        ByTest("A session cookie", "python", (_LOGIN + "test_cookie_of_the_session",)),
        ByTest("A JWT in `auth`", "python", (_LOGIN + "test_signed_token",)),
        ByTest("Django: the user of the session", "python", (_LOGIN + "test_user_of_django",)),
        ByTest(
            "Rights in each namespace",
            "python",
            (_LOGIN + "test_rights_of_each_namespace", _LOGIN + "test_rights_of_each_event"),
        ),
        ByTest(
            "End the connections of a user",
            "python",
            (
                _LOGIN + "test_connections_of_a_user_end",
                _LOCKED_OUT + "test_user_is_locked_out_of_all_workers_of_all_servers",
            ),
        ),
    ),
    "docs/redis.md": tuple(
        ByTest(
            "A user of its own", f"text {name}", (_USERS + "test_rights_of_the_page_are_enough",)
        )
        for name in (
            "RedisAdapter",
            "ShardedRedisAdapter",
            "RedisStreamsAdapter",
            "RedisEmitter",
            "RedisEmitter sharded",
            "RedisStreamsEmitter",
        )
    ),
    "docs/deployment.md": (
        ByNobody("systemd", "sh", "A whole systemd is not started by our tests."),
        ByTest("Docker", "dockerfile", (_DEPLOYED + "test_commands_of_the_container",)),
        ByNobody("Docker", "sh", "Images are not built by our tests."),
        ByTest("HAProxy", "text", (_PROXY + "test_service_on_a_socket_of_systemd_behind_a_proxy",)),
        ByNobody("Caddy", "text", "Not run by our tests."),
    ),
}
"""By page."""
