"""`sockwave contract`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from sockwave.cli import main
from sockwave.cli.contract import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

PROGRAM = """
from sockwave import Server, Socket

print("Hello.")
io = Server()
nothing = None

@io.event
def rename(socket: Socket, name: str, {more}) -> bool:
    return True

def make() -> Server:
    return io

def fail() -> Server:
    raise OSError("no database")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the program is; the path of modules is the old one afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(tmp_path)
    yield tmp_path
    sys.modules.pop("shop_program", None)


def write(folder: Path, more: str = "") -> None:
    """The program, perhaps with one more argument."""
    (folder / "shop_program.py").write_text(PROGRAM.replace("{more}", more), encoding="utf-8")
    sys.modules.pop("shop_program", None)


def contract(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["contract", *arguments])


def test_json_is_printed_without_what_the_program_prints() -> None:
    result = contract("json", "shop_program:io", "--title", "Shop", "--version", "1.2.0")

    assert (result.exit_code, result.stderr) == (0, "Hello.\n")
    document: Any = json.loads(result.stdout)
    assert (document["title"], document["version"]) == ("Shop", "1.2.0")
    assert list(document["namespaces"]["/"]["incoming"]) == ["rename"]


def test_function_that_makes_a_server_will_do() -> None:
    made, plain = contract("json", "shop_program:make"), contract("json", "shop_program:io")

    assert made.stdout == plain.stdout


def test_asyncapi_is_written(folder: Path) -> None:
    result = contract("asyncapi", "shop_program:io", "--output", "asyncapi.json")

    assert (result.exit_code, result.stdout) == (0, "")
    document = json.loads((folder / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert list(document["operations"]) == ["main.receive_rename", "main.send_error"]


@pytest.mark.parametrize("name", FORMATS)
def test_file_is_checked_and_not_written(name: str, folder: Path) -> None:
    written = ["--output", "it"]
    assert contract(name, "shop_program:io", *written).exit_code == 0
    before = (folder / "it").read_bytes()

    assert contract(name, "shop_program:io", *written, "--check").exit_code == 0
    write(folder, "more: int")
    result = contract(name, "shop_program:io", *written, "--check")

    assert result.exit_code == 1
    assert "Error: it is out of date: line " in result.stderr
    assert (folder / "it").read_bytes() == before


def test_check_needs_a_file() -> None:
    result = contract("json", "shop_program:io", "--check")

    assert (result.exit_code, "--check goes with --output" in result.stderr) == (2, True)


def test_breaking_change_is_told_and_ends_with_1(folder: Path) -> None:
    contract("json", "shop_program:io", "--output", "old.json")
    write(folder, "more: int")
    result = contract("check", "old.json", "shop_program:io")

    assert result.exit_code == 1
    assert result.stdout == (
        "breaking: / rename argument 2 (more): it is new and may not be left out\n"
    )
    assert "Error: 1 change breaks clients of old.json\n" in result.stderr


def test_compatible_change_is_told_and_ends_with_0(folder: Path) -> None:
    contract("json", "shop_program:io", "--output", "old.json")
    same = contract("check", "old.json", "shop_program:io")
    write(folder, "more: int = 1")
    result = contract("check", "old.json", "shop_program:io")

    assert (same.exit_code, same.stdout) == (0, "Nothing has changed for clients.\n")
    assert result.exit_code == 0
    assert result.stdout == "compatible: / rename argument 2 (more): it is new\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["json", "shop_program:nothing"], "is neither a sockwave.Server nor"),
        (["json", "shop_program:fail"], "shop_program:fail() failed: OSError: no database"),
        (["json", "shop_program:none"], "has no 'none'"),
        (["json", "shop_program:io", "--output", "no/where"], "cannot be written"),
        (["json", "shop_program:io", "--output", "none", "--check"], "none cannot be read"),
        (["check", "none.json", "shop_program:io"], "none.json cannot be read"),
        (["check", "shop_program.py", "shop_program:io"], "shop_program.py: Expecting value"),
        (["check", "empty.json", "shop_program:io"], "empty.json: this is no contract"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], says: str, folder: Path) -> None:
    (folder / "empty.json").write_text("{}", encoding="utf-8")
    result = contract(*arguments)

    assert result.exit_code == 1
    assert says in result.stderr.splitlines()[-1]
