"""The picture of the rooms shows the imports, and nothing else."""

from __future__ import annotations

from scripts.draw_rooms import DRAWING, Room, arrows, draw, floors, homeless
from scripts.imports import imports

A, B, C = (Room(name, "", (name,), 0, 0, 0) for name in "abc")


def test_picture_is_up_to_date() -> None:
    assert DRAWING.read_text() == draw(), "run: make docs"


def test_every_folder_has_a_room() -> None:
    assert homeless(imports()) == []


def test_folder_without_a_room_is_found() -> None:
    assert homeless({"sockwave.attic.cat": set(), "sockwave.cellar": set()}) == [
        "sockwave.attic",
        "sockwave.cellar",
    ]


def test_no_arrow_points_up() -> None:
    graph = imports()
    for rooms in floors():
        for start, ends in arrows(rooms, graph).items():
            assert all(start.y <= end.y for end in ends), start.name


def test_arrow_beside_a_longer_way_is_left_out() -> None:
    graph = {"sockwave.a.x": {"sockwave.b", "sockwave.c"}, "sockwave.b": {"sockwave.c"}}
    assert arrows((A, B, C), graph) == {A: {B}, B: {C}, C: set()}


def test_rooms_that_import_each_other_show_all_their_arrows() -> None:
    graph = {
        "sockwave.a": {"sockwave.b", "sockwave.c"},
        "sockwave.b": {"sockwave.a", "sockwave.c"},
    }
    assert arrows((A, B, C), graph) == {A: {B, C}, B: {A, C}, C: set()}
