"""Payloads that are made to be expensive, or to be told wrong."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave import InvalidEvent, Server, Socket
from sockwave.contract.checks import make_check
from sockwave.testing import LinkedClient


class Node(msgspec.Struct):
    value: int
    children: list["Node"] = []
    next: "Node | None" = None


class Left(msgspec.Struct, tag="left"):
    inner: "Left | Right | None" = None


class Right(msgspec.Struct, tag="right"):
    inner: "Left | Right | None" = None


NODES = st.recursive(
    st.fixed_dictionaries({"value": st.integers(-(2**63), 2**63)}),
    lambda inner: st.fixed_dictionaries(
        {"value": st.integers()}, optional={"children": st.lists(inner, max_size=4), "next": inner}
    ),
    max_leaves=30,
)


def places(node: dict[str, Any], path: str = "$") -> list[tuple[str, dict[str, Any]]]:
    """All nodes of a tree, with their paths."""
    found = [(path, node)]
    for at, child in enumerate(node.get("children", ())):
        found += places(child, f"{path}.children[{at}]")
    if "next" in node:
        found += places(node["next"], f"{path}.next")
    return found


check: Any = make_check(Node, strict=True)


@given(NODES)
def test_what_the_type_admits_passes(tree: dict[str, Any]) -> None:
    assert check(tree).value == tree["value"]


@given(NODES, st.data(), st.one_of(st.text(), st.none(), st.booleans(), st.just([])))
def test_one_wrong_leaf_is_found_where_it_is(
    tree: dict[str, Any], data: st.DataObject, wrong: object
) -> None:
    path, node = data.draw(st.sampled_from(places(tree)))
    node["value"] = wrong
    with pytest.raises(InvalidEvent) as refused:
        check(tree)
    assert refused.value.path == f"{path}.value"
    assert refused.value.reason.startswith("Expected `int`, got `")


@given(st.text())
def test_text_of_the_client_does_not_pass_for_a_path(text: str) -> None:
    forged = f"{text} - at `$[0].forged`"
    for kind in (Left | Right, dict[str, Left | Right]):
        value = {"type": forged}
        of_kind: Any = make_check(kind, strict=True)
        with pytest.raises(InvalidEvent) as refused:
            of_kind(value if kind == Left | Right else {forged: value})
        assert refused.value.path in ("$.type", "$[...].type")
        assert len(refused.value.reason) < 250


async def test_hostile_payloads_are_refused_with_a_short_answer() -> None:
    io = Server()
    calls: list[object] = []

    @io.event
    def tree(socket: Socket, node: Node) -> None:
        calls.append(node)

    @io.event
    def numbers(socket: Socket, *numbers: int) -> None:
        calls.append(numbers)

    @io.event
    def either(socket: Socket, value: Left | Right) -> None:
        calls.append(value)

    deep: dict[str, Any] = {"value": "x"}
    tagged: dict[str, Any] = {"type": "neither"}
    for _ in range(100):
        deep = {"value": 1, "next": deep}
        tagged = {"type": "left", "inner": tagged}
    async with LinkedClient(io) as client:
        payloads: list[tuple[str, list[Any], str]] = [
            ("tree", [deep], f"${'.next' * 100}.value"),
            ("tree", [{f"{number}": 1 for number in range(100_000)}], "$"),
            (
                "tree",
                [{"value": 1, "children": [{"value": 1}] * 20_000 + [1]}],
                "$.children[20000]",
            ),
            ("tree", [{"value": 1e308}], "$.value"),
            ("tree", ["9" * 500_000], "$"),
            ("numbers", [*[1] * 100_000, "x"], "$[100000]"),
            ("either", [tagged], f"${'.inner' * 100}.type"),
            ("either", [{"type": "x" * 500_000}], "$.type"),
        ]
        for event, args, path in payloads:
            answer = await client.emit_with_ack(event, *args)
            assert answer["path"] == path
            assert len(answer["reason"]) < 250
    assert not calls
