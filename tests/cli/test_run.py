"""`sockwave run`: what it loads, what it refuses, and that it serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from sockwave.cli import main
from tests.cli.process import SockwaveProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

EXAMPLE = """
    from sockwave import Server

    io = Server()

    async def web(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"the app"})

    class Web:
        def __init__(self, scope): ...

    def flask(environ, start_response): ...

    number = 42
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with some modules, as the current one."""
    (tmp_path / "sw_example.py").write_text(textwrap.dedent(EXAMPLE))
    (tmp_path / "sw_broken.py").write_text("1 / 0\n")
    (tmp_path / "sw_needy.py").write_text("import sw_not_installed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("sw_")]:
        del sys.modules[name]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["sw_missing:io"], "there is no module 'sw_missing' here"),
        (["sw_missing.inner:io"], "there is no module 'sw_missing' here"),
        (["sw_example.inner:io"], "there is no module 'sw_example.inner' here"),
        (["sw_example:oi"], "module 'sw_example' has no 'oi'"),
        (["sw_example:io.nothing"], "module 'sw_example' has no 'io.nothing'"),
        (["sw_example"], "'sw_example' is not of the form module:name, for example sw_example:io"),
        (
            ["sw_example.py"],
            "'sw_example.py' is not of the form module:name, for example sw_example:io",
        ),
        ([":io"], "':io' is not of the form module:name, for example chat:io"),
        (
            ["sw_example.py:io"],
            "'sw_example.py' is a path, and a module is wanted without .py: sw_example:io",
        ),
        (
            ["./sw_example:io"],
            "'./sw_example' is a path, and a module is wanted without .py: sw_example:io",
        ),
        (
            ["../sw_example.py:io"],
            "'../sw_example.py' is a path: go there, and give the module's name alone",
        ),
        (
            ["sw_example:flask"],
            (
                "sw_example:flask is neither a sockwave.Server nor an ASGI application: function; "
                "a WSGI application goes into a2wsgi.WSGIMiddleware(...)"
            ),
        ),
        (
            ["sw_example:number"],
            "sw_example:number is neither a sockwave.Server nor an ASGI application: int",
        ),
        (
            ["sw_example:Web"],
            "sw_example:Web is neither a sockwave.Server nor an ASGI application: type",
        ),
        (
            ["sw_example:io", "--app", "sw_example:number"],
            "sw_example:number is not an ASGI application: int",
        ),
        (
            ["sw_example:web", "--app", "sw_example:web"],
            "sw_example:web is not a sockwave.Server, which --app needs",
        ),
        (
            ["sw_example:web", "--drain-period", "10"],
            "sw_example:web is not a sockwave.Server, as --drain-period needs",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_mistake_is_one_line(arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.output) == (1, f"Error: {error}\n")


@pytest.mark.parametrize(
    "option", ["--drain-period", "--shutdown-timeout", "--unresponsive-timeout"]
)
@pytest.mark.parametrize("value", ["-1", "1e9", "soon", "nan"])
@pytest.mark.usefixtures("project")
def test_times_out_of_range_are_refused(option: str, value: str) -> None:
    result = run("sw_example:io", option, value)
    assert result.exit_code == 2
    assert option in result.output


@pytest.mark.parametrize("target", ["sw_example:io", "sw_example:web"])
@pytest.mark.usefixtures("project")
def test_taken_port_is_one_line(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run(target, "--port", str(port))
    assert result.exit_code == 1
    assert result.output == (
        f"Error: cannot listen on 127.0.0.1:{port}: "
        "the port is in use; choose another one with --port\n"
    )


@pytest.mark.parametrize(
    ("target", "cause"),
    [("sw_broken:io", "division by zero"), ("sw_needy:io", "No module named 'sw_not_installed'")],
)
@pytest.mark.usefixtures("project")
def test_error_inside_the_module_shows_where(target: str, cause: str) -> None:
    result = run(target)
    module = target.partition(":")[0]
    assert result.exit_code == 1
    assert f'{module}.py", line 1' in result.output
    assert "importlib" not in result.output
    assert result.output.endswith(f"Error: module '{module}' cannot be imported: {cause}\n")


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=40) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


@pytest.mark.parametrize(
    ("arguments", "web", "socketio"),
    [
        (["sw_example:io"], 404, 200),
        (["sw_example:io", "--drain-period", "0.5", "--shutdown-timeout", "0.5"], 404, 200),
        (["sw_example:io", "--app", "sw_example:web"], 200, 200),
        (["sw_example:web"], 200, None),
    ],
)
def test_it_serves_until_interrupted(
    project: Path, arguments: list[str], web: int, socketio: int | None
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["run", *arguments, "--port", str(port)]
    with SockwaveProcess(*command, directory=project, port=port) as process:
        status, body = get(f"{url}/")
        assert status == web
        assert body == ("the app" if web == 200 else "")
        if socketio is not None:
            status, body = get(f"{url}/socket.io/?EIO=4&transport=polling")
            assert (status, body[:8]) == (socketio, '0{"sid":')
        assert process.interrupt() == 0
    assert "Traceback" not in process.output
    assert process.output.endswith("Goodbye.\n")


def test_application_without_a_server_is_told_of(project: Path) -> None:
    port = free_port()
    command = ["run", "sw_example:web", "--port", str(port)]
    with SockwaveProcess(*command, directory=project, port=port) as process:
        assert process.interrupt() == 0
    assert "Note: no sockwave.Server was found in sw_example:web" in process.output
    assert "sockwave run sw_example:io --app sw_example:web" in process.output


def test_application_with_a_server_is_served_without_a_word_and_logs_no_session_id(
    project: Path,
) -> None:
    with (project / "sw_example.py").open("a") as file:
        file.write("\nwrapped = io.wrap(web)\n")
    port = free_port()
    url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"
    command = ["run", "sw_example:wrapped", "--port", str(port)]
    with SockwaveProcess(*command, directory=project, port=port) as process:
        sid = get(url)[1].split('"')[3]
        assert get(f"{url}&sid={sid}x")[0] == 400
        assert process.interrupt() == 0
    assert "Note:" not in process.output
    assert process.output.count("GET /socket.io/?... ") == 2
    assert sid not in process.output


BY_WORKERS: Final = pytest.param(("--workers", "1"), marks=pytest.mark.unix)


@pytest.mark.parametrize("workers", [(), BY_WORKERS])
def test_log_is_lines_of_json_where_programs_read_it(
    project: Path, workers: tuple[str, ...]
) -> None:
    port = free_port()
    command = ["run", "sw_example:io", "--port", str(port), "--log-format", "json", *workers]
    with SockwaveProcess(*command, directory=project, port=port) as process:
        process.wait_until_it_listens()
        process.wait_for("listening on")
        assert process.interrupt() == 0
    lines = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert any(line["message"].startswith("listening on") for line in lines)
    assert {line["level"] for line in lines} == {"info"}
    assert any(line.get("process", "").startswith("worker 0, pid ") for line in lines) == bool(
        workers
    )


@pytest.mark.parametrize("rest", [(), ("--app", "sw_example:web"), BY_WORKERS])
def test_server_says_at_a_path_that_it_is_well(project: Path, rest: tuple[str, ...]) -> None:
    port = free_port()
    command = ["run", "sw_example:io", "--port", str(port), "--health", "/health", *rest]
    with SockwaveProcess(*command, directory=project, port=port) as process:
        status, body = get(f"http://127.0.0.1:{port}/health/ready")
        assert (status, body) == (200, '{"ready": true, "reasons": []}')
        assert process.interrupt() == 0


@pytest.mark.parametrize(
    ("target", "path", "line"),
    [
        ("sw_example:io", "/socket.io", "--health: '/socket.io' is the path of the server"),
        ("sw_example:io", "health", "--health: path must be like /health"),
        ("sw_example:web", "/health", "is not a sockwave.Server, as --health needs"),
    ],
)
@pytest.mark.usefixtures("project")
def test_path_for_health_that_cannot_be_is_one_line(target: str, path: str, line: str) -> None:
    result = run(target, "--health", path)
    assert result.exit_code == 1
    assert line in result.output and result.output.count("\n") == 1


def test_interpreter_runs_the_package_as_the_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "sockwave", "--help"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("Usage: sockwave [OPTIONS] COMMAND")


@pytest.mark.parametrize("command", [[], ["run"], ["reload"], ["connect"], ["demo"]])
def test_help_shows_no_marks_of_its_source(command: list[str]) -> None:
    text = CliRunner().invoke(main, [*command, "--help"]).output
    assert "\\b" not in text and "\b" not in text and "`" not in text.replace("`auth`", "")


def test_help_of_connect_keeps_its_examples_in_lines() -> None:
    text = CliRunner().invoke(main, ["connect", "--help"]).output
    assert '  hello "world" {"n": 1}      emits hello\n' in text


def test_version_is_printed() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("sockwave, version ")


@pytest.mark.unix
def test_text_of_a_peer_in_a_traceback_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    import pty

    (tmp_path / "sw_failing.py").write_text(
        "import logging\n"
        "try:\n"
        "    raise ValueError('no room \\x1b]0;owned\\x07\\x9b2J\\u202etxt.exe')\n"
        "except ValueError:\n"
        "    logging.getLogger('app').exception('failed')\n"
        "raise SystemExit(0)\n"
    )
    ours, terminal = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "sockwave", "run", "sw_failing:io"],
            cwd=tmp_path,
            stderr=terminal,
            check=True,
            env={**os.environ, "TERM": "dumb"},
        )
        output = " ".join(os.read(ours, 65_536).decode().split())  # it was wrapped
    finally:
        os.close(ours)
        os.close(terminal)
    assert r"no room \u001b]0;owned\u0007\u009b2J\u202etxt.exe" in output
    assert output.isprintable(), ascii(output)


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1.5", "", "Auto", "9" * 5_000])
def test_number_of_workers_that_is_none_is_told_with_what_may_stand_there(
    project: Path, value: str
) -> None:
    result = run("sw_example:io", "--workers", value)
    assert result.exit_code == 2
    assert f"{value!r} is neither a number from 1 on nor auto" in " ".join(result.output.split())


@pytest.mark.unix
def test_more_workers_than_there_are_numbers_are_a_line(project: Path) -> None:
    result = run("sw_example:io", "--workers", "5000")
    assert (result.exit_code, result.output) == (
        1,
        "Error: workers must be between 1 and 4095, not 5000\n",
    )


def test_time_of_workers_needs_a_server(project: Path) -> None:
    result = run("sw_example:web", "--unresponsive-timeout", "5")
    assert result.output == (
        "Error: sw_example:web is not a sockwave.Server, as --unresponsive-timeout needs\n"
    )
