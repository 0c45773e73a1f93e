"""The demo's page over ASGI: files, headers, lifespan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.cli.demo import site
from sockwave.cli.demo.site import Site

if TYPE_CHECKING:
    from pathlib import Path


def fetch(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Site()({"type": "http", "method": method, "path": path}, receive, send))
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert len(headers) == len(start["headers"]), "no header twice"
    return start["status"], headers, body["body"]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ],
)
def test_file_is_served_with_its_type(path: str, content_type: str) -> None:
    status, headers, body = fetch(path)
    assert status == 200
    assert headers["content-type"] == content_type
    assert headers["content-length"] == str(len(body))
    assert headers["cache-control"] == "no-cache"


def test_head_has_the_headers_of_get_without_the_body() -> None:
    _, headers, body = fetch("/")
    assert fetch("/", "HEAD") == (200, headers, b"")
    assert body


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/../app.py", "/static/app.js", "//app.js", "", "/events.ts", "/tsconfig.json"],
)
def test_other_paths_are_not_found(path: str) -> None:
    assert fetch(path)[0] == 404


def test_other_methods_are_not_allowed() -> None:
    status, headers, _ = fetch("/", "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/app.js", "/nothing"])
def test_every_answer_is_guarded(path: str) -> None:
    _, headers, _ = fetch(path)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_page_needs_nothing_from_elsewhere() -> None:
    for path in ("/", "/app.css", "/app.js", "/elements.js", "/messages.js"):
        text = fetch(path)[2].decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text


def test_background_task_lives_as_long_as_the_server() -> None:
    events: list[str] = []

    async def background() -> None:
        events.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("stopped")

    async def live() -> None:
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def send(message: Any) -> None:
            await asyncio.sleep(0)
            events.append(message["type"])

        serving = asyncio.create_task(Site(background)({"type": "lifespan"}, inbox.get, send))
        inbox.put_nowait({"type": "lifespan.startup"})
        await asyncio.sleep(0.01)
        inbox.put_nowait({"type": "lifespan.shutdown"})
        await serving

    asyncio.run(live())
    assert events == [
        "started",
        "lifespan.startup.complete",
        "stopped",
        "lifespan.shutdown.complete",
    ]


def test_page_that_was_left_out_is_a_404_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site, "files", lambda package: tmp_path)
    assert fetch("/")[0] == 404
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "app.js").write_text("1")
    caplog.clear()
    assert fetch("/app.js")[0] == 200
    assert fetch("/")[0] == 404
    assert set(caplog.messages) == {"the files of the demo's page are not all there: '/index.html'"}
