"""Clients that come back to another process of a cluster."""

from __future__ import annotations

import asyncio
import random
from inspect import isawaitable
from typing import Any

import pytest

from sockwave.adapters import Capabilities
from sockwave.adapters.messages import Message, MessageType, encode_message
from sockwave.socketio.core.adapter import BroadcastOptions
from tests.adapters.recovering import Client, ServerSocket, World
from tests.support.patient_loop import run


def to(*rooms: str, excluded: tuple[str, ...] = ()) -> BroadcastOptions:
    return BroadcastOptions(rooms, excluded)


async def world_of(
    processes: int = 3, seed: int = 1, capabilities: Capabilities | None = None
) -> tuple[World, Client]:
    """Processes that know each other, and a client of the first that is in `r`."""
    world = World(seed, processes, capabilities)
    await world.settle(6.0)
    client = Client("c")
    world.clients.append(client)
    world.connect(client, world.processes[0], ("r",))
    await world.settle()
    return world, client


def test_client_comes_back_to_another_process_with_all_that_it_has_missed() -> None:
    async def scenario() -> None:
        world, client = await world_of()
        for process in world.processes:
            world.emit(process, to("r"))
        await world.settle()
        world.cut(client, 2, is_noticed=True)
        for process in world.processes:
            world.emit(process, to("r"))
            world.emit(process, to("other"))
        await world.settle()
        assert await world.come_back(client, world.processes[1])
        world.emit(world.processes[2], to("r"))
        await world.settle()
        world.check()
        assert len(client.got) == 7

    run(scenario())


def test_loss_that_was_not_noticed_is_noticed_when_the_client_is_elsewhere() -> None:
    async def scenario() -> None:
        world, client = await world_of()
        world.cut(client, 0, is_noticed=False)
        world.emit(world.processes[2], to("r"))
        assert await world.come_back(client, world.processes[1])
        assert not world.processes[0].sockets
        await world.settle()
        world.check()

    run(scenario())


@pytest.mark.parametrize("how", ["die", "close"])
def test_what_a_process_kept_is_not_lost_with_it(how: str) -> None:
    async def scenario() -> None:
        world, client = await world_of()
        world.emit(world.processes[0], to("r"))
        world.cut(client, 0, is_noticed=False)
        await world.settle()
        getattr(world.processes[0], how)()
        for process in world.running:
            world.emit(process, to("r"))
        for process in world.running:
            assert await world.come_back(client, process)
            await world.settle()
            world.check()
            world.cut(client, 0, is_noticed=True)
            world.emit(process, to("r"))

    run(scenario())


MEANT = {"rooms": ["r"], "except": []}


@pytest.mark.parametrize(
    "data",
    [
        {"opts": 7},
        {"opts": MEANT},
        {"opts": MEANT, "owners": 7, "text": 7},
        {"opts": MEANT, "text": '["forged"', "bin": 7},
        {"opts": MEANT, "text": '["forged"]', "bin": ["x"], "messages": 7},
    ],
)
def test_message_that_makes_no_sense_costs_nobody_its_recovery(
    data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        world, client = await world_of()
        world.cut(client, 0, is_noticed=True)
        world.emit(world.processes[2], to("r"))
        await world.settle()
        first, second, third = world.processes
        for hearer, liar in ((second, third), (third, second)):  # one of them has the copy
            assert liar.adapter.id is not None
            lie = Message(MessageType.ENCODED_BROADCAST, data, liar.adapter.id, "/")
            hearer.adapter.message_received(encode_message(lie))
        first.close()
        await world.settle()
        assert await world.come_back(client, third)
        world.check()

    run(scenario())
    assert "internal error" not in caplog.text


def test_who_may_have_missed_something_is_a_new_client() -> None:
    """Messages to a process that does not read were dropped, and it finds out by their number."""

    async def scenario() -> None:
        world, client = await world_of()
        world.cut(client, 0, is_noticed=True)
        world.processes[2].adapter.messages_lost("a process does not read")
        await world.settle(6.0)
        assert not await world.come_back(client, world.processes[1])
        # From then on all is well again.
        await world.settle(6.0)
        world.cut(client, 0, is_noticed=True)
        world.emit(world.processes[2], to("r"))
        world.processes[1].die()
        assert await world.come_back(client, world.processes[0])
        world.check()

    run(scenario())


def test_process_that_was_deaf_recovers_nobody_with_a_hole() -> None:
    """The connection stands and nothing comes: it notices that it does not hear itself."""

    async def scenario() -> None:
        world, client = await world_of(2, capabilities=Capabilities(echoes=True))
        deaf, other = world.processes
        world.broker.partition([other.driver])
        await asyncio.sleep(5.0)
        for is_over in (False, True):
            world.cut(client, 0, is_noticed=True)
            other.adapter.broadcast(("missed",), to("r"))
            if is_over:
                world.broker.partition()
                await asyncio.sleep(3.0)
            assert not await world.come_back(client, deaf)
        # When the numbers of others have shown what was missed, all is well again.
        await world.settle(10.0)
        world.cut(client, 0, is_noticed=True)
        world.connect(client, deaf, ("r",))
        await world.settle()
        world.cut(client, 0, is_noticed=True)
        world.emit(other, to("r"))
        await world.settle()
        assert await world.come_back(client, deaf)
        world.check()

    run(scenario())


def test_process_that_was_stopped_gives_no_session_away() -> None:
    async def scenario() -> None:
        world, client = await world_of()
        world.cut(client, 0, is_noticed=True)
        world.processes[0].driver.pause()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert not await world.come_back(client, world.processes[1])
        assert loop.time() - begun < 6.0, "of the loop, in which nothing else takes time"
        world.processes[0].driver.resume()
        await world.settle()
        world.check()

    run(scenario())


def test_session_is_used_up_wherever_its_client_has_come_back() -> None:
    async def scenario() -> None:
        world, client = await world_of(4)
        world.cut(client, 0, is_noticed=True)
        tries = [process.restore(client) for process in world.processes[1:]]
        assert sorted(await asyncio.gather(*tries)) == [False, False, True]

    run(scenario())


def test_data_that_cannot_be_sent_keeps_a_client_at_its_own_process() -> None:
    async def scenario() -> None:
        world, client = await world_of()
        for process, is_recovered in zip(world.processes[:2], (True, False), strict=True):
            client.socket.data["cannot be sent"] = object()
            world.cut(client, 0, is_noticed=True)
            found = process.adapter.restore(client.pid or "", client.offset)
            session = await found if isawaitable(found) else found
            assert (session is not None) is is_recovered
            if session is not None:
                process.adapter.replay(session.id)
                client.socket = ServerSocket(session.id, session.pid, session.data)
                process.sockets[session.id] = client.socket
                process.adapter.watch(session.id, client.socket)

    run(scenario())


def test_log_that_is_longer_than_a_mirror_takes_at_once_is_copied_in_pieces() -> None:
    async def scenario() -> None:
        world, client = await world_of(2)
        world.cut(client, 0, is_noticed=True)
        names = [world.emit(world.processes[1], to("r", "x" * 10_000)) for _ in range(60)]
        world.processes[1].close()
        world.processes.append(world.start())
        await world.settle(6.0)
        world.processes[0].die()
        assert await world.come_back(client, world.processes[2])
        client.take()
        assert client.got == names

    run(scenario())


def random_rooms(chance: random.Random, most: int = 2) -> tuple[str, ...]:
    return tuple(chance.sample(["r", "s", "t", "u"], chance.randint(0, most)))


async def act(world: World, chance: random.Random, tasks: list[Any], *, deaths: bool) -> None:
    """Do one thing that comes to mind."""
    process = chance.choice(world.running)
    client = chance.choice(world.clients)
    what = chance.choices(
        ["emit", "emit to", "cut", "back", "room", "wait", "start", "end", "change", "stop"],
        [8, 2, 4, 6, 2, 2, 0.4, 0.4, 0.8, 0.4],
    )[0]
    if what == "emit":
        rooms = None if chance.random() < 0.1 else random_rooms(chance) or ("r",)
        world.emit(process, BroadcastOptions(rooms, random_rooms(chance, 1)))
    elif what == "emit to":
        world.emit_to(client)
    elif what == "cut" and client.is_connected and client.pid is not None:
        world.cut(client, chance.randint(0, 8), is_noticed=chance.random() < 0.6)
    elif what == "back" and not (client.is_connected or client.is_returning) and client.pid:
        tasks.append(world.returning(client, process))
    elif what == "room" and client.is_connected and client.name not in world.moved:
        await change_room(world, chance, client)
    elif what == "wait":
        await asyncio.sleep(chance.choice([0.0, 0.001, 0.01, 0.1]))
    elif what == "change" and not any(each.is_returning for each in world.clients):
        # One client at a time: its own room, which is the only one that all are told of at once.
        how = chance.choice(["join", "leave", "join", "leave", "disconnect"])
        if client.pid is not None and client.name not in world.unsettled:
            world.moved.add(client.name)
            world.change(process, how, to(client.pid[13:]), random_rooms(chance) or ("s",))
    elif what == "stop":
        process.driver.pause()
        asyncio.get_running_loop().call_later(chance.random() * 3, process.driver.resume)
    elif what == "start" and len(world.running) < 5:
        world.processes.append(world.start())
    elif what == "end" and len(world.running) > 2:
        for each in world.clients:
            if each.process is process and each.is_connected:
                each.take(chance.randint(0, 8))
                each.is_connected = False
        world.end(process, is_dead=deaths and chance.random() < 0.5)


async def check_that_it_does_not_come_back(world: World, client: Client) -> None:
    for process in world.running:
        assert client.socket.id not in process.sockets
        assert not await process.restore(client)
    client.is_connected = False
    client.forget()


async def change_room(world: World, chance: random.Random, client: Client) -> None:
    """A socket joins or leaves a room; until all know it, it may get what is sent there."""
    process = client.process
    if (
        process is None
        or not process.is_running
        or client.socket is None
        or client.socket.id not in process.sockets
    ):
        return
    room = chance.choice(["s", "t", "u"])
    world.unsettle(client)
    if room in client.rooms:
        client.rooms.discard(room)
        process.adapter.remove(client.socket.id, room)
    else:
        client.rooms.add(room)
        process.adapter.add(client.socket.id, (room,))


async def live(seed: int, *, deaths: bool) -> World:
    """Whatever comes to mind, for a while."""
    chance = random.Random(seed)
    world = World(seed, chance.randint(2, 4))
    await world.settle(6.0)
    world.clients = [Client(f"c{number}") for number in range(6)]
    for client in world.clients:
        world.connect(client, chance.choice(world.running), ("r", *random_rooms(chance)))
    await world.settle()
    for _ in range(12):
        tasks: list[Any] = []
        for _ in range(chance.randint(1, 25)):
            await act(world, chance, tasks, deaths=deaths)
        await asyncio.gather(*tasks)
        await world.settle()
        for client in world.clients:
            if client.is_revoked:
                await check_that_it_does_not_come_back(world, client)
            if client.pid is None:
                world.connect(client, chance.choice(world.running), ("r", *random_rooms(chance)))
        await world.settle()
        world.check()
    for client in world.clients:
        if not client.is_connected:
            await world.come_back(client, chance.choice(world.running))
    await world.settle()
    world.check()
    return world


def lived(seed: int, *, deaths: bool) -> World:
    """The same seed gives the same story: ids and offsets are drawn with it, too."""
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sockwave.adapters.cluster.urandom", chance.randbytes)
        patch.setattr("secrets.token_bytes", lambda count: chance.randbytes(count))
        return run(live(seed, deaths=deaths))


@pytest.mark.parametrize("seed", range(60))
def test_nobody_misses_anything_while_processes_come_and_go(seed: int) -> None:
    lived(seed, deaths=False)


@pytest.mark.parametrize("seed", range(60))
def test_nobody_misses_anything_without_being_told_when_processes_die(seed: int) -> None:
    lived(1000 + seed, deaths=True)
