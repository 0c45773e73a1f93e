"""docs/health.md and docs/log-messages.md: what they show beside the programs of the guides."""

from __future__ import annotations

import json
import logging
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import HealthOptions, Server
from sockwave.health import HealthWatch
from sockwave.logs import FIELDS, JsonFormatter
from tests.support.documents import DOCS
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

HEALTH: Final = (DOCS / "health.md").read_text()
MESSAGES: Final = (DOCS / "log-messages.md").read_text()


def block(page: str, kind: str, words: str) -> str:
    """The one block of code of a kind that has these words."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (found,) = [code for code in blocks if words in code]
    return str(found)


def ask(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_health_has_a_port_of_its_own_in_a_thread(tmp_path: Path) -> None:
    code = block(HEALTH, "py", "threading")
    port, other = free_port(), free_port()
    assert "port=3000" in code and "port=8081" in code
    code = code.replace("3000", str(port)).replace("8081", str(other))
    (tmp_path / "program.py").write_text(code)
    with ServerProcess("program.py", directory=tmp_path, port=port) as process:
        process.wait_until_it_listens()
        for name, key in (("live", "live"), ("ready", "ready"), ("", "ready")):
            told = ask(f"http://127.0.0.1:{other}/{name}")
            assert told == (200, {key: True, "reasons": []})
        assert process.interrupt() == 0


async def test_answer_of_a_server_that_stops_is_the_one_that_is_shown() -> None:
    io = Server()
    watch = HealthWatch(io, HealthOptions())
    told: list[bytes] = []
    io.engine.on("closing", lambda: told.append(watch.answer("/ready", "GET")[2]))
    async with io.listen():
        pass
    assert json.loads(told[0]) == json.loads(block(HEALTH, "json", "draining"))


def test_options_that_are_shown_are_some() -> None:
    names = {"Server": Server, "HealthOptions": HealthOptions}
    exec(block(HEALTH, "py", "HealthOptions("), names)


@pytest.mark.parametrize("name", re.findall(r"^\| `(\w+)` \| .* \| (?:`\w+`)? ?\|$", HEALTH, re.M))
def test_reason_is_one_that_is_given(name: str) -> None:
    source = (DOCS.parent / "src" / "sockwave" / "health.py").read_text()
    assert f'name="{name}"' in source


def test_every_reason_is_on_the_page() -> None:
    source = (DOCS.parent / "src" / "sockwave" / "health.py").read_text()
    for name in set(re.findall(r'name="(\w+)"', source)):
        assert f"| `{name}` |" in HEALTH


def test_line_of_json_that_is_shown_is_one() -> None:
    shown = json.loads(block(MESSAGES, "json", "Session ID unknown"))
    made = logging.makeLogRecord(
        {
            "name": shown["logger"],
            "levelname": "INFO",
            "msg": shown["message"],
            **{name: shown[name] for name in FIELDS if name in shown},
        }
    )
    line = json.loads(JsonFormatter().format(made))
    assert line | {"time": shown["time"]} == shown
    assert list(line) == list(shown)


def test_formatter_that_is_shown_formats() -> None:
    code = block(MESSAGES, "python", "JsonFormatter")
    names: dict[str, Any] = {}
    exec(code.replace("logging.basicConfig(", "dict("), names)
    line = json.loads(names["handler"].format(logging.makeLogRecord({"msg": "told"})))
    assert (line["message"], line["service"]) == ("told", "chat")
