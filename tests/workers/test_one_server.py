"""A program has one server with workers, and is run again for each: what is told when it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix

THREAD = """
import threading
other = Server()
def run_other():
    try:
        other.run(port={port}{workers})
    except RuntimeError as error:
        print("refused:", error, flush=True)
threading.Thread(target=run_other, daemon=True).start()
"""
TELLING = """
other = Server()
@io.on("connection")
def telling(socket):
    def tell():
        other.emit("leak")
        io.emit("mark")
    socket.on("tell", tell)
"""


def one_visitor_of_each(program: Program) -> dict[int, Visitor]:
    visitors: dict[int, Visitor] = {}
    while len(visitors) < len(program.workers()):
        visitor = Visitor(program.port)
        visitor.open()
        visitors.setdefault(visitor.ask("pid"), visitor)
    return visitors


def test_second_server_with_workers_in_a_thread_is_refused(tmp_path: Path) -> None:
    with Program(tmp_path, "2", more=THREAD.format(port=0, workers=", workers=2")) as program:
        refusals = program.wait_for(r"refused: (.+)", 3)
        here = "workers: run(workers=...) needs the main thread, which hears signals. A program"
        assert sum(refusal.startswith(here) for refusal in refusals) == 1
        there = "workers: this process is a worker of another server of this program. A program"
        assert sum(refusal.startswith(there) for refusal in refusals) == 2
        assert one_visitor_of_each(program).keys() == set(program.workers())


def test_server_without_workers_in_a_thread_does_not_take_a_workers_place(tmp_path: Path) -> None:
    with Program(tmp_path, "2", more=THREAD.format(port=free_port(), workers="")) as program:
        program.wait_for("refused: workers: this process is a worker of another server", 2)
        assert one_visitor_of_each(program).keys() == set(program.workers())


def test_second_server_after_the_first_is_refused_and_no_worker_supervises(tmp_path: Path) -> None:
    second = "drain_period=0.0)\nother = Server()\nother.run(port=0, workers=2"
    with Program(tmp_path, "2", arguments=second) as program:
        workers = program.workers()
        program.signal(signal.SIGTERM)
        assert program.wait() == 1
        program.wait_until_gone(*workers)
        # Three processes write to one file: the kind of an error and its text are written apart.
        what = "workers: this process has served with workers before. A program runs"
        assert program.output.count(what) == 3
        assert program.output.count("serves (pid") == 2


def test_servers_of_one_program_do_not_hear_each_other(tmp_path: Path) -> None:
    with Program(tmp_path, "2", more=TELLING) as program:
        one, other = one_visitor_of_each(program).values()
        one.emit("tell")
        assert other.events() == [["mark"]]


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_program_from_standard_input_cannot_be_run_again(arguments: list[str]) -> None:
    script = "from sockwave import Server\nServer().run(port=0, workers=2)\n"
    ended = subprocess.run(
        [sys.executable, *arguments],
        input=script,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "RuntimeError: workers: each worker runs this program again, which came from standard input"
        " or a terminal: put it into a file or a module"
    )


def test_program_on_the_command_line_can(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import os; from sockwave import Server; io = Server(); "
        "io.on('connection')(lambda socket: socket.on('pid', os.getpid) and None); "
        f"io.run(port={port}, workers=2, on_listening=lambda listener: print('all serve'))"
    )
    with ServerProcess("-c", program, directory=tmp_path, port=port) as process:
        process.wait_for("all serve")
        visitor = Visitor(port)
        visitor.open()
        assert visitor.ask("pid") != process.pid


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_process_of_multiprocessing_cannot_be_run_again(tmp_path: Path, method: str) -> None:
    script = tmp_path / "program.py"
    source = f"""
        import multiprocessing
        from sockwave import Server

        def serve():
            Server().run(port=0, workers=2)

        if __name__ == "__main__":
            process = multiprocessing.get_context("{method}").Process(target=serve)
            process.start()
            process.join()
    """
    script.write_text(textwrap.dedent(source))
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=DEADLINE, check=True
    )
    assert "by multiprocessing: run with workers in the main process" in ended.stderr
