"""Nothing in the README promises what nothing holds.

`readme_claims.toml`, beside this file, says what that is for each row, item and sentence. Who adds
or changes one says there what holds it, or finds here that nothing does.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from scripts import browsers, node
from scripts.site.staging import ROOT
from sockwave.testing import LinkedClient
from tests.test_conformance import rows
from tests.test_index import beside_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

README: Final = (ROOT / "README.md").read_text()
CLAIMS: Final[dict[str, dict[str, list[str]]]] = tomllib.loads(
    Path(__file__).with_name("readme_claims.toml").read_text()
)
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
MEASURED: Final[dict[str, dict[str, float]]] = json.loads(
    (ROOT / "docs" / "benchmark.json").read_text()
)

JOINING: Final = frozenset("a and by how in is it of on or the then to what with now come".split())
"""Words that promise nothing, between the phrases of a claim."""

COLLECTED: Final = (
    *PROJECT["tool"]["pytest"]["ini_options"]["testpaths"],  # by `make test`, `test-slow`, ...
    "interop",  # by `make interop` and `make test-live`
)
EMPTY_CELLS: Final = re.compile(r"\|[\s|-]*\|")


# --- What the README says -----------------------------------------------------------------------


def plain(text: str) -> str:
    """A text as it is read: without marks, and without where its links lead."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"\*\*|`", "", text).split())


def sentences(text: str) -> Iterator[str]:
    """Sentences of a paragraph; a picture is one."""
    yield from re.split(r"(?<=\.) (?=[A-Z`])", text)


def statements(page: str) -> Iterator[str]:
    """Rows of tables, items and sentences, without headings and programs."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for block in re.split(r"\n\s*\n", page):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        if lines[0].startswith("|"):
            rows = (line for line in lines[2:] if not EMPTY_CELLS.fullmatch(line))
            yield from (plain(row.strip("| ")) for row in rows)
            continue
        for paragraph in re.split(r"(?m)^- ", "\n".join(lines)):
            yield from (plain(each) for each in sentences(" ".join(paragraph.split())) if each)


STATEMENTS: Final = list(statements(README))


# --- What is measured or written elsewhere --------------------------------------------------------


def multiple_of_node(work: str) -> str:
    """Of Node's work per second, from what was measured."""
    return f"{MEASURED[work]['ours'] / MEASURED[work]['node']:.1f}"


def frameworks() -> str:
    """How many have an example that runs as a test."""
    hosts = {"uvicorn_workers"}  # no framework
    names = {file.stem.removeprefix("with_") for file in (ROOT / "examples").glob("with_*.py")}
    words = "five six seven eight nine ten eleven twelve".split()
    return f"examples for {words[len(names - hosts) - 5]} frameworks"


def python() -> str:
    """The oldest that the package takes."""
    return str(PROJECT["project"]["requires-python"]).removeprefix(">=")


def extra_of_the_client() -> str:
    """How the client's dependencies are asked for."""
    assert "client" in PROJECT["project"]["optional-dependencies"]
    return 'pip install "sockwave[client]"'


def packages_of_browsers() -> str:
    """What `make peers` installs."""
    packages = (*browsers.CHROMIUM_PACKAGES, *browsers.FIREFOX_PACKAGES)
    return f"apt install {' '.join(packages)}"


def fast() -> str:
    """More work than Node's server does, at everything."""
    work = {name: of for name, of in MEASURED.items() if name != "memory"}
    assert all(of["ours"] > of["node"] for of in work.values())
    return "This one is fast"


FIGURES: Final[dict[str, Callable[[], str]]] = {
    "beside Node": lambda: f"{multiple_of_node('echo')} to {multiple_of_node('pipe')} times",
    "memory": lambda: f"{MEASURED['memory']['ours']:.0f} kB",
    "memory of Node": lambda: f"{MEASURED['memory']['node']:.0f}",
    "rows": lambda: f"{len(rows()) // 100 * 100}+ rows",
    "fast": fast,
    "Python": lambda: f"Python {python()} or newer",
    "Python+": lambda: f"Python {python()}+ with venv, make",
    "Node.js": lambda: (
        f"Tests against the JavaScript implementation use Node.js {node.MIN_MAJOR} or newer"
    ),
    "packages of browsers": packages_of_browsers,
    "frameworks": frameworks,
    "extra of the client": extra_of_the_client,
    "licence": lambda: f"Licence: {PROJECT['project']['license']}",
}
"""By the name in the claims: what the phrase has to be."""


# --- What is to hold it ---------------------------------------------------------------------------


@cache
def names_in(path: str) -> frozenset[str]:
    """Names that pytest collects in a file: functions, classes, and methods of these."""
    file = ROOT / path
    if not (file.is_file() and file.name.startswith("test_") and path.startswith(COLLECTED)):
        return frozenset()
    tree = ast.parse(file.read_text()).body
    classes = [each for each in tree if isinstance(each, ast.ClassDef)]
    functions = [*tree, *(each for one in classes for each in one.body)]
    names = [
        *(each.name for each in classes if each.name.startswith("Test")),
        *(
            each.name
            for each in functions
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            and each.name.startswith("test_")
        ),
    ]
    return frozenset(names)


@cache
def targets() -> frozenset[str]:
    """Of the Makefile."""
    found = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return frozenset(found) | {"help"}


def fault_of(phrase: str, evidence: str) -> str | None:
    """Why this does not hold the phrase, if it does not."""
    kind, _, name = evidence.partition(" ")
    if kind == "make":
        return None if name in targets() else f"there is no {evidence}"
    if kind == "figure:":
        figure = FIGURES[name]() if name in FIGURES else None
        return None if figure == phrase else f"{phrase!r} is to be {figure!r}"
    path, _, test = evidence.partition("::")
    found = names_in(path)
    return None if found and (not test or test in found) else f"no test is {evidence}"


def left_over(statement: str, phrases: list[str]) -> list[str]:
    """Words of a statement that are in no phrase, but for those that promise nothing."""
    for phrase in sorted(phrases, key=len, reverse=True):
        assert phrase in statement, f"{phrase!r} is not in {statement!r}"
        statement = statement.replace(phrase, " ", 1)
    return [word for word in re.findall(r"[\w*'-]+", statement) if word.lower() not in JOINING]


# --- Tests ----------------------------------------------------------------------------------------


def test_every_statement_of_the_readme_is_a_claim_and_none_is_left_from_before() -> None:
    assert [each for each in STATEMENTS if each not in CLAIMS] == [], "nothing holds these"
    assert [each for each in CLAIMS if each not in STATEMENTS] == [], "not in the README"
    assert len(STATEMENTS) > 30


@pytest.mark.parametrize("statement", CLAIMS)
def test_each_phrase_of_a_claim_is_held(statement: str) -> None:
    claim = CLAIMS[statement]
    assert left_over(statement, [*claim]) == []
    for phrase, evidence in claim.items():
        assert evidence, phrase
        assert [fault for each in evidence if (fault := fault_of(phrase, each))] == []


@pytest.mark.parametrize("statement", CLAIMS)
def test_each_number_of_a_claim_is_a_figure_that_is_compared(statement: str) -> None:
    numbered = [phrase for phrase in CLAIMS[statement] if re.search(r"\d", phrase)]
    compared = (each.startswith("figure: ") for one in numbered for each in CLAIMS[statement][one])
    assert not numbered or any(compared) or statement in NAMES_WITH_A_NUMBER, numbered


NAMES_WITH_A_NUMBER: Final = {
    "Old clients: socket.io-client 1 and 2 (Engine.IO 3), JSONP | now",
}
"""Versions, which are what they are."""


def test_claims_that_are_wrong_are_found() -> None:
    assert left_over("rooms, and unicorns | now", ["rooms"]) == ["unicorns"]
    assert fault_of("4 kB", "figure: memory") is None
    assert fault_of("3 kB", "figure: memory") == "'3 kB' is to be '4 kB'"
    assert fault_of("x", "figure: of nobody")
    assert fault_of("x", "make unicorns")
    assert fault_of("x", "tests/test_unicorns.py")
    assert fault_of("x", "tests/test_readme_claims.py::test_unicorns")
    assert fault_of("x", "tests/support/peers.py"), "which is no file of tests"
    page = "# A\n\nOne. Two\nlines.\n\n| | |\n|---|---|\n| **a** | [b](c.md) |\n\n- d: e\n- f\n"
    assert list(statements(page)) == ["One.", "Two lines.", "a | b", "d: e", "f"]


def test_figures_are_those_of_the_page_about_performance() -> None:
    assert float(multiple_of_node("echo")) == beside_node("echo: 100 clients")
    assert float(multiple_of_node("pipe")) == beside_node("16 events in flight")


def test_test_whose_tools_are_missing_is_skipped_and_the_summary_says_why(tmp_path: Path) -> None:
    assert "-ra" in PROJECT["tool"]["pytest"]["ini_options"]["addopts"]
    (tmp_path / "test_missing.py").write_text(
        "from tests.support import peers\n\n"
        "def test_missing():\n    peers.package('unicorns_of_nobody')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", tmp_path],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"SKIPPED.*unicorns_of_nobody is not installed", run.stdout), run.stdout
    assert "1 skipped" in run.stdout


def test_program_does_what_its_client_asks() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    program: dict[str, Any] = {"__name__": "program"}
    exec(code, program)

    async def scenario() -> None:
        async with LinkedClient(program["io"]) as first, LinkedClient(program["io"]) as second:
            assert await first.received() == ("joined", [second.sid])
            assert await first.emit_with_ack("echo", "hello") == "hello"

    asyncio.run(scenario())
