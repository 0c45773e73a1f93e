"""The page about the architecture names what there is."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest

from scripts.draw_rooms import floors
from scripts.imports import SOURCE, imports
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.core.options import EngineOptions
from sockwave.socketio.client.options import ManagerOptions, SocketOptions
from sockwave.socketio.server.options import ServerOptions

if TYPE_CHECKING:
    from types import ModuleType

ROOT: Final = SOURCE.parent
PAGE: Final = (ROOT / "docs/architecture.md").read_text()
PATH: Final = re.compile(r"`([\w./]+(?:/|\.py|\.toml))`")
SPANS: Final = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
PATHS: Final = sorted(set(PATH.findall(PAGE)))
NAMES: Final = [
    span for span in SPANS if re.fullmatch(r"\w+(\.\w+)+|[A-Z]\w*", span) and span not in PATHS
]


@cache
def modules() -> dict[str, ModuleType]:
    names = [name for name in imports() if "-" not in name and not name.endswith("__main__")]
    return {name: importlib.import_module(name) for name in names}


def has(thing: Any, name: str) -> bool:
    """Whether it has an attribute; of a class also one that its instances get."""
    if hasattr(thing, name):
        return True
    kinds = inspect.getmro(thing) if inspect.isclass(thing) else ()
    ours = [kind for kind in kinds if kind.__module__.startswith("sockwave")]
    return any(
        name in inspect.get_annotations(kind) or f"self.{name}" in inspect.getsource(kind)
        for kind in ours
    )


def leads_somewhere(name: str) -> bool:
    """`Class`, `Class.attribute`, or either behind the end of the name of their module."""
    first, *rest = name.split(".")
    for module_name, module in modules().items():
        thing = vars(module).get(first)
        if getattr(thing, "__module__", None) == module_name and (not rest or has(thing, rest[0])):
            return True
        if rest and module_name.endswith(f".{first}") and leads_into(module, rest):
            return True
    return False


def leads_into(module: ModuleType, names: list[str]) -> bool:
    thing = vars(module).get(names[0])
    return thing is not None and (len(names) == 1 or has(thing, names[1]))


@pytest.mark.parametrize("name", NAMES)
def test_page_names_what_exists(name: str) -> None:
    assert leads_somewhere(name)


def test_page_names_options_that_exist() -> None:
    server, client = (ServerOptions, EngineOptions), (SocketOptions, ManagerOptions)
    kinds = (*server, *client, ClientEngineOptions)
    options = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert {span for span in SPANS if re.fullmatch(r"[a-z]+(_[a-z]+)+", span)} <= options


@pytest.mark.parametrize("path", PATHS)
def test_page_names_files_that_exist(path: str) -> None:
    assert (SOURCE / "sockwave" / path).exists() or (ROOT / path).exists()


def test_decisions_name_files_that_exist() -> None:
    for record in (ROOT / "docs/adr").glob("*.md"):
        for path in PATH.findall(record.read_text()):
            places = (ROOT / path, SOURCE / "sockwave" / path)
            assert any(place.exists() for place in places), (record.name, path)


def test_page_names_every_room_with_a_sentence() -> None:
    rows = "\n".join(re.findall(r"^\| .+?(?= \|)", PAGE, re.MULTILINE))
    for rooms in floors():
        for room in rooms:
            if room.name.endswith("/"):
                assert room.name in rows
