"""Ports, addresses and one-line errors of the commands."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sockwave.cli import main
from sockwave.cli.console import Failure, ensure_port_is_free, find_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["run", "a:io"], "--drain-period"),
        (["doctor", "http://127.0.0.1:9"], "--patience"),
        (["emit", "--url", "redis://127.0.0.1:9", "e"], "--ack"),
        (["bench", "http://127.0.0.1:9"], "--rate"),
        (["bench", "http://127.0.0.1:9"], "--duration"),
        (["bench", "http://127.0.0.1:9", "e"], "--every"),
        (["bench", "http://127.0.0.1:9"], "--timeout"),
    ],
)
def test_number_that_none_can_wait_for_is_refused(
    command: list[str], option: str, number: str
) -> None:
    result = CliRunner().invoke(main, [*command, option, number])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


@pytest.mark.parametrize("header", ["no colon", ": no name", "two words: x", "a: b\r\nc: d"])
@pytest.mark.parametrize("command", ["connect", "bench", "doctor"])
def test_header_that_is_none_is_one_line(command: str, header: str) -> None:
    result = CliRunner().invoke(main, [command, "http://127.0.0.1:9", "--header", header])
    assert result.exit_code == 1
    assert result.stderr.endswith("is not of the form 'NAME: VALUE'\n")


def test_taken_port_is_named_in_one_line(taken_port: int) -> None:
    with pytest.raises(Failure, match=rf"^cannot listen on 127\.0\.0\.1:{taken_port}: .* in use;"):
        ensure_port_is_free("127.0.0.1", taken_port)


def test_unknown_host_is_named() -> None:
    with pytest.raises(Failure, match=r"host no\.such\.host\.invalid is not known"):
        ensure_port_is_free("no.such.host.invalid", 3000)


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(
        Failure, match=r"^cannot listen on 192\.0\.2\.1:3000: this machine does not"
    ):
        find_port("192.0.2.1", 3000)


def test_next_free_port_is_found(taken_port: int) -> None:
    port = find_port("127.0.0.1", taken_port)
    assert port > taken_port
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_interrupt_ends_serving_with_a_goodbye(capsys: pytest.CaptureFixture[str]) -> None:
    with serving():
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().out == "Goodbye.\n"


def test_errors_pass(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="invalid literal"), serving():
        int("no number")
    assert not capsys.readouterr().out
