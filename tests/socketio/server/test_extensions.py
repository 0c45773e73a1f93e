"""Packages above the server, reached by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from sockwave.socketio.server import extensions
from sockwave.socketio.server.extensions import Extension, reach, register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Extension]:
    """What is registered, for one test."""
    table: dict[str, Extension] = {}
    monkeypatch.setattr(extensions, "_extensions", table)
    return table


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that nobody has imported yet."""
    name = "package_above_the_server"
    (tmp_path / f"{name}.py").write_text("def greet(server, word):\n    return server, word\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_package_is_imported_when_it_is_asked_for(package: str) -> None:
    register("greeting", Extension(package, "greet"))
    assert package not in sys.modules
    io = Server()
    assert reach("greeting")(io, "hello") == (io, "hello")
    assert package in sys.modules


def test_unknown_name_is_a_fault_of_ours() -> None:
    with pytest.raises(LookupError, match="no extension 'admin'"):
        reach("admin")


def test_name_is_given_once_but_may_be_given_again(package: str) -> None:
    register("greeting", Extension(package, "greet"))
    register("greeting", Extension(package, "greet"))
    with pytest.raises(ValueError, match="'greeting' already"):
        register("greeting", Extension(package, "wave"))


def test_missing_part_is_named_with_its_extra(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text("import a_library_that_is_not_there\n")
    register("greeting", Extension(package, "greet", extra="greetings"))
    with pytest.raises(ImportError, match=r'not_there: pip install "sockwave\[greetings\]"'):
        reach("greeting")


def test_missing_module_without_an_extra_is_told_as_it_is() -> None:
    register("greeting", Extension("a_package_that_is_not_there", "greet"))
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        reach("greeting")
