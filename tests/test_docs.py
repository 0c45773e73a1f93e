"""Code in the documentation is the code of the examples."""

from __future__ import annotations

import ast
import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

import sockwave.sync
from sockwave import ClientSocket, Manager, Namespace, Server, Socket
from sockwave.socketio.server.keywords import ServerOptionsDict
from sockwave.testing import LinkedClient
from tests.support.documents import blocks

ROOT: Final = Path(__file__).resolve().parent.parent
EXAMPLES: Final = ROOT / "examples"


def body(file: Path) -> str:
    """Source below the docstring of the module."""
    source = file.read_text()
    docstring = ast.parse(source).body[0]
    assert isinstance(docstring, ast.Expr)
    return "".join(source.splitlines(keepends=True)[docstring.end_lineno :])


def squeezed(text: str) -> str:
    """Without blank lines, which a page has where it pleases."""
    return re.sub(r"\n\n+", "\n", text).strip()


def test_tutorial_makes_the_chat_server() -> None:
    code = [*blocks("tutorial.md", "python"), *blocks("tutorial.md", "python last")]
    assert squeezed("\n".join(code)) == squeezed(body(EXAMPLES / "chat.py"))


def test_tutorial_makes_the_chat_page() -> None:
    code = "\n".join(blocks("tutorial.md", "html"))
    assert squeezed(code) == squeezed((EXAMPLES / "chat.html").read_text())


def test_testing_page_shows_the_tests_of_the_chat() -> None:
    (code,) = blocks("testing.md", "python")
    assert squeezed(code) == squeezed(body(EXAMPLES / "test_chat.py"))


def test_page_of_emitters_shows_the_job_that_asks() -> None:
    code = blocks("emitters.md", "python")
    assert squeezed(body(EXAMPLES / "asking.py")) in map(squeezed, code)


def test_index_of_frameworks_names_every_example() -> None:
    page = (ROOT / "docs" / "frameworks.md").read_text()
    for file in EXAMPLES.glob("with_*.py"):
        assert f"(../examples/{file.name})" in page


@pytest.mark.parametrize("page", sorted(page.name for page in (ROOT / "docs").glob("*.md")))
def test_programs_of_a_page_can_be_imported(page: str) -> None:
    """What runs until it is stopped stands behind a guard."""
    for block in blocks(page, "python"):
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        module = compile(textwrap.dedent(block), page, "exec", flags=flags)
        for statement in module.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                assert not ast.unparse(statement).partition("(")[0].endswith(".run"), block


def test_client_page_begins_with_a_whole_program() -> None:
    compile(blocks("client.md", "python")[0], "client.md", "exec")  # without `await` at its top


OWNERS: Final = {
    "io": Server,
    "chat": Namespace,
    "socket": Socket,
    "client": ClientSocket,
    "manager": Manager,
    "sockwave": sockwave,
}


@pytest.mark.parametrize("page", ["migrating-from-node.md", "migrating-from-python-socketio.md"])
def test_tables_of_equivalents_name_what_there_is(page: str) -> None:
    rows = re.findall(r"^\| .*? \| (.*) \|$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    spans = [span for row in rows for span in re.findall(r"`([^`/]+)`", row)]
    assert len(spans) > 50
    for span in spans:
        for owner, name in re.findall(r"\b(io|chat|socket|client|manager|sockwave)\.(\w+)", span):
            assert hasattr(OWNERS[owner], name), span
        for option in re.findall(r"\bServer\((\w+)=", span):
            assert option in ServerOptionsDict.__annotations__, span
        for name in re.findall(r"\b([A-Z]\w+)\(", span):
            assert name in sockwave.__all__, span


def test_moved_handler_does_what_it_did() -> None:
    found = blocks("migrating-from-python-socketio.md", "python")
    (code,) = (block for block in found if "renamed" in block and "io = Server(" in block)
    names: dict[str, Any] = {}
    exec(compile(code, "migrating", "exec"), names)

    async def scenario() -> None:
        async with LinkedClient(names["io"]) as ada, LinkedClient(names["io"]) as grace:
            assert await ada.emit_with_ack("rename", "Ada") is True
            assert await grace.received() == ("renamed", [ada.sid, "Ada"])

    asyncio.run(scenario())


def test_testing_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    client = LinkedClient(Server())
    names = re.findall(r"\bclient\.(\w+)", page)
    assert len(names) > 10
    for name in names:
        assert hasattr(client, name)
