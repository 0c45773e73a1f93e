"""How a client reaches its server: passwords, proxies of the environment, headers of functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, connect
from tests.client.servers import native_server
from tests.client.test_faults_of_servers import failure, http_proxy, raw_server, read_head

if TYPE_CHECKING:
    from pathlib import Path

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One without proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    return monkeypatch


async def seen_by_the_server(url_of: str = "{url}", **options: Any) -> list[str | None]:
    """The `Authorization` of every request, over both transports."""
    io = Server()
    seen: list[str | None] = []

    @io.engine.use
    def look(request: Any) -> None:
        seen.append(request.headers.get("authorization"))

    async with io.listen() as listener:
        async with connect(url_of.format(url=listener.url, port=listener.port), **options) as s:
            if len(options.get("transports", "ab")) > 1:
                upgraded = asyncio.Event()
                s.manager.on("upgrade", upgraded.set)
                if s.manager.transport == "polling":
                    await upgraded.wait()
    assert seen
    return seen


async def test_name_and_password_of_the_url_go_with_every_request() -> None:
    seen = await seen_by_the_server("http://user:password@127.0.0.1:{port}")
    assert set(seen) == {"Basic dXNlcjpwYXNzd29yZA=="}
    assert len(seen) > 2


async def test_own_header_wins_over_the_password_of_the_url() -> None:
    seen = await seen_by_the_server(
        "http://user:password@127.0.0.1:{port}", extra_headers={"authorization": "Bearer x"}
    )
    assert set(seen) == {"Bearer x"}


@TRANSPORTS
async def test_netrc_is_not_read_for_the_server(
    transport: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\ndefault login a password b\n")
    netrc.chmod(0o600)
    environment.setenv("NETRC", str(netrc))
    environment.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").symlink_to(netrc)
    assert set(await seen_by_the_server(trust_env=True, transports=[transport])) == {None}


@TRANSPORTS
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_proxy_of_the_environment_is_used(
    transport: Any, name: str, environment: pytest.MonkeyPatch
) -> None:
    heads: list[str] = []
    async with native_server().listen() as listener, http_proxy(heads) as url:
        environment.setenv(name, url.removeprefix("http://"))
        async with connect(listener.url, trust_env=True, transports=[transport]) as socket:
            assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
    assert heads
    assert all(head.split()[1].startswith(listener.url) for head in heads)


@TRANSPORTS
async def test_proxy_of_the_environment_is_left_out_where_it_says_so(
    transport: Any, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with native_server().listen() as listener:
        async with connect(listener.url, transports=[transport]):
            pass  # the environment is not asked
        environment.setenv("NO_PROXY", "127.0.0.1")
        async with connect(listener.url, trust_env=True, transports=[transport]):
            pass


@TRANSPORTS
@pytest.mark.parametrize("place", ["URL", "netrc"])
async def test_proxy_gets_its_password_and_the_server_does_not(
    transport: str, place: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heads: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_head(reader))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    if place == "netrc":
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password p\n")
        (tmp_path / ".netrc").chmod(0o600)
        environment.setenv("HOME", str(tmp_path))
    login = "u:p@" if place == "URL" else ""
    async with raw_server(refuse) as url:
        environment.setenv("HTTP_PROXY", url.replace("http://", f"http://{login}"))
        error: Any = await failure("http://x.example", trust_env=True, transports=[transport])
    assert error.cause == "proxy"
    assert "Proxy-Authorization: Basic dTpw\r\n" in heads[0]
    assert "\r\nAuthorization" not in heads[0]


async def test_environment_that_names_no_proxy_is_a_failed_attempt(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("HTTP_PROXY", "http://user:secret@:x")
    error: Any = await failure("http://x.example", trust_env=True)
    assert str(error).startswith("trust_env: the proxy of the environment: the URL must be")
    assert "secret" not in str(error)


async def test_function_for_headers_may_be_async() -> None:
    async def headers() -> dict[str, str]:
        await asyncio.sleep(0)
        return {"Authorization": "Bearer late"}

    assert set(await seen_by_the_server(extra_headers=headers)) == {"Bearer late"}


@pytest.mark.parametrize("error", [ValueError("no token"), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_function_for_headers_that_fails_is_asked_again(
    error: BaseException, kind: str
) -> None:
    asked: list[bool] = []

    def headers() -> dict[str, str]:
        asked.append(True)
        if len(asked) < 3:
            raise error
        return {}

    async def headers_later() -> dict[str, str]:
        return headers()

    errors: list[Any] = []
    async with native_server().listen() as listener:
        socket = connect(
            listener.url,
            extra_headers=headers if kind == "def" else headers_later,
            reconnection_delay=0.01,
        )
        socket.on("connect_error", errors.append)
        await socket.wait_connected(40)
        await socket.aclose()
    assert [each.cause for each in errors] == ["application"] * 2


def test_namespace_of_a_url_with_a_comma_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="comma"):
        connect("http://127.0.0.1/a,b", auto_connect=False)
