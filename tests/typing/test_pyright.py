"""What is public has types that other type checkers need not guess, and they hold under pyright.

The `*_api.py` beside this are checked by mypy with all other code; here pyright checks them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import peers
from tests.support.documents import blocks
from tests.support.pyright import SOURCE, pyright, said

pytestmark = [pytest.mark.interop, pytest.mark.once]

HERE: Final = Path(__file__).parent

LEAST: Final = 0.99
"""Of all public names. The rest is for types of packages that are not installed everywhere."""


def complaints(report: dict[str, Any]) -> list[str]:
    """Why names have no type that is known, each reason once."""
    found: dict[str, None] = {}
    for symbol in report["typeCompleteness"]["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            for each in symbol["diagnostics"]:
                file = Path(each["file"]).name if each.get("file") else ""
                found[f"{symbol['name']} ({file}): {each['message']}"] = None
    return list(found)


def alone(folder: Path) -> Path:
    """A folder with `use.py`, which is checked by the same rules."""
    rules = json.loads((HERE / "pyrightconfig.json").read_text())
    rules |= {"include": ["use.py"], "extraPaths": [str(SOURCE)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(rules))
    return folder


def lines_of(complaints: list[str]) -> list[int]:
    """Where there is something to say, each once."""
    found = (re.match(r"use\.py:(\d+): (?!note)", each) for each in complaints)
    return sorted({int(each[1]) for each in found if each})


def test_public_names_have_types_that_are_known() -> None:
    report = pyright("--verifytypes", "sockwave", "--ignoreexternal")
    completeness = report["typeCompleteness"]
    assert Path(completeness["packageRootDirectory"]) == SOURCE / "sockwave"
    counts = completeness["exportedSymbolCounts"]
    assert counts["withKnownType"] > 5000
    assert counts["withAmbiguousType"] == 0, complaints(report)
    assert completeness["completenessScore"] >= LEAST, complaints(report)


def test_users_types_are_inferred_and_what_is_wrong_is_refused() -> None:
    report = pyright("-p", HERE)
    assert report["summary"]["filesAnalyzed"] == len(list(HERE.glob("*_api.py")))
    assert said(report) == []


def test_lines_that_the_page_calls_refused_are_those_that_are(tmp_path: Path) -> None:
    peers.package("mypy")
    code, *_ = blocks("types.md", "python")
    refused = [n for n, line in enumerate(code.splitlines(), 1) if "# refused: " in line]
    (tmp_path / "use.py").write_text(code)
    assert lines_of(said(pyright("-p", alone(tmp_path)))) == refused
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "use.py"]
    run = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert lines_of(run.stdout.splitlines()) == refused


def test_line_that_should_be_refused_and_is_not_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "from sockwave import Server\n"
        "Server().emit('x', 1)  # type: ignore[call-overload]\n"
        "Server().emit('x', object())\n"
    )
    wrong = said(pyright("-p", alone(tmp_path)))
    assert wrong[0] == 'use.py:2: Unnecessary "# type: ignore" comment'
    assert lines_of(wrong) == [2, 3]
