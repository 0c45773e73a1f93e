"""The page about tracing: its code runs, and its table has the spans that there are."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from sockwave.otel import OpenTelemetry
from tests.support.documents import DOCS, blocks

if TYPE_CHECKING:
    import pytest

    from tests.otel.recording import Recording


async def run(code: str, names: dict[str, Any]) -> None:
    """Run code of the page, which may await."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    exec(f"async def page():\n{body}    return locals()\n", names)
    names.update(await names["page"]())


async def test_code_of_the_page_runs_and_traces(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    (server,), (client,) = blocks("tracing.md", "python"), blocks("tracing.md", "python client")
    server = server.replace("sample=0.01", "sample=0")  # whom the client traces is traced
    server = server.replace("BatchSpanProcessor(ConsoleSpanExporter())", "processor")
    names: dict[str, Any] = {"processor": SimpleSpanProcessor(recording.exporter)}
    exec(server, names)
    async with names["io"].listen("127.0.0.1", 0) as listener:
        names["url"] = f"http://127.0.0.1:{listener.port}"
        connect = client.index("async with socket")
        answering = 'socket.on("sure", lambda dish: "yes")\n'
        async with asyncio.timeout(10):
            await run(client[:connect] + answering + client[connect:], names)
    assert "tea: yes" in capsys.readouterr().out
    traced = {"emit order", "process order", "emit sure", "process sure", "connect /"}
    assert traced <= set(recording.names())


def test_page_names_the_arguments_and_the_operations() -> None:
    page = (DOCS / "tracing.md").read_text()
    for name in inspect.signature(OpenTelemetry).parameters:
        assert name in page
    spans = re.findall(r"^\| `(\w+) ", page, re.MULTILINE)
    assert set(spans) == {"open", "connect", "process", "emit"}
