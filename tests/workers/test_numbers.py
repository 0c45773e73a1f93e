"""Numbers of processes that nobody has started together."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sockwave.platform import unix_socket
from sockwave.workers import numbers
from sockwave.workers.numbers import Claim, relay_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix

CHILD = """
import sys
from sockwave.workers.numbers import Claim
claim = Claim(sys.argv[1])
print(claim.number, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "made" / "here")


@pytest.fixture
def claims(directory: str) -> Iterator[list[Claim]]:
    claims = [Claim(directory) for _ in range(3)]
    yield claims
    for claim in claims:
        claim.release()


def test_each_process_has_the_lowest_number_that_is_free(claims: list[Claim]) -> None:
    assert [claim.number for claim in claims] == [0, 1, 2]
    claims[1].release()
    claims[1].release()
    claims[1] = Claim(claims[0].directory)
    assert claims[1].number == 1


def test_nobody_else_may_look_in(claims: list[Claim], tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "made" / "here").stat().st_mode) == 0o700
    (tmp_path / "made" / "here").chmod(0o750)
    with pytest.raises(PermissionError, match="its mode must be 0700"):
        Claim(claims[0].directory)
    (tmp_path / "made" / "here").chmod(0o700)


def test_number_is_reached_at_its_socket(claims: list[Claim]) -> None:
    for claim in claims:
        with unix_socket("stream") as sock:
            sock.connect(relay_path(claim.directory, claim.number))
            accepted, _ = claim.listening.accept()
            accepted.close()


def test_number_of_a_process_that_was_killed_is_free(directory: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"0\n"
        one = Claim(directory)
        assert one.number == 1
        child.send_signal(signal.SIGKILL)
        child.wait()
        with pytest.raises(ConnectionRefusedError), unix_socket("stream") as sock:
            sock.connect(relay_path(directory, 0))
        two = Claim(directory)
        assert two.number == 0
        one.release()
        two.release()


def test_number_is_free_when_it_cannot_be_listened_at(claims: list[Claim], tmp_path: Path) -> None:
    (tmp_path / "made" / "here" / "3.relay").mkdir()
    with pytest.raises(IsADirectoryError):
        Claim(claims[0].directory)
    (tmp_path / "made" / "here" / "3.relay").rmdir()
    claims.append(Claim(claims[0].directory))
    assert claims[-1].number == 3


def test_numbers_have_an_end(claims: list[Claim], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MAX_NUMBER", 2)
    with pytest.raises(OSError, match="all 3 numbers of processes are taken"):
        Claim(claims[0].directory)


def test_sockets_are_not_inherited(claims: list[Claim]) -> None:
    assert all(isinstance(claim.listening, socket.socket) for claim in claims)
    assert not any(claim.listening.get_inheritable() for claim in claims)
