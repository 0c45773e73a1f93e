"""Clusters that do whatever comes to mind, against a model; with a carrier that works, and without.

Where nothing fails everybody is reached exactly once, and all agree about rooms. Where messages are
lost, late, twice or out of order, nodes cut off, stopped or dead, no question outlives its time, no
event comes twice or to somebody who is not meant; and soon after the last fault all is well again.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.memory import Faults
from sockwave.adapters.options import ClusterOptions
from sockwave.socketio.core.adapter import BroadcastOptions
from tests.adapters.simulation import GONE, Asked, Network, Node

MANY: Final = settings(max_examples=1_000 if os.environ.get("SOCKWAVE_FUZZ") else 100)
"""How many scripts are tried: `make long` sets the variable."""

ROOMS: Final = ("r", "s", "t", "u", "v")
PRIVATE: Final = "{:_>20}"
"""Ids of sockets have the look of real ones: their rooms are reached without being announced."""

rooms = st.lists(st.sampled_from(ROOMS), max_size=3).map(tuple)
chosen = st.builds(
    BroadcastOptions,
    st.none() | st.lists(st.sampled_from(ROOMS), min_size=1, max_size=2).map(tuple),
    rooms,
)
node = st.integers(0, 4)
actions = st.one_of(
    # What is here more than once is done more often.
    *(st.tuples(st.just("connect"), node, rooms) for _ in range(4)),
    *(st.tuples(st.just("emit"), node, chosen) for _ in range(6)),
    st.tuples(st.just("enter"), node, rooms),
    st.tuples(st.just("exit"), node, rooms),
    st.tuples(st.just("leave"), node),
    st.tuples(st.just("emit to one"), node, node),
    st.tuples(st.just("join all"), node, chosen, rooms),
    st.tuples(st.just("leave all"), node, chosen, rooms),
    st.tuples(st.just("disconnect all"), node, chosen),
    st.tuples(st.just("ask"), node, chosen),
    st.tuples(st.just("fetch"), node, chosen),
    st.tuples(st.just("count"), node, chosen),
    st.tuples(st.just("ask servers"), node),
    st.tuples(st.just("start"), node),
    st.tuples(st.just("close"), node),
    st.tuples(st.just("wait"), st.floats(0, 3)),
)
faults = st.one_of(
    st.tuples(st.just("faults"), st.builds(
        Faults,
        loss=st.sampled_from([0.0, 0.1, 0.5]),
        duplicates=st.sampled_from([0.0, 0.3]),
        delay=st.sampled_from([0.0, 0.5, 4.0]),
        reorders=st.booleans(),
    )),
    st.tuples(st.just("partition"), st.sets(node)),
    st.tuples(st.just("die"), node),
    st.tuples(st.just("stop"), node),
    st.tuples(st.just("wait"), st.floats(0, 30)),
)  # fmt: skip
capabilities = st.sampled_from(
    [
        Capabilities(is_selective=True),
        Capabilities(),
        Capabilities(is_text=True),
        Capabilities(is_selective=True, notices_ends=True),
    ]
)


class World:
    """Nodes that do what a script says, and what the model knows of it."""

    def __init__(self, capabilities: Capabilities, seed: int, *, most_rooms: int = 2) -> None:
        self.network = Network(capabilities=capabilities, seed=seed)
        self.options = ClusterOptions(max_announced_rooms=most_rooms)
        self.nodes: list[Node] = []
        self.sockets = 0
        self.events = 0
        self.questions: list[tuple[str, Node, Asked, set[str]]] = []
        self.stopped: set[Node] = set()
        self.meant: dict[str, set[str]] = {}
        for _ in range(3):
            self.start()
        for node in self.nodes:
            self.connect(node, ("r", node.name))
            self.connect(node, ("s", "t"))
        self.network.run(6)

    def start(self) -> None:
        if len([node for node in self.nodes if node.is_running]) < 5:
            name = f"N{len(self.nodes)}"
            self.nodes.append(self.network.node(name, options=self.options))

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.is_running]

    def node(self, number: int) -> Node:
        return self.running[number % len(self.running)]

    def everybody(self, options: BroadcastOptions) -> set[str]:
        return {id_ for node in self.running for id_ in node.select(options)}

    def act(self, action: tuple[Any, ...]) -> None:
        """Do one thing."""
        kind, *args = action
        if kind == "wait":
            self.network.run(args[0])
        elif kind == "start":
            self.start()
        elif kind == "close":
            if len(self.running) > 1:
                self.node(args[0]).close()
        else:
            getattr(self, kind.replace(" ", "_"))(self.node(args[0]), *args[1:])

    def connect(self, node: Node, rooms: tuple[str, ...]) -> None:
        node.connect(PRIVATE.format(self.sockets), *rooms)
        self.sockets += 1

    def enter(self, node: Node, rooms: tuple[str, ...]) -> None:
        for id_ in list(node.sockets)[:1]:
            node.enter(id_, *rooms)

    def exit(self, node: Node, rooms: tuple[str, ...]) -> None:
        for id_ in list(node.sockets)[:1]:
            node.exit(id_, *rooms)

    def leave(self, node: Node) -> None:
        for id_ in list(node.sockets)[:1]:
            node.disconnect_socket(id_)

    def emit(self, node: Node, options: BroadcastOptions) -> None:
        name = f"event {self.events}"
        self.events += 1
        self.meant[name] = self.everybody(options)
        node.emit(name, options, list(options.rooms or ()), list(options.excluded))

    def emit_to_one(self, node: Node, other: int) -> None:
        sockets = self.node(other).sockets
        self.emit(node, BroadcastOptions(tuple(sockets)[:1] or ("nobody",)))

    def join_all(self, node: Node, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        node.sockets_join(options, *rooms)

    def leave_all(self, node: Node, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        node.sockets_leave(options, *rooms)

    def disconnect_all(self, node: Node, options: BroadcastOptions) -> None:
        if options.rooms is not None:  # else soon nobody would be there
            node.disconnect_sockets(options)

    def ask(self, node: Node, options: BroadcastOptions) -> None:
        meant = self.everybody(options) - set(node.select(options))
        name = f"question {len(self.questions)}"
        self.questions.append(("clients", node, node.ask_clients(options, name=name), meant))

    def fetch(self, node: Node, options: BroadcastOptions) -> None:
        meant = self.everybody(options) - set(node.select(options))
        self.questions.append(("sockets", node, node.fetch(options), meant))

    def count(self, node: Node, options: BroadcastOptions) -> None:
        meant = self.everybody(options) - set(node.select(options))
        self.questions.append(("count", node, node.count_sockets(options), meant))

    def ask_servers(self, node: Node) -> None:
        meant = {other.name for other in self.running} - {node.name}
        self.questions.append(("servers", node, node.ask_servers("hi"), meant))

    # --- faults ---

    def faults(self, node: Node, faults: Faults) -> None:
        self.network.broker.faults = faults

    def die(self, node: Node) -> None:
        if len(self.running) > 1:
            node.die()

    def stop(self, node: Node) -> None:
        """Stop a node for a while, with its timers."""
        self.stopped.add(node)
        node.is_running = False
        node.driver.pause()
        if not self.running:
            self.go_on(node)
            return
        self.network.time.later(15, lambda: self.go_on(node))

    def go_on(self, node: Node) -> None:
        node.is_running = True
        node.driver.resume()

    # --- what must hold ---

    def check_events(self) -> None:
        """No event twice, none to who is not meant."""
        for node in self.nodes:
            assert max(Counter((id_, args[0]) for id_, args in node.got).values(), default=1) == 1
            for (_, args), joined in zip(node.got, node.rooms_then, strict=True):
                if args[0] in self.meant:
                    _, rooms, excluded = args
                    assert (not rooms or joined & set(rooms)) and not joined & set(excluded)

    def received(self, name: str) -> set[str]:
        return {id_ for node in self.nodes for id_, event in node.got if event[0] == name}


def answered(kind: str, asked: Asked) -> Any:
    if kind == "clients":
        return {id_ for id_, _ in asked.answers}
    if kind == "sockets":
        return {details.id for answer in asked.answers for details in answer}
    return sum(asked.answers) if kind == "count" else set(asked.answers)


@MANY
@given(
    st.lists(actions, min_size=30, max_size=60),
    capabilities,
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 90]),
)
def test_everybody_is_reached_once_and_all_agree_about_rooms(
    script: list[tuple[Any, ...]], capabilities: Capabilities, seed: int, most_rooms: int
) -> None:
    world = World(capabilities, seed, most_rooms=most_rooms)
    world.network.broker.faults = Faults(delay=0.02)
    for action in script:
        world.act(action)
        world.network.run(0.2)
    for name, meant in world.meant.items():
        assert world.received(name) == meant
    world.check_events()
    for kind, _, asked, meant in world.questions:
        assert asked.outcome.is_complete
        assert answered(kind, asked) == (len(meant) if kind == "count" else meant)
    others = {node.name for node in world.running}
    for node in world.running:
        assert set(node.sees) == others - {node.name}


@MANY
@given(
    st.lists(actions | faults, min_size=40, max_size=80),
    capabilities,
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 90]),
)
def test_faults_make_nothing_hang_or_come_twice_and_pass(
    script: list[tuple[Any, ...]], capabilities: Capabilities, seed: int, most_rooms: int
) -> None:
    world = World(capabilities, seed, most_rooms=most_rooms)
    silent = iter([None, GONE, ("late",)] * 1000)
    for action in script:
        match action:
            case ("faults", faults):
                world.network.broker.faults = faults
            case ("partition", numbers):
                cut = {world.node(number) for number in numbers}
                rest = [node.driver for node in world.nodes if node not in cut]
                world.network.broker.partition([node.driver for node in cut], rest)
            case ("stop", number):
                world.stop(world.node(number))
            case ("die", number):
                world.die(world.node(number))
            case _:
                world.act(action)
        for node in world.running:
            node.answers = lambda socket: next(silent, None)
    world.network.broker.faults = Faults()
    world.network.broker.partition()
    world.network.run(40)
    world.check_events()
    for _, asker, asked, _ in world.questions:
        if asker.is_running:
            assert len(asked.outcomes) == 1
            assert asked.ended is not None
            assert asked.ended <= asked.deadline or asker in world.stopped
    for node in world.running:
        assert set(node.sees) == {other.name for other in world.running} - {node.name}
    check_that_all_is_well(world)


def check_that_all_is_well(world: World) -> None:
    """What everybody knows of the others' rooms is right again."""
    for number, node in enumerate(world.running):
        world.connect(node, ())
        for room in ROOMS:
            world.emit(node, BroadcastOptions((room,)))
            name = f"event {world.events - 1}"
            world.network.run(0.1)
            assert world.received(name) == world.meant[name]
        node.answers = lambda socket: (socket,)
        world.act(("ask servers", number))
        world.network.run(0.1)
        _, _, asked, meant = world.questions[-1]
        assert (asked.outcome.is_complete, set(asked.answers)) == (True, meant)
