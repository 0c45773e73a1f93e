"""The module of Python that is written of a contract: its types hold, and it talks to a server."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import sockwave
from sockwave import EventError, Server, Socket
from sockwave.contract import describe
from sockwave.contract.description import Argument, Contract, EventContract, NamespaceContract
from sockwave.contract.python import to_python
from sockwave.errors import raise_failure
from tests.contract import shop
from tests.support import peers
from tests.support.contracts import EVERYTHING, of_model
from tests.support.pyright import pyright, said

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

TYPES: list[tuple[Any, str]] = [
    ({}, "Any"),
    ({"type": "integer"}, "int"),
    ({"type": ["null", "string"]}, "str | None"),
    ({"anyOf": [{"type": "string"}, {}]}, "Any"),
    ({"enum": ["a | b", 1, None, True]}, 'Literal["a | b", 1, True] | None'),
    ({"const": 1.5}, "float"),
    ({"type": "array", "items": {"type": ["integer", "null"]}}, "list[int | None]"),
    ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}]}, "list[Any]"),
    (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False},
        "list[str | None]",
    ),
    ({"type": "object", "additionalProperties": {"type": "number"}}, "dict[str, float]"),
    ({"type": "object"}, "dict[str, Any]"),
    ({"type": "string", "format": "binary"}, "bytes"),
    ({"allOf": [{"type": "string"}]}, "Any"),
    ({"$ref": "#/models/nobody"}, "Any"),
]

TEXT: dict[str, Any] = {"type": "string"}

LONELY = Contract(
    "Lonely",
    "1",
    namespaces=tuple(
        NamespaceContract(
            name,
            incoming=(EventContract("a", (Argument("x", TEXT),), rest=rest, answer=answer),),
            outgoing=(EventContract("b", (Argument("x", TEXT),), rest=rest, answer=answer),),
        )
        for name, answer, rest in (
            ("/", (TEXT,), None),
            ("/unsaid", None, TEXT),
            ("/none", (), None),
            ("/two", (TEXT, TEXT), None),
        )
    ),
)
"""Namespaces with one event, which need no overloads."""

USE = """
from typing import assert_type
from client import Client, Emits, Order, OrgOrgIdClient, Photo, Placed, Tree
from sockwave import ClientSocket, Server

order: Order = {"item": "tea", "my-note": None, "color": "red"}
tree: Tree = [1, [2, [3]]]

async def right(socket: ClientSocket, io: Server) -> None:
    client = Client(socket)
    assert_type(await client.emit_with_ack("place", order, timeout=5.0), Placed)
    assert_type(await client.emit_with_ack("note", order), int)
    assert_type(await client.emit_with_ack("note", order, None), int)
    assert_type(await client.emit_with_ack("two"), tuple[int, str])
    assert_type(await client.emit_with_ack("sum", 1, 2, 3), float)
    assert_type(await client.emit_with_ack("upload", {"data": b"x"}), Photo)
    client.emit("typing", True)

    @client.on("picture")
    async def picture(photo: Photo) -> int:
        return len(photo["data"])

    @client.on("ask")
    async def ask(question: str) -> bool:
        return not question

    @client.once("ask")
    def ask_once(question: str) -> bool:
        return not question

    @client.on("message")
    def message(text: str, by: str = "nobody") -> None: ...

    async for (photo,) in client.events("picture"):
        assert_type(photo, Photo)
    Emits(io).emit("picture", {"data": b"x"})
    Emits(io.to("lobby")).emit("message", "text", "me")
    OrgOrgIdClient(socket).emit("go")

async def wrong(client: Client, io: Server) -> None:
    client.emit("plaice", order)  # type: ignore[call-overload]
    client.emit("place", {"item": 5})  # type: ignore[call-overload]
    client.emit("place")  # type: ignore[call-overload]
    client.emit("typing", "yes")  # type: ignore[call-overload]
    answer: int = await client.emit_with_ack("place", order)  # type: ignore[assignment]
    await client.emit_with_ack("sum", 1, "2")  # type: ignore[call-overload]
    Emits(io).emit("picture", {"data": "x"})  # type: ignore[call-overload]

    @client.on("picture")  # type: ignore[arg-type]
    def picture(photo: int) -> None: ...

    @client.on("ask")  # type: ignore[arg-type]
    def ask(question: str) -> str:
        return question

    @client.on("massage")  # type: ignore[call-overload, untyped-decorator]
    def massage() -> None: ...
"""


def imported(text: str, folder: Path) -> ModuleType:
    file = folder / "written_client.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("written_client", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("schema", "type_"), TYPES)
def test_annotation_of_a_schema(schema: Any, type_: str) -> None:
    assert f"M: TypeAlias = {type_}\n" in to_python(of_model(schema))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with modules that were written, and one that uses them."""
    (tmp_path / "client.py").write_text(to_python(EVERYTHING))
    (tmp_path / "use.py").write_text(USE)
    contract = describe(shop.make_server(), title="Shop", version="1.2.0")
    (tmp_path / "shop.py").write_text(to_python(contract))
    (tmp_path / "lonely.py").write_text(to_python(LONELY))
    return tmp_path


@pytest.mark.once
def test_types_hold_under_mypy(written: Path) -> None:
    peers.package("mypy")
    files = sorted(written.glob("*.py"))
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", *files],
        cwd=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no issues found" in run.stdout, run.stdout + run.stderr


@pytest.mark.once
@pytest.mark.interop
def test_types_hold_under_pyright(written: Path) -> None:
    rules = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}
    (written / "pyrightconfig.json").write_text(json.dumps(rules))
    report = pyright("-p", written)
    assert report["summary"]["filesAnalyzed"] == 4
    assert said(report) == []


@pytest.mark.once
@pytest.mark.parametrize("contract", [EVERYTHING, LONELY])
def test_formatter_and_linter_have_nothing_to_change(contract: Contract, tmp_path: Path) -> None:
    peers.package("ruff")
    file = tmp_path / "client.py"
    file.write_text(to_python(contract))
    for command in (["format", "--diff"], ["check", "--select", "E,F,I"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "100", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout


def test_names_that_the_language_has_are_given_others(tmp_path: Path) -> None:
    awkward = ("class", "str", "Client", "Page[int]", "PageInt", "Any", "R")
    contract = Contract(
        title='"""',
        version="\\",
        models={name: {"type": "object", "properties": {"a": {}, "class": {}}} for name in awkward},
        namespaces=(
            NamespaceContract(
                "/",
                incoming=(
                    EventContract(
                        'say "x"\n',
                        tuple(Argument(each, {}) for each in ("self", "a", "a", "class", "1", "é")),
                        description='Ends in "quotes"',
                    ),
                ),
                outgoing=(EventContract("none", answer=()),),
            ),
        ),
    )
    module = imported(to_python(contract), tmp_path)
    assert module.__doc__ and module.__doc__.startswith('""" \\:')
    assert {"Client", "Client2", "PageInt", "PageInt2", "Any2", "str2"} <= vars(module).keys()


async def test_client_talks_to_a_server(tmp_path: Path) -> None:
    module = imported(to_python(EVERYTHING), tmp_path)
    io = Server()

    @io.event
    async def place(socket: Socket, order: dict[str, Any]) -> dict[str, str]:
        if order["item"] != "tea":
            raise EventError("sold_out", "no more of it", {"item": order["item"]})
        module.Emits(socket).emit("picture", {"data": b"cup"})
        return {"id": "1", "total": "2.50"}

    @io.event
    def sum(socket: Socket, first: float, *rest: float) -> float:
        return first + float(len(rest))

    async with (
        io.listen("127.0.0.1", 0) as listener,
        sockwave.connect(f"http://127.0.0.1:{listener.port}") as socket,
    ):
        client = module.Client(socket)
        pictures = client.events("picture")
        assert await client.emit_with_ack("place", {"item": "tea"}) == {"id": "1", "total": "2.50"}
        assert await anext(pictures) == ({"data": b"cup"},)
        assert await client.emit_with_ack("sum", 1.0, 2.0, 3.0, timeout=5.0) == 3.0
        with pytest.raises(EventError, match="sold_out: no more of it") as refused:
            await client.emit_with_ack("place", {"item": "soap"})
        assert refused.value.data == {"item": "soap"}
        with pytest.raises(EventError) as invalid:
            await client.emit_with_ack("place", 5)
        assert invalid.value.code == "validation"
        assert invalid.value.data["path"] == "$"


@pytest.mark.parametrize("answer", [None, 1, "error", {"error": 5}, {}, [{"error": "x"}]])
def test_an_answer_that_is_no_failure_is_given_back(answer: Any) -> None:
    assert raise_failure(answer) is answer


def test_a_failure_is_raised_with_all_that_it_says() -> None:
    with pytest.raises(EventError) as failed:
        raise_failure({"error": "validation", "event": "e", "path": "$.a", "reason": "no `int`"})
    assert failed.value.message == "no `int` at $.a"
    assert failed.value.data == {"event": "e", "path": "$.a", "reason": "no `int`"}
    with pytest.raises(EventError) as plain:
        raise_failure({"error": "gone", "message": "", "data": 0})
    assert (plain.value.code, plain.value.message, plain.value.data) == ("gone", "", 0)
