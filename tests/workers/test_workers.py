"""Several workers behind one port, as a program of a user has them."""

from __future__ import annotations

import os
import signal
import ssl
import tempfile
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sockwave.codec.websocket import encode_frame
from tests.support.certificate import write_certificate
from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.workers.programs import Program, Visitor, alive, read_answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix

HOSTED = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        print("lifespan", os.getpid(), flush=True)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-length", b"3")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"app"})
"""
TLS = """
import ssl
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain({file!r})
"""


def until_dead(*pids: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, f"{pids} are alive"
        time.sleep(0.02)


def visit(program: Program, count: int, tls: ssl.SSLContext | None = None) -> set[int]:
    """So many clients, each request on a connection of its own; the workers that had them."""
    pids = set()
    for _ in range(count):
        visitor = Visitor(program.port, tls)
        visitor.open()
        pids.add(visitor.ask("pid"))
        assert visitor.ask("pid") in pids
    return pids


def test_each_request_of_a_session_reaches_its_worker_on_whatever_connection(
    tmp_path: Path,
) -> None:
    with Program(tmp_path) as program:
        assert visit(program, 40) == set(program.workers())


def test_worker_shows_the_port_that_it_shares(tmp_path: Path) -> None:
    more = 'io.on("connection")(lambda socket: socket.on("shown", lambda: repr(io)))'
    with Program(tmp_path, more=more) as program:
        visitor = Visitor(program.port)
        visitor.open()
        shown = visitor.ask("shown")
    assert shown == (
        f"<Server on http://127.0.0.1:{program.port}, path /socket.io: 1 client; sockets: 1 in />"
    )


def test_kept_connection_serves_sessions_of_all_workers_in_turn(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        visitors = [Visitor(program.port) for _ in range(12)]
        owners = []
        for visitor in visitors:
            visitor.open()
            owners.append(visitor.ask("pid"))
        assert len(set(owners)) > 1
        with closing(visitors[0].connection()) as shared:
            for _ in range(3):
                answers = [visitor.ask("pid", connection=shared) for visitor in visitors]
                assert answers == owners


@pytest.mark.parametrize("cut", [3, 60, 150])
def test_request_that_comes_in_pieces_is_handed_over_whole(tmp_path: Path, cut: int) -> None:
    with Program(tmp_path) as program:
        for _ in range(6):
            visitor = Visitor(program.port)
            visitor.open()
            assert visitor.ask("pid", cut=cut) in program.workers()


def test_owner_sees_the_client_as_it_came(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        for _ in range(8):
            visitor = Visitor(program.port)
            visitor.open()
            host, port, is_secure = visitor.ask("client")
            assert host == "127.0.0.1"
            assert port > 0
            assert not is_secure


def test_encrypted_connections_are_relayed(tmp_path: Path) -> None:
    file = write_certificate(tmp_path / "certificate.pem")
    context = ssl.create_default_context(cafile=str(file))
    context.check_hostname = False
    more = TLS.format(file=str(file))
    with Program(tmp_path, more=more, arguments="ssl=tls") as program:
        assert visit(program, 12, context) <= set(program.workers())
        visitors = [Visitor(program.port, context) for _ in range(8)]
        for visitor in visitors:
            visitor.open()
            assert visitor.ask("client")[2] is True
        with closing(visitors[0].connection()) as shared:
            owners = [visitor.ask("pid", connection=shared) for visitor in visitors]
            assert [visitor.ask("pid", connection=shared) for visitor in visitors] == owners


def test_upgrade_reaches_the_worker_of_its_session(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        for _ in range(10):
            visitor = Visitor(program.port)
            visitor.open()
            owner = visitor.ask("pid")
            with closing(visitor.connection()) as sock:
                sock.sendall(
                    f"GET /socket.io/?EIO=4&transport=websocket{visitor._sid} HTTP/1.1\r\n"
                    "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n".encode()
                    + encode_frame(1, b"2probe", mask=True)
                )
                read = b""
                while b"3probe" not in read:
                    read += sock.recv(65_536)
                assert read.startswith(b"HTTP/1.1 101 ")
                sock.sendall(encode_frame(1, b"5", mask=True))
                sock.sendall(encode_frame(1, b'421["pid"]', mask=True))
                while b"431[" not in read:
                    read += sock.recv(65_536)
                assert b"431[%d]" % owner in read


@pytest.mark.parametrize("sid", ["AAabcdefghijklmnopqr", "zz", "A", "%41%41abc"])
def test_forged_number_finds_no_session(tmp_path: Path, sid: str) -> None:
    with Program(tmp_path) as program:
        for _ in range(4):
            visitor = Visitor(program.port)
            visitor._sid = "&sid=" + sid
            assert visitor.request() == (400, b'{"code":1,"message":"Session ID unknown"}')
        assert visit(program, 2) <= set(program.workers())


def test_application_beside_it_has_its_lifespan_in_each_worker(tmp_path: Path) -> None:
    with Program(tmp_path, more=HOSTED, arguments="app=app") as program:
        assert len(set(program.wait_for(r"lifespan (\d+)", 3))) == 3
        assert visit(program, 10) <= set(program.workers())
        visitors = [Visitor(program.port) for _ in range(6)]
        for visitor in visitors:
            visitor.open()
        with closing(visitors[0].connection()) as shared:
            for visitor in visitors:
                shared.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_answer(shared) == (200, b"app")
                assert visitor.ask("pid", connection=shared) in program.workers()


def test_worker_that_dies_is_replaced_and_its_clients_are_told(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        visitors: dict[int, Visitor] = {}
        while len(visitors) < 3:
            visitor = Visitor(program.port)
            visitor.open()
            visitors[visitor.ask("pid")] = visitor
        victim, *others = visitors
        os.kill(victim, signal.SIGKILL)
        program.wait_for(rf"worker \d \(pid {victim}\) has died: killed by SIGKILL")
        program.wait_for(r"worker \d of 3 serves", 4)
        status, body = visitors[victim].request()
        assert (status, body) == (400, b'{"code":1,"message":"Session ID unknown"}')
        for pid in others:
            assert visitors[pid].ask("pid") == pid
        assert len(program.workers()) == 3
        assert victim not in visit(program, 20)


BURST = """
@io.on("connection")
def bursting(socket):
    socket.on("burst", lambda: [socket.emit("tick", number) for number in range(3)] and None)
"""
NEW_CODE = 'io.on("connection")(lambda socket: socket.on("new", lambda: "code"))'


def test_reload_brings_new_code_without_a_refused_connection(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        before = program.workers()
        program.write(more=NEW_CODE)
        program.signal(signal.SIGHUP)
        while "all workers are new" not in program.output:
            Visitor(program.port).open()
        newcomer = Visitor(program.port)
        newcomer.open()
        assert newcomer.ask("new") == "code"
        assert newcomer.ask("pid") not in before


@pytest.mark.slow
def test_replaced_workers_end_when_their_sessions_have(tmp_path: Path) -> None:
    with Program(tmp_path, arguments="drain_period=0.1") as program:
        before = program.workers()
        visitors = [Visitor(program.port) for _ in range(6)]
        for visitor in visitors:
            visitor.open()
        program.signal(signal.SIGHUP)
        program.wait_for("all workers are new")
        until_dead(*before)
        for visitor in visitors:
            assert visitor.request()[0] == 400, "its session is nobody's"
        assert len(program.workers()) == 3


def test_new_client_on_a_connection_of_a_replaced_worker_is_its_successors(
    tmp_path: Path,
) -> None:
    """A client that comes back on a kept connection, or a proxy that keeps some."""
    with Program(tmp_path, "1", arguments="drain_period=600.0") as program:
        (before,) = program.workers()
        oldest, old, new = (Visitor(program.port) for _ in range(3))
        oldest.open()  # its session is the first to end, and does so at once
        with closing(old.connection()) as kept:
            old.open(kept)
            program.signal(signal.SIGHUP)
            program.wait_for("all workers are new")
            program.wait_for("closing 2 sessions over 600 s")
            assert old.ask("pid", connection=kept) == before
            new.open(kept)
            assert new.ask("pid", connection=kept) != before
            assert old.ask("pid", connection=kept) == before


def test_last_events_of_a_replaced_worker_have_a_poll_of_their_own(tmp_path: Path) -> None:
    """JavaScript clients that get the goodbye along with events handle these once more when they
    come back."""
    with Program(tmp_path, "2", more=BURST, arguments="drain_period=0.0") as program:
        visitor = Visitor(program.port)
        visitor.open()
        visitor.emit("burst")
        program.signal(signal.SIGHUP)
        program.wait_for("closing 1 sessions")
        assert visitor.events() == [["tick", number] for number in range(3)]
        assert visitor.request() == (200, b"6\x1e1"), "no event beside the goodbye"


def test_reload_to_a_program_that_cannot_start_leaves_the_old_one(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        before = program.workers()
        program.write(more="raise ZeroDivisionError")
        program.signal(signal.SIGHUP)
        program.wait_for("does not serve .exit code 1.: the others stay as they are")
        assert visit(program, 6) <= set(before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_all_and_the_exit_code_is_0(tmp_path: Path, number: signal.Signals) -> None:
    with Program(tmp_path) as program:
        workers = program.workers()
        program.signal(number)
        assert program.wait() == 0
        assert not any(map(alive, workers))


def test_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    with Program(tmp_path, arguments="drain_period=600.0") as program:
        workers = program.workers()
        visitor = Visitor(program.port)
        visitor.open()
        program.signal(signal.SIGTERM)
        program.wait_for("closing 1 sessions over 600 s")
        program.signal(signal.SIGTERM)
        assert program.wait() == -signal.SIGTERM
        until_dead(*workers)


WEB = """
async def web(scope, receive, send):
    assert scope["type"] != "lifespan"
"""


@pytest.mark.parametrize("beside", ["", "app=web"])
def test_signal_to_all_processes_at_once_drains_as_one_to_the_supervisor(
    tmp_path: Path, beside: str
) -> None:
    more, arguments = (WEB, f"drain_period=600.0, {beside}") if beside else ("", "drain_period=600")
    with Program(tmp_path, more=more, arguments=arguments) as program:
        workers = program.workers()
        visitor = Visitor(program.port)
        visitor.open()
        for _ in range(2):  # systemd, and the supervisor
            for pid in workers:
                os.kill(pid, signal.SIGTERM)
        program.signal(signal.SIGTERM)
        program.wait_for("closing 1 sessions over 600 s")
        program.wait_for("SIGTERM: all workers stop")
        assert [pid for pid in workers if alive(pid)]
        program.signal(signal.SIGTERM)
        assert program.wait() == -signal.SIGTERM
        until_dead(*workers)


@pytest.mark.parametrize("beside", ["", "app=web"])
def test_hangup_that_reaches_workers_too_ends_nobody(tmp_path: Path, beside: str) -> None:
    with Program(tmp_path, more=WEB if beside else "", arguments=beside) as program:
        workers = program.workers()
        for pid in workers:
            os.kill(pid, signal.SIGHUP)
        assert visit(program, 6) <= set(workers)
        assert program.workers() == workers


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["", "app=web"])
def test_worker_that_is_being_replaced_stops_with_the_others(tmp_path: Path, beside: str) -> None:
    more = (WEB if beside else "") + "from sockwave.workers import running, supervisor\n"
    more += "running.RELOAD_DRAIN = supervisor.GRACE = 600.0\n"
    with Program(tmp_path, "1", more=more, arguments=beside) as program:
        first, second = Visitor(program.port), Visitor(program.port)
        for visitor in (first, second):
            visitor.open()
        program.signal(signal.SIGHUP)
        program.wait_for("reload: all workers are new")
        program.wait_for("closing 2 sessions over 600 s")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


@pytest.mark.parametrize("is_draining", [False, True])
def test_no_worker_outlives_its_supervisor(tmp_path: Path, is_draining: bool) -> None:
    with Program(tmp_path, arguments="drain_period=600.0") as program:
        workers = program.workers()
        visitor = Visitor(program.port)
        visitor.open()
        if is_draining:
            program.signal(signal.SIGTERM)
            program.wait_for("closing 1 sessions over 600 s")
        program.signal(signal.SIGKILL)
        until_dead(*workers)


def test_program_that_cannot_start_says_so_and_ends(tmp_path: Path) -> None:
    program = Program(tmp_path, more="if 'SOCKWAVE_WORKER' in os.environ: raise ZeroDivisionError")
    assert program.wait() == 1
    assert "ended before it served (exit code 1): the program cannot start" in program.output


def test_new_connections_are_dealt_out_evenly(tmp_path: Path) -> None:
    """The issue's bound is 1.3 times the mean, with 4,000; chance alone stays far below that."""
    with Program(tmp_path, workers="4") as program:
        counts: dict[int, int] = {}
        for _ in range(400):
            visitor = Visitor(program.port)
            with closing(visitor.connection()) as sock:
                visitor.open(sock)
                pid = visitor.ask("pid", connection=sock)
            counts[pid] = counts.get(pid, 0) + 1
        assert len(counts) == 4
        assert max(counts.values()) <= 1.5 * 100


def test_command_serves_by_workers(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(
        "import os\nfrom sockwave import Server\nio = Server()\n"
        'io.on("connection")(lambda socket: socket.on("pid", os.getpid))\n'
    )
    port = free_port()
    arguments = ("-m", "sockwave", "run", "chat:io", "--workers", "2", "--port", str(port))
    with ServerProcess(*arguments, directory=tmp_path, port=port) as process:
        process.wait_for(r"chat:io.* on .*http")
        process.wait_for(r"sockwave.workers: \[worker 1, pid \d+\] worker 1 of 2 serves")
        visitors = [Visitor(port) for _ in range(8)]
        for visitor in visitors:
            visitor.open()
        assert len({visitor.ask("pid") for visitor in visitors}) <= 2
        assert process.interrupt() == 0
        assert process.output.count("Goodbye.") == 1


ADDRESS = """
def say(listener):
    print("url", listener.url, flush=True)
    print("port", listener.port, flush=True)
"""


@pytest.mark.parametrize("beside", ["app", "nothing"])
def test_address_is_told_as_clients_need_it(tmp_path: Path, beside: str) -> None:
    file = str(write_certificate(tmp_path / "certificate.pem"))
    more, arguments = ADDRESS + TLS.format(file=file), "ssl=tls"
    if beside == "app":
        files = {"ssl_certfile": file, "ssl_keyfile": file}
        more, arguments = ADDRESS + HOSTED, f"app=app, uvicorn_options={files!r}"
    with Program(tmp_path, "1", more=more, arguments=arguments) as program:
        assert f"url https://127.0.0.1:{program.port}\n" in program.output
        assert f"listening on https://127.0.0.1:{program.port}, with 1 workers" in program.output
        context = ssl.create_default_context(cafile=file)
        context.check_hostname = False
        assert visit(program, 1, context) == set(program.workers())


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_connection_that_the_application_has_had_goes_on_at_the_successor(
    tmp_path: Path, is_encrypted: bool
) -> None:
    file = str(write_certificate(tmp_path / "certificate.pem"))
    tls = None
    arguments = "app=app, drain_period=600.0"
    if is_encrypted:
        tls = ssl.create_default_context(cafile=file)
        tls.check_hostname = False
        arguments += f", uvicorn_options={ {'ssl_certfile': file, 'ssl_keyfile': file}!r}"
    more = HOSTED.replace('b"app"', 'b"%10d" % os.getpid()').replace('b"3"', 'b"10"')
    page = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    with Program(tmp_path, "1", more=more, arguments=arguments) as program:
        (before,) = program.workers()
        oldest, old, new = (Visitor(program.port, tls) for _ in range(3))
        oldest.open()  # its session is the first to end, and does so at once
        with closing(old.connection()) as kept:
            old.open(kept)
            kept.sendall(page)
            assert read_answer(kept) == (200, b"%10d" % before)
            program.signal(signal.SIGHUP)
            program.wait_for("all workers are new")
            program.wait_for("closing 2 sessions over 600 s")
            kept.sendall(page)
            status, body = read_answer(kept)
            assert status == 200
            assert (int(body) == before) is is_encrypted, "it would end with this process"
            new.open(kept)
            assert new.ask("pid", connection=kept) != before
            assert old.ask("pid", connection=kept) == before
            kept.sendall(page)
            assert read_answer(kept)[0] == 200


def test_log_has_a_line_for_each_worker_and_not_for_each_pair_of_them(tmp_path: Path) -> None:
    with Program(tmp_path, "4") as program:
        assert len(program.output.splitlines()) == 4 + 1 + 1, "the workers, the port, ours"
        numbers = program.wait_for(r"worker (\d) of 4 serves \(pid \d+\)", 4)
        assert sorted(numbers) == ["0", "1", "2", "3"]
        victim = program.workers()[0]
        os.kill(victim, signal.SIGKILL)
        program.wait_for(r"worker \d of 4 serves", 5)
        visit(program, 8)
        assert len(program.output.splitlines()) == 6 + 2, "one has died, another one serves"


def test_log_tells_an_old_worker_from_the_new_one_of_its_number(tmp_path: Path) -> None:
    with Program(tmp_path, "1", arguments="drain_period=600.0") as program:
        (before,) = program.workers()
        visitor = Visitor(program.port)
        visitor.open()
        program.signal(signal.SIGHUP)
        program.wait_for(rf"worker 0 \(pid {before}\) is replaced, and ends with its sessions")
        old, new = program.wait_for(r"worker 0 of 1 serves \(pid (\d+)\)", 2)
        assert int(old) == before != int(new)


@pytest.mark.slow
def test_adapter_for_other_hosts_does_no_harm_and_leaves_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o700)
        more = (
            'io.on("connection")(lambda socket: socket.on("tell", lambda: io.emit("all") and None))'
        )
        maker = f"__import__('sockwave.adapters').adapters.WorkersAdapter({directory!r})"
        with Program(tmp_path, "2", more=more, options=f"adapter={maker}") as program:
            visitors: dict[int, Visitor] = {}
            while len(visitors) < 2:
                visitor = Visitor(program.port)
                visitor.open()
                visitors[visitor.ask("pid")] = visitor
            one, other = visitors.values()
            one.emit("tell")
            assert other.events() == [["all"]]
            program.signal(signal.SIGTERM)
            assert program.wait() == 0
        assert os.listdir(directory) == []
