"""Workers are one server: rooms, broadcasts and questions reach the clients of all."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix

MORE = """
@io.on("connection")
def reaching_others(socket):
    @socket.on("join")
    def join(room):
        socket.join(room)
        socket.data["room"] = room

    @socket.on("shout")
    def shout(room, text):
        io.to(room).emit("heard", text)

    @socket.on("shout_bytes")
    def shout_bytes(room):
        io.to(room).emit("heard", {"binary": b"\\x00\\xff"})

    @socket.on("count")
    async def count():
        return await io.count()

    @socket.on("count_room")
    async def count_room():
        return await io.in_("room").count()

    @socket.on("servers")
    async def servers():
        return await io.server_count()

    @socket.on("everybody")
    async def everybody():
        found = await io.fetch_sockets()
        return sorted([each.id, each.data.get("room", "")] for each in found)

    @socket.on("local")
    async def local():
        return len(await io.local.fetch_sockets())

    @socket.on("place")
    def place():
        return [io.worker.number, io.worker.count]

    @socket.on("move_all")
    def move_all():
        io.sockets_join("moved")

    @socket.on("others")
    async def others():
        return await io.server_side_emit_with_ack("who", timeout=5.0)


@io.on("who")
def who():
    return os.getpid()
"""


class Crowd:
    """Clients of all three workers."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.visitors: dict[int, list[Visitor]] = {}
        while len(self.visitors) < 3 or sum(map(len, self.visitors.values())) < 9:
            visitor = Visitor(program.port)
            visitor.open()
            self.visitors.setdefault(visitor.ask("pid"), []).append(visitor)

    @property
    def all(self) -> list[Visitor]:
        return [visitor for visitors in self.visitors.values() for visitor in visitors]

    @property
    def one_of_each(self) -> list[Visitor]:
        return [visitors[0] for visitors in self.visitors.values()]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with Program(tmp_path_factory.mktemp("workers"), more=MORE) as program:
        yield Crowd(program)


def test_broadcast_to_a_room_reaches_its_members_in_all_workers_once(crowd: Crowd) -> None:
    members = crowd.one_of_each
    for member in members:
        member.emit("join", "room")
        assert member.ask("pid")
    for number, sender in enumerate(crowd.all):
        sender.emit("shout", "room", number)
    for member in members:
        heard: list[Any] = []
        while len(heard) < len(crowd.all):
            heard += member.events()
        assert sorted(text for _, text in heard) == list(range(len(crowd.all)))
    for visitor in crowd.all:
        assert visitor.ask("pid"), "nothing else came: the answer is the first that does"


def test_events_of_one_worker_arrive_in_order(crowd: Crowd) -> None:
    sender, *_, member = crowd.one_of_each
    member.emit("join", "ordered")
    assert member.ask("pid")
    for number in range(50):
        sender.emit("shout", "ordered", number)
    heard: list[Any] = []
    while len(heard) < 50:
        heard += member.events()
    assert [text for _, text in heard] == list(range(50))


def test_numbers_are_those_of_all(crowd: Crowd) -> None:
    for visitor in crowd.one_of_each:
        assert visitor.ask("servers") == 3
        assert visitor.ask("count") == len(crowd.all)
        assert visitor.ask("count_room") == 3


def test_sockets_of_all_are_found_with_their_data(crowd: Crowd) -> None:
    answers = [visitor.ask("everybody") for visitor in crowd.one_of_each]
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == len(crowd.all)
    assert sum(visitor.ask("local") for visitor in crowd.one_of_each) == len(crowd.all)


def test_each_worker_has_its_place(crowd: Crowd) -> None:
    places = sorted(visitor.ask("place") for visitor in crowd.one_of_each)
    assert places == [[0, 3], [1, 3], [2, 3]]


def test_sockets_of_all_join_rooms(crowd: Crowd) -> None:
    crowd.all[0].emit("move_all")
    assert crowd.all[0].ask("pid")
    crowd.all[-1].emit("shout", "moved", "to all")
    for visitor in crowd.all:
        assert visitor.events() == [["heard", "to all"]]


def test_other_workers_answer_questions(crowd: Crowd) -> None:
    for pid, visitors in crowd.visitors.items():
        others = set(crowd.program.workers()) - {pid}
        assert set(visitors[0].ask("others")) == others


def test_worker_that_has_died_is_asked_and_counted_no_more(tmp_path: Path) -> None:
    """Its end is known at once: no question waits for its heartbeats to be missed."""
    with Program(tmp_path, more=MORE) as program:
        crowd = Crowd(program)
        victim, *others = crowd.visitors
        os.kill(victim, signal.SIGKILL)
        program.wait_for(rf"worker \d \(pid {victim}\) has died")
        left = sum(len(crowd.visitors[pid]) for pid in others)
        for pid in others:
            assert len(crowd.visitors[pid][0].ask("everybody")) == left
            assert crowd.visitors[pid][0].ask("count") == left


ROOMS = """
import re
@io.of(re.compile(r"/room-\\d")).on("connection")
def in_a_room(socket):
    socket.on("count", lambda: socket.namespace.count())
    @socket.on("fetch")
    async def fetch():
        return len(await socket.namespace.fetch_sockets())
    @socket.on("names")
    async def names():
        return list(await socket.namespace.except_(socket.id).emit_with_ack("name"))
"""


@pytest.mark.parametrize(
    ("question", "answer"), [("count", b"2"), ("fetch", b"2"), ("names", b'["Ada"]')]
)
def test_first_question_in_a_namespace_of_a_moment_reaches_other_workers(
    tmp_path: Path, question: str, answer: bytes
) -> None:
    """It comes with the client whose name has just made the namespace in its worker."""
    with Program(tmp_path, "2", more=ROOMS) as program:
        visitors: dict[int, Visitor] = {}
        while len(visitors) < 2:
            visitor = Visitor(program.port)
            visitor.open()
            visitors[visitor.ask("pid")] = visitor
        ada, grace = visitors.values()
        for room in (b"/room-%d," % number for number in range(5)):
            assert ada.request(b"40" + room) == (200, b"ok")
            assert ada.request()[1].startswith(b"40" + room)
            both = b'40%b\x1e42%b7["%b"]' % (room, room, question.encode())
            assert grace.request(both) == (200, b"ok")
            if question == "names":
                asked = ada.request()[1]
                found = re.fullmatch(rb'42%b(\d+)\["name"\]' % room, asked)
                assert found is not None, asked
                assert ada.request(b'43%b%b["Ada"]' % (room, found[1])) == (200, b"ok")
            read = b""
            while b"43" + room not in read:
                read += grace.request()[1]
            assert read.endswith(b"43%b7[%b]" % (room, answer))
