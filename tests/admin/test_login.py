"""Who may come in: user name, password, logins that are kept, and how often one may try."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import bcrypt
import pytest

from sockwave import ConnectError, Server
from sockwave.admin import MemorySessions
from sockwave.admin.guarding import FREE, LONGEST, MOST_ADDRESSES, MOST_WAITING, Attempts, Busy
from sockwave.testing import LinkedClient
from tests.admin.helpers import AUTH, HASH, LOGIN, Viewer, until


def make_server(**how: Any) -> Server:
    io = Server()
    io.instrument(**{"auth": AUTH, **how})
    return io


async def refusal(io: Server, auth: dict[str, Any], **how: Any) -> str:
    """What a viewer is told that may not come in."""
    with pytest.raises(ConnectError) as refused:
        async with Viewer(io, auth=auth, **how):
            pass
    return str(refused.value)


# --- what instrument takes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "auth", [AUTH, list(AUTH), {"type": "basic", "username": "admin", "password": HASH}]
)
async def test_forms_of_a_password(auth: Any) -> None:
    io = make_server(auth=auth)
    async with Viewer(io) as viewer:
        await viewer.next("session")
    await io.close()


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_hashes_of_other_languages(prefix: str) -> None:
    io = make_server(auth=("admin", prefix + HASH[4:]))
    async with Viewer(io) as viewer:
        await viewer.next("session")
    await io.close()


async def test_without_a_password_everybody_comes_in_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = make_server(auth=False)
    assert "auth=False: whoever reaches /admin sees all" in caplog.text
    async with Viewer(io, auth={}) as viewer:
        await viewer.next("config")
        assert not viewer.all("session")
    await io.close()


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ({"auth": True}, TypeError, "auth of instrument must be"),
        ({"auth": None}, TypeError, "auth of instrument must be"),
        ({"auth": ("admin",)}, TypeError, "auth of instrument must be"),
        ({"auth": {"type": "digest"}}, TypeError, "auth of instrument must be"),
        ({"auth": ("admin", "open sesame")}, ValueError, "must be a bcrypt hash; to make one"),
        ({"auth": ("", HASH)}, ValueError, "the user name is empty"),
        ({"mode": "test"}, ValueError, "mode of instrument must be"),
        ({"namespace": "/"}, ValueError, "namespace of instrument"),
        ({"namespace": 5}, ValueError, "namespace of instrument"),
        ({"server_id": 5}, TypeError, "server_id of instrument"),
    ],
)
def test_wrong_arguments_are_named(how: dict[str, Any], kind: type[Exception], text: str) -> None:
    io = Server()
    with pytest.raises(kind, match=text) as error:
        io.instrument(**{"auth": AUTH, **how})
    assert "open sesame" not in str(error.value)
    assert "/admin" not in io.namespaces


def test_a_server_is_instrumented_once_and_first() -> None:
    io = make_server()
    with pytest.raises(ValueError, match="already"):
        io.instrument(auth=AUTH, namespace="/other")
    used = Server()
    used.of("/admin")
    with pytest.raises(ValueError, match="there is a namespace /admin already"):
        used.instrument(auth=AUTH)
    dynamic = Server()
    dynamic.of(re.compile(r"/\w+"))
    with pytest.raises(ValueError, match=r"/admin is a name that .* makes"):
        dynamic.instrument(auth=AUTH)
    assert "/admin" not in dynamic.namespaces


# --- logging in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "auth",
    [
        {"username": "admin", "password": "wrong"},
        {"username": "nobody", "password": "open sesame"},
        {"username": "admin"},
        {"username": ["admin"], "password": {"a": 1}},
        {"username": "admin", "password": HASH},
        {"username": "admin", "password": "open sesame\0"},
        {"username": "\ud800", "password": "\ud800"},
        {"sessionId": "0123456789abcdef"},
        {"sessionId": 5},
        {"sessionId": "x" * 10_000},
        {},
    ],
    ids=lambda auth: ascii(auth)[:60],
)
async def test_all_that_is_wrong_gets_one_answer(
    auth: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    io = make_server()
    with caplog.at_level(logging.DEBUG):
        assert await refusal(io, auth) == "invalid credentials"
    assert "wrong" not in caplog.text and "open sesame" not in caplog.text
    assert not io.of("/admin").sockets
    await io.close()


async def test_a_wrong_name_costs_a_hash_as_a_wrong_password_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[bytes] = []
    check_password = bcrypt.checkpw

    def check(given: bytes, kept: bytes) -> bool:
        checked.append(given)
        return check_password(given, kept)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    io = make_server()
    for auth in (
        {"username": "nobody", "password": "a"},
        {"username": "admin", "password": "a"},
        {"username": "nobody"},
    ):
        await refusal(io, auth)
    assert checked == [b"a", b"a", b""]
    await io.close()


async def test_login_is_kept_and_holds_for_its_time() -> None:
    now = 0.0
    io = make_server(store=MemorySessions(duration=60, clock=lambda: now))
    async with Viewer(io) as viewer:
        (login,) = await viewer.next("session")
    now = 59.0
    async with Viewer(io, auth={"sessionId": login}) as viewer:
        await viewer.next("config")
        assert not viewer.all("session")
    now = 61.0
    assert await refusal(io, {"sessionId": login}) == "invalid credentials"
    async with Viewer(io, auth={"sessionId": login, **LOGIN}) as viewer:
        assert await viewer.next("session") != [login]
    await io.close()


def test_logins_that_are_kept_are_bounded() -> None:
    store = MemorySessions(most=3)
    for name in "abcde":
        store.save(name)
    assert [store.has(name) for name in "abcde"] == [False, False, True, True, True]


# --- brute force ----------------------------------------------------------------------------------


async def test_who_fails_often_has_to_wait_and_others_do_not() -> None:
    io = make_server()
    wrong = {"username": "admin", "password": "wrong"}
    for _ in range(FREE):
        assert await refusal(io, wrong, address=("192.0.2.1", 1)) == "invalid credentials"
    for auth in (wrong, LOGIN, {"sessionId": "0123456789abcdef"}):
        told = await refusal(io, auth, address=("192.0.2.1", 2))
        assert told.startswith("too many attempts: try again in")
    async with Viewer(io, address=("192.0.2.2", 1)) as viewer:
        await viewer.next("session")
    # The page connects so at first, which is no attempt.
    assert await refusal(io, {}, address=("192.0.2.1", 3)) == "invalid credentials"
    await io.close()


async def test_attempts_at_the_same_time_are_few() -> None:
    io = make_server()
    wrong = {"username": "admin", "password": "wrong"}
    told = await asyncio.gather(
        *(refusal(io, wrong, address=("192.0.2.1", port)) for port in range(40))
    )
    assert told.count("invalid credentials") <= FREE
    assert sum(each.startswith("too many attempts") for each in told) == 40 - told.count(
        "invalid credentials"
    )
    await io.close()


def test_waiting_grows_to_a_bound_and_is_forgotten() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)

    def wait_after_failure() -> float:
        nonlocal now
        attempts.begin("192.0.2.1")
        attempts.end("192.0.2.1", has_failed=True)
        began = now
        while True:
            try:
                attempts.begin("192.0.2.1")
            except Busy:
                now += 0.5
            else:
                attempts.end("192.0.2.1", has_failed=None)
                return now - began

    waits = [wait_after_failure() for _ in range(FREE + 12)]
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits == sorted(waits) and waits[-1] == LONGEST
    now += 2 * LONGEST + 1
    assert wait_after_failure() == 0.0


def test_addresses_of_one_network_are_one_and_the_table_is_bounded() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(FREE):
        attempts.begin(f"2001:db8::{number:x}")
        attempts.end(f"2001:db8::{number:x}", has_failed=True)
    with pytest.raises(Busy):
        attempts.begin("2001:db8::ffff")
    for number in range(MOST_ADDRESSES + 10):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        attempts.begin(address)
        attempts.end(address, has_failed=True)
    assert len(attempts._failures) == MOST_ADDRESSES


def test_attempts_in_all_are_bounded() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(MOST_WAITING):
        attempts.begin(f"192.0.2.{number}")
    with pytest.raises(Busy):
        attempts.begin("198.51.100.1")
    attempts.end("192.0.2.1", has_failed=False)
    attempts.begin("198.51.100.1")


async def test_users_are_served_while_passwords_are_checked() -> None:
    slow = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(12)).decode()
    io = make_server(auth=("admin", slow))
    io.on("connection", lambda socket: socket.on("echo", lambda value: value))
    async with LinkedClient(io) as client:
        trying = asyncio.ensure_future(refusal(io, {"username": "admin", "password": "wrong"}))
        answers = 0
        while not trying.done():
            assert await client.emit_with_ack("echo", 1) == 1
            answers += 1
        assert answers > 5
        assert await trying == "invalid credentials"
    await until(lambda: not io.sockets)
    await io.close()
