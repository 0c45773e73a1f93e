"""Clients that were lost come back to any worker, also when the one that had them is gone."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix

MORE = """
@io.on("connection")
def recovering(socket):
    if not socket.recovered:
        socket.join("news")
        socket.data["visits"] = 0
        socket.data["raw"] = b"\\x00\\xff"
    socket.data["visits"] += 1

    @socket.on("visits")
    def visits():
        return [socket.data["visits"], list(socket.data["raw"]), sorted(socket.rooms)]

    @socket.on("shout")
    def shout(text):
        io.to("news").emit("heard", text, b"\\x01\\x02")

    @socket.on("whisper")
    def whisper(text):
        socket.emit("heard", text, b"\\x03")
"""
OPTIONS = "connection_state_recovery=True"


class Guest(Visitor):
    """A visitor that may be recovered.

    Attributes:
        heard: What it has heard, in order.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.heard: list[Any] = []
        self.pid = ""
        self.offset: str | None = None
        self.id = ""
        self.recovered = False
        self.worker = ""

    def come(self, *, not_to: str = "") -> None:
        """Begin a session, and join as who it was; not at this worker."""
        while True:
            self._sid = ""
            status, body = self.request()
            assert status == 200
            sid = json.loads(body[1:])["sid"]
            self._sid = "&sid=" + sid
            if sid[:2] != not_to:
                break
        self.worker = sid[:2]
        auth: dict[str, str] = {"pid": self.pid} if self.pid else {}
        if self.offset is not None:
            auth["offset"] = self.offset
        assert self.request(b"40" + json.dumps(auth).encode()) == (200, b"ok")
        before, self.id = self.id, ""
        while not self.id:
            self.poll()
        self.recovered = self.id == before

    def poll(self) -> None:
        """Take what has come, or the first that comes."""
        status, body = self.request()
        assert status == 200, body
        for packet in body.split(b"\x1e"):
            if packet[:2] == b"40":
                reply = json.loads(packet[2:])
                self.id, self.pid = reply["sid"], reply["pid"]
            elif packet[:2] == b"45":
                _, text, *_, self.offset = json.loads(packet.partition(b"-")[2])
                self.heard.append(text)

    def leave(self) -> None:
        """End the connection as a network does that ends."""
        assert self.request(b"1") == (200, b"ok")

    def hear(self, count: int) -> list[Any]:
        """Wait until it has heard so much."""
        while len(self.heard) < count:
            self.poll()
        return self.heard


def guests(program: Program, count: int) -> list[Guest]:
    """Clients of all workers."""
    came: list[Guest] = []
    while len(came) < count or len({guest.worker for guest in came}) < 3:
        guest = Guest(program.port)
        guest.come()
        came.append(guest)
    return came


def test_client_comes_back_to_another_worker_with_rooms_data_and_what_it_missed(
    tmp_path: Path,
) -> None:
    with Program(tmp_path, more=MORE, options=OPTIONS) as program:
        lost, *others = guests(program, 6)
        others[0].emit("shout", "before")
        for guest in (lost, *others):
            guest.hear(1)
        for number in range(4):
            left = lost.worker
            lost.leave()
            for at, guest in enumerate(others):
                guest.emit("shout", [number, at])
            lost.come(not_to=left)
            assert lost.recovered
            assert lost.ask("visits") == [number + 2, [0, 255], sorted([lost.id, "news"])]
            expected = 1 + len(others) * (number + 1)
            texts = lost.hear(expected)
            assert sorted(map(str, texts)) == sorted(map(str, others[0].hear(expected)))
        lost.emit("whisper", "to itself")
        assert lost.hear(expected + 1)[-1] == "to itself"


@pytest.mark.parametrize("how", ["killed", "reloaded"])
def test_clients_of_workers_that_are_gone_come_back_to_others(tmp_path: Path, how: str) -> None:
    arguments = "drain_period=0.1"
    with Program(tmp_path, more=MORE, options=OPTIONS, arguments=arguments) as program:
        crowd = guests(program, 12)
        crowd[0].emit("shout", "before")
        for guest in crowd:
            guest.hear(1)
            assert guest.ask("visits")[0] == 1
        before = program.workers()
        if how == "killed":
            before = before[:1]
            os.kill(before[0], signal.SIGKILL)
        else:
            program.signal(signal.SIGHUP)
        program.wait_for(r"worker \d of 3 serves", times=3 + len(before))
        program.wait_until_gone(*before)
        speaker = Guest(program.port)
        speaker.come()
        speaker.emit("shout", "meanwhile")
        speaker.hear(1)
        recovered = 0
        for guest in crowd:
            status, _ = guest.request(b"3")
            if status != 200:
                guest.come()
                recovered += 1
                assert guest.recovered
                assert guest.ask("visits")[0] == 2
            assert guest.hear(2) == ["before", "meanwhile"]
        assert recovered >= 1 if how == "killed" else recovered == len(crowd)
