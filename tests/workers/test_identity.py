"""Numbers of workers, in the ids of their sessions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from sockwave.engine.server.routing import begin_worker, is_worker, session_in, session_of
from sockwave.engine.server.sessions.ids import generate_id
from sockwave.workers.identity import MAX_NUMBER, Identity, number_of, prefix_of


def test_each_number_is_two_characters_that_say_nothing_else() -> None:
    prefixes = {prefix_of(number) for number in range(MAX_NUMBER + 1)}
    assert len(prefixes) == MAX_NUMBER + 1 == 4_096
    assert {len(prefix) for prefix in prefixes} == {2}
    for number in range(MAX_NUMBER + 1):
        assert number_of(generate_id(prefix_of(number)).encode()) == number


def test_id_of_a_worker_is_as_long_as_any_and_random_behind_its_number() -> None:
    ids = {generate_id("A_") for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {len(id_) for id_ in ids} == {20}
    assert {id_[:2] for id_ in ids} == {"A_"}


@pytest.mark.parametrize("sid", [b"", b"A", b"!A", b"A!", b"%41B"])
def test_what_begins_with_no_number_is_nobodys(sid: bytes) -> None:
    assert number_of(sid) is None


def test_identity_goes_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Identity.of_this_process() is None
    assert not is_worker()
    identity = Identity(number=4_095, index=1, count=4, directory="/tmp/ä", listening=7, control=0)
    for name, value in identity.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sockwave.engine.server.routing._begun", set())
    assert Identity.of_this_process() == identity
    assert is_worker()
    begin_worker()
    assert Identity.of_this_process() is None
    assert is_worker(), "still, though nobody who is started from here is told so"


def test_program_that_a_worker_starts_is_no_worker() -> None:
    ours, theirs = socket.socketpair()
    identity = Identity(
        number=1, index=1, count=4, directory="/nowhere", listening=0, control=theirs.fileno()
    )
    ask = "from sockwave import Server; print(Server().worker.count)"
    with ours, theirs:
        counts = [
            subprocess.run(
                [sys.executable, "-c", ask],
                env={**os.environ, **identity.environment()},
                pass_fds=passed,
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            for passed in ((theirs.fileno(),), ())
        ]
    assert counts == ["4\n", "1\n"]


@pytest.mark.parametrize(
    ("data", "sid"),
    [
        (b"GET /socket.io/?EIO=4&transport=polling&sid=AAbc HTTP/1.1\r\n", b"AAbc"),
        (b"POST http://a/socket.io/?sid=x_-9&t=1 HTTP/1.1\r\nsid=no\r\n\r\n", b"x_-9"),
        (b"GET /socket.io/?EIO=4 HTTP/1.1\r\nReferer: ?sid=AA\r\n\r\n", None),
        (b"GET /socket.io/?asid=AA HTTP/1.1\r\n", None),
        (b"GET /socket.io/?sid=AAbc", None),
        (b"", None),
    ],
)
def test_session_stands_in_the_request_line(data: bytes, sid: bytes | None) -> None:
    assert session_of(data) == sid


@pytest.mark.parametrize(
    ("query", "sid"),
    [
        (b"sid=AB", b"AB"),
        (b"EIO=4&transport=polling&sid=AB-_.~9&t=1", b"AB-_.~9"),
        (b"xsid=no&sid=AB%20c", b"AB"),
        (b"xsid=no&ysid=no", None),
        (b"sid=%41B", None),
        (b"sid=", None),
        (b"EIO=4", None),
        (b"", None),
    ],
)
def test_session_is_read_from_a_query(query: bytes, sid: bytes | None) -> None:
    assert session_in(query) == sid
