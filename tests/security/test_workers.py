"""What is tried on several workers of one port (D42, D43, F10, F22 to F24)."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from sockwave.workers.identity import prefix_of
from sockwave.workers.orders import supervisors
from tests.security.settings import scaled
from tests.support.process import DEADLINE
from tests.workers.programs import Program, Visitor, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.unix, pytest.mark.timeout(15 * DEADLINE)]

UNKNOWN: Final = (400, b'{"code":1,"message":"Session ID unknown"}')

MORE: Final = """
import resource
from sockwave import AckTimeout
from sockwave.workers import handover
handover.MOST_WAITING = 20
lost = []
io.on("cluster_error", lambda what: lost.append(what))
io.on("who", os.getpid)

@io.on("connection")
def more(socket):
    socket.on("join", lambda room: socket.join(room))
    socket.on("shout", lambda text: io.to("hearing").emit("heard", text))
    socket.on("servers", io.server_count)
    socket.on("lost", lambda: lost)
    socket.on("memory", lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    @socket.on("flood")
    def flood(number):
        for _ in range(number):
            io.to("flooded").emit("flood", "x" * 500_000)

    @socket.on("others")
    async def others():
        try:
            return len(await io.server_side_emit_with_ack("who", timeout=3.0))
        except AckTimeout as error:
            return len(error.responses)
"""

OPTIONS: Final = "limits=__import__('sockwave').Limits(keep_alive_timeout=3600.0)"


WAYS: Final = 6
"""Connections to the two others, and from them, that a worker makes when it first needs them; and a
client or two that are kept for the next request."""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + 5 * DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def one_of_each(program: Program) -> dict[int, Visitor]:
    """A client of each worker, by its process id."""
    visitors: dict[int, Visitor] = {}
    while len(visitors) < 3:
        visitor = Visitor(program.port)
        visitor.open()
        visitors.setdefault(visitor.ask("pid"), visitor)
    return visitors


def head(visitor: Visitor, body: bytes | None = None) -> bytes:
    """A request as it goes over the wire."""
    method = "GET" if body is None else "POST"
    lines = [
        f"{method} /socket.io/?EIO=4&transport=polling{visitor._sid} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: text/plain;charset=UTF-8",
    ]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path, more=MORE, options=OPTIONS) as program:
        yield program


# --- D42: the sockets of the workers --------------------------------------------------------------

CONNECT: Final = """
import os, socket, sys
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
try:
    names = os.listdir(sys.argv[1])
except PermissionError:
    names = []
for name in [*names, "supervisor"]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        try:
            socket.socket(socket.AF_UNIX, kind).connect(os.path.join(sys.argv[1], name))
        except PermissionError:
            continue
        print("let in at", name)
"""


def test_d42_directory_of_the_workers_is_closed_to_other_users(program: Program) -> None:
    directory = os.path.dirname(supervisors(program.pid)[program.pid])
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    if os.getuid() == 0:  # else there is nobody to be
        nobody = str(pwd.getpwnam("nobody").pw_uid)
        done = subprocess.run(
            [sys.executable, "-I", "-c", CONNECT, directory, nobody],
            capture_output=True,
            timeout=DEADLINE,
        )
        assert (done.returncode, done.stdout) == (0, b""), done


def test_d42_rubbish_and_descriptors_at_the_sockets_of_workers_do_nothing(
    program: Program,
) -> None:
    """By a process of the same user, which could do worse."""
    visitors = one_of_each(program)
    directory = os.path.dirname(supervisors(program.pid)[program.pid])
    before = {pid: descriptors(pid) for pid in (program.pid, *visitors)}
    rubbish = [
        b"\xff" * 4,
        b"\x00\x05\x93\x01\xc0\xc2",
        os.urandom(2_000),
        b"reload",
        b"\n" * 5_000,
    ]
    names = [name for name in os.listdir(directory) if name != "lock"]
    assert len(names) == 3 + 3 + 1, "two of each worker, and the supervisor's"
    for name in names:
        kind = socket.SOCK_SEQPACKET if name.endswith(".handover") else socket.SOCK_STREAM
        for data in rubbish:
            with socket.socket(socket.AF_UNIX, kind) as stranger:
                stranger.settimeout(DEADLINE)
                stranger.connect(os.path.join(directory, name))
                with open("/dev/null") as file:
                    socket.send_fds(stranger, [data], [file.fileno()] * 10)
    for pid, visitor in visitors.items():
        assert visitor.ask("pid") == pid
        assert visitor.ask("servers") == 3
    until(
        lambda: all(descriptors(pid) <= count + WAYS for pid, count in before.items()),
        "descriptors of strangers stay open",
    )
    assert set(program.workers()) == set(visitors)
    assert "all workers are new" not in program.output
    assert program.output.count("Traceback") == 0


# --- D43: forged numbers of workers ---------------------------------------------------------------


def test_d43_forged_numbers_of_workers_find_no_session(program: Program) -> None:
    visitors = one_of_each(program)
    victim, *others = visitors
    ids = {pid: visitor._sid.removeprefix("&sid=") for pid, visitor in visitors.items()}
    os.kill(victim, signal.SIGKILL)
    program.wait_for(r" of 3 serves", 4)
    living = program.workers()
    before = {pid: descriptors(pid) for pid in living}
    taken = {sid[:2] for sid in ids.values()}
    numbers = [prefix_of(number) for number in (0, 1, 2_047, 4_095)]
    unknown = next(number for number in numbers if number not in taken)
    dead, alive_id = ids[victim], ids[others[0]]
    rest = dead[2:]
    percent = "".join(f"%{ord(character):02X}" for character in alive_id[:2])
    forged = [
        dead,
        dead[:2],
        unknown + rest,
        unknown,
        alive_id[:2] + rest,
        alive_id[:-1],
        alive_id + "A",
        *(f"{number}{rest}" for number in ("~~", "..", "!!", "*A", "A*", "A", "", "%00%00")),
        percent + rest,
        "%" + alive_id,
        "%zz" + rest,
        "%C3%A9" + rest,
    ]
    for sid in forged:
        for body in (None, b"40"):
            for _ in range(3):  # whichever worker has the connection
                visitor = Visitor(program.port)
                visitor._sid = f"&sid={sid}"
                assert visitor.request(body) == UNKNOWN, sid
        with closing(Visitor(program.port).connection()) as sock:
            sock.sendall(
                f"GET /socket.io/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\n"
                "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert read_answer(sock)[0] == 400, sid
    for pid in others:
        assert visitors[pid].ask("pid") == pid
    assert set(program.workers()) == set(living)
    until(
        lambda: all(descriptors(pid) <= before[pid] + WAYS for pid in living),
        "descriptors of forged requests stay open",
    )
    assert "Traceback" not in program.output


# --- F10, F22: owners that die --------------------------------------------------------------------


def test_f10_sessions_of_a_killed_worker_are_over_and_a_successor_serves(program: Program) -> None:
    visitors = one_of_each(program)
    victim, *others = visitors
    before = {pid: descriptors(pid) for pid in others}
    with ExitStack() as stack:
        polls = [stack.enter_context(closing(visitors[victim].connection())) for _ in range(6)]
        os.kill(victim, signal.SIGSTOP)  # or it might have answered one
        for sock in polls:  # most of them are handed over to it
            sock.sendall(head(visitors[victim]))
        os.kill(victim, signal.SIGKILL)
        assert {status_of(sock) for sock in polls} <= {400, None}
    program.wait_for(r" of 3 serves", 4)
    for _ in range(6):
        assert visitors[victim].request() == UNKNOWN
        assert visitors[victim].request(b"40") == UNKNOWN
    for pid in others:
        assert visitors[pid].ask("pid") == pid
        assert visitors[pid].ask("servers") == 3
    until(
        lambda: all(descriptors(pid) <= before[pid] + WAYS for pid in others),
        "descriptors stay open",
    )


def test_f22_connections_on_their_way_to_a_worker_that_dies_are_closed(program: Program) -> None:
    """It is stopped first, so that they wait for it: in the kernel, and with the others."""
    visitors = one_of_each(program)
    victim, *others = visitors
    assert all(visitors[victim].ask("pid") == victim for _ in range(8)), "the ways are open"
    before = {pid: descriptors(pid) for pid in others}
    with ExitStack() as stack:
        os.kill(victim, signal.SIGSTOP)
        waiting = send_many(stack, visitors[victim], 200)
        until(
            lambda: all(descriptors(pid) > before[pid] + 5 for pid in others),
            "the others hold no connections for it",
        )
        os.kill(victim, signal.SIGKILL)
        program.wait_for(r" of 3 serves", 4)
        assert {status_of(sock) for sock in waiting} <= {400, 503, None}
    for pid in others:
        assert visitors[pid].ask("pid") == pid
    until(
        lambda: all(descriptors(pid) <= before[pid] + WAYS for pid in others),
        "descriptors stay open",
    )
    assert "Traceback" not in program.output


def send_many(stack: ExitStack, visitor: Visitor, number: int) -> list[socket.socket]:
    """Post to a session on so many connections at once, enough that Unix sockets are full."""
    socks = [stack.enter_context(closing(visitor.connection())) for _ in range(number)]
    for sock in socks:
        sock.sendall(head(visitor, b"4" * 10_000))
    return socks


def status_of(sock: socket.socket) -> int | None:
    """Of the answer to a request; None where its connection was closed."""
    try:
        return read_answer(sock)[0]
    except ConnectionError:
        return None


# --- F23: a bus that is full ----------------------------------------------------------------------


def test_f23_worker_that_does_not_read_costs_the_others_a_bound(program: Program) -> None:
    visitors = one_of_each(program)
    stopped, sending, reading = visitors
    ours = {pid: visitors[pid].connection() for pid in visitors}
    for pid, visitor in visitors.items():
        assert visitor.ask("pid", connection=ours[pid]) == pid
    join(visitors[reading], ours[reading])
    while (flooded := opened(program)).ask("pid") != stopped:
        pass
    flooded.emit("join", "flooded")
    assert flooded.ask("pid") == stopped
    assert visitors[sending].ask("servers", connection=ours[sending]) == 3

    os.kill(stopped, signal.SIGSTOP)
    try:
        memory = visitors[sending].ask("memory", connection=ours[sending])
        for _ in range(scaled(100, 25)):
            visitors[sending].request(b'42["flood",4]', ours[sending])
            heard = 0
            while heard < 4:
                status, body = visitors[reading].request(connection=ours[reading])
                assert status == 200
                heard += body.count(b'42["flood","xxx')
        assert visitors[sending].ask("memory", connection=ours[sending]) - memory < 40_000, (
            "in kilobytes"
        )
        lost = visitors[sending].ask("lost", connection=ours[sending])
        (told,) = set(lost)
        assert "does not read: messages to it were dropped" in told
        assert visitors[reading].ask("lost", connection=ours[reading]) == []
    finally:
        os.kill(stopped, signal.SIGCONT)
    until_it_hears(visitors[stopped], ours[stopped], visitors[sending], ours[sending])
    for pid in (sending, reading):
        assert visitors[pid].ask("servers", connection=ours[pid]) == 3
    for sock in ours.values():
        sock.close()
    assert "Traceback" not in program.output


def opened(program: Program) -> Visitor:
    """A client of any worker."""
    visitor = Visitor(program.port)
    visitor.open()
    return visitor


def join(visitor: Visitor, sock: socket.socket) -> None:
    """Be one of those who are flooded."""
    assert visitor.request(b'42["join","flooded"]', sock) == (200, b"ok")
    assert visitor.ask("pid", connection=sock)


def until_it_hears(
    hearing: Visitor, its: socket.socket, speaking: Visitor, other: socket.socket
) -> None:
    """Speak until it is heard, in a room that others hear of now: there is a lot to read first."""
    assert hearing.request(b'42["join","hearing"]', its) == (200, b"ok")
    deadline = time.monotonic() + 5 * DEADLINE
    while True:
        assert speaking.request(b'42["shout","again"]', other) == (200, b"ok")
        assert speaking.ask("pid", connection=other)
        assert hearing.request(b'421["pid"]', its) == (200, b"ok")
        read = b""
        while b"431[" not in read:
            status, body = hearing.request(connection=its)
            assert status == 200
            read += body
        if b'42["heard","again"]' in read:
            return
        assert time.monotonic() < deadline, "it hears nothing"


# --- F24: a worker that is stopped ----------------------------------------------------------------

MOST: Final = 20 + WAYS
"""Connections that wait for the stopped worker at another one, see `MORE`; in the kernel it is as
many as a socket's buffer holds."""

STOP: Final = scaled(30, 0)
"""Seconds, at least: the others take it for gone first."""


def test_f24_stopped_worker_holds_up_its_own_clients_only_and_is_taken_back(
    program: Program,
) -> None:
    visitors = one_of_each(program)
    stopped, *others = visitors
    ours = {pid: visitors[pid].connection() for pid in visitors}
    for pid, visitor in visitors.items():
        assert visitor.ask("pid", connection=ours[pid]) == pid
        assert visitor.ask("servers", connection=ours[pid]) == 3
    while (sacrificed := opened(program)).ask("pid") != stopped:
        pass
    before = {pid: descriptors(pid) for pid in visitors}
    with ExitStack() as stack:
        os.kill(stopped, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            ours[stopped].sendall(head(visitors[stopped], b'421["pid"]'))
            for pid in others:
                assert visitors[pid].ask("pid", connection=ours[pid]) == pid
                until(
                    partial(says, visitors[pid], ours[pid], "others", 1),
                    "a question ends with the answers that there are",
                )
            waiting = send_many(stack, sacrificed, 400)
            until(lambda: any(map(is_busy, waiting)), "more and more connections wait for it")
            for pid in others:
                until(
                    partial(has_at_most, pid, before[pid] + MOST, waiting),
                    "more wait at another worker than may",
                )
                until(
                    partial(says, visitors[pid], ours[pid], "servers", 2),
                    "it counts still",
                )
            while time.monotonic() < begin + STOP:
                for pid in others:
                    assert visitors[pid].ask("pid", connection=ours[pid]) == pid
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert read_answer(ours[stopped]) == (200, b"ok")
        assert b"431[%d]" % stopped in visitors[stopped].request(connection=ours[stopped])[1]
        assert {status_of(sock) for sock in waiting} <= {200, 400, 503, None}
    for pid, visitor in visitors.items():
        until(partial(says, visitor, ours[pid], "servers", 3), "it is not taken back")
    until_it_hears(visitors[stopped], ours[stopped], visitors[others[0]], ours[others[0]])
    until(
        lambda: all(descriptors(pid) <= before[pid] + WAYS for pid in visitors),
        "descriptors stay open",
    )
    assert set(program.workers()) == set(visitors)
    assert "Traceback" not in program.output
    for sock in ours.values():
        sock.close()


def says(visitor: Visitor, sock: socket.socket, event: str, wanted: object) -> bool:
    """Whether this is the answer to a question."""
    return bool(visitor.ask(event, connection=sock) == wanted)


def has_at_most(pid: int, most: int, waiting: list[socket.socket]) -> bool:
    """Whether no more descriptors are open, but for connections that were refused.

    These stay until their clients have read why.
    """
    return descriptors(pid) <= most + sum(map(is_busy, waiting))


def is_busy(sock: socket.socket) -> bool:
    """Whether it was refused, to try again."""
    sock.setblocking(False)
    try:
        return sock.recv(100, socket.MSG_PEEK).startswith(b"HTTP/1.1 503 ")
    except (BlockingIOError, ConnectionError):
        return False
    finally:
        sock.settimeout(DEADLINE)
