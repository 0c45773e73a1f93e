"""The demo chat's memory: its bounds, and what it says when one is passed."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.cli.demo.chat import (
    AWAY,
    DEFAULT_ROOMS,
    MAX_HISTORY,
    MAX_LOST,
    MAX_PICTURE,
    MAX_PICTURES_KEPT,
    MAX_ROOMS,
    Chat,
    Person,
    Refused,
    clean_name,
    clean_page,
    clean_text,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("given", "name"),
    [("Ada", "Ada"), ("  Ada \n Lovelace ", "Ada Lovelace"), ("x" * 24, "x" * 24)],
)
def test_name_is_tidied(given: str, name: str) -> None:
    assert clean_name(given) == name


@pytest.mark.parametrize("given", ["", "   ", "x" * 25, None, 7, ["Ada"], "A\u202eda", "A\x00da"])
def test_bad_name_is_refused(given: Any) -> None:
    with pytest.raises(Refused, match="A name "):
        clean_name(given)


@pytest.mark.parametrize("given", ["", " \n", "x" * 2001])
def test_bad_text_is_refused(given: str) -> None:
    with pytest.raises(Refused, match="1 to 2,000 characters"):
        clean_text(given)


def test_history_keeps_the_latest_hundred() -> None:
    chat = Chat()
    lobby = chat.room("lobby")
    for number in range(MAX_HISTORY + 1):
        chat.say(lobby, "Ada", str(number))
    assert [message.text for message in lobby.history][::99] == ["1", "100"]


def test_room_is_found_whatever_its_case() -> None:
    chat = Chat()
    assert chat.create_room(" Straße ") is chat.room("STRASSE")


def test_same_room_twice_is_refused_with_its_name() -> None:
    with pytest.raises(Refused, match="already a room called Lobby"):
        Chat().create_room("LOBBY")


def test_unknown_room_is_refused() -> None:
    with pytest.raises(Refused, match="does not exist"):
        Chat().room("Nowhere")


def full_house() -> Chat:
    chat = Chat()
    for number in range(MAX_ROOMS - len(DEFAULT_ROOMS)):
        chat.create_room(f"Room {number}").people["id"] = "Ada"
    return chat


def test_rooms_are_bounded() -> None:
    with pytest.raises(Refused, match="already 50 rooms"):
        full_house().create_room("One more")


def test_empty_room_gives_way_and_permanent_ones_stay() -> None:
    chat = full_house()
    chat.room("Room 3").people.clear()
    chat.create_room("One more")
    names = [room.name for room in chat.summary()]
    assert len(names) == MAX_ROOMS
    assert "Room 3" not in names
    assert names[: len(DEFAULT_ROOMS)] == list(DEFAULT_ROOMS)


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_picture_type_comes_from_its_content(data: bytes, type_: str) -> None:
    chat = Chat()
    message, picture = chat.show(chat.room("Lobby"), "Ada", data)
    assert (picture.type, message.picture) == (type_, picture.id)
    assert chat.picture(picture.id) is picture


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PNG + bytes(MAX_PICTURE), "has 801 kB; the limit is 800 kB"),
        (b"<svg onload=alert(1)>", "Only PNG"),
        (b"", "Only PNG"),
    ],
)
def test_bad_picture_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    chat = Chat()
    with pytest.raises(Refused, match=reason):
        chat.show(chat.room("Lobby"), "Ada", data)
    assert not chat.room("Lobby").history


def test_old_pictures_are_forgotten() -> None:
    chat = Chat()
    lobby = chat.room("Lobby")
    shown = [chat.show(lobby, "Ada", PNG)[1].id for _ in range(MAX_PICTURES_KEPT + 1)]
    with pytest.raises(Refused, match="not kept any more"):
        chat.picture(shown[0])
    assert chat.picture(shown[1]).data == PNG


def test_people_are_listed_by_name() -> None:
    room = Chat().room("Lobby")
    room.people.update(one="grace", two="Ada")
    assert room.roll_call() == [Person("two", "Ada", False), Person("one", "grace", False)]


def test_who_was_lost_is_listed_until_the_time_is_over() -> None:
    room = Chat().room("Lobby")
    room.people.update(one="Grace", two="Ada")
    room.lose("one", "page", now=100.0)
    assert room.roll_call() == [Person("two", "Ada", False), Person("one", "Grace", True)]
    assert not room.forget(100.0 + AWAY - 0.1)
    assert room.forget(100.0 + AWAY)
    assert room.roll_call() == [Person("two", "Ada", False)]


def test_those_who_may_come_back_are_bounded() -> None:
    room = Chat().room("Lobby")
    for number in range(MAX_LOST + 1):
        room.people[str(number)] = "Ada"
        room.lose(str(number), f"page {number}", now=0.0)
    assert len(room.lost) == MAX_LOST
    assert "page 0" not in room.lost


def test_room_of_somebody_who_may_come_back_does_not_give_way() -> None:
    chat = full_house()
    room = chat.room("Room 3")
    room.lose("id", "page", now=0.0)
    with pytest.raises(Refused, match="already 50 rooms"):
        chat.create_room("One more")
    assert chat.returned("page") == [room]
    assert chat.returned("page") == []
    chat.create_room("One more")


@pytest.mark.parametrize(
    ("given", "page"),
    [("a1b2", "a1b2"), ("x" * 64, "x" * 64), ("x" * 65, None), ("", None), (7, None), (None, None)],
)
def test_page_has_a_short_name_or_none(given: Any, page: str | None) -> None:
    assert clean_page(given) == page
