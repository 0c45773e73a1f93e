"""The page that shows a contract, as requests see it: who gets what, by which front end."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from importlib.resources import files
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from sockwave import MsgpackParser, Server, Socket
from sockwave.contract.describing import describe
from sockwave.contract.description import from_document
from sockwave.contract.page import serving
from tests.support.documents import blocks
from tests.support.fronts import FRONTS, Front

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.raw import Reply

UNKNOWN: Final = {"code": 0, "message": "Transport unknown"}
"""What the engine answers to what is no file."""


@pytest.fixture(params=["native", "hosted", "wrapped", "mounted", "workers"])
def front(request: pytest.FixtureRequest) -> Front:
    return FRONTS[request.param]


@pytest.fixture
def native() -> Front:
    return FRONTS["native"]


def shop(**options: Any) -> Server:
    """A server with one event."""
    io = Server(**options)

    @io.event
    async def rename(socket: Socket, name: str, loud: bool = False) -> str:
        """Be called something else."""
        return name.upper() if loud else name

    return io


def links(page: str) -> Iterator[str]:
    """The files that a page asks for."""
    yield from re.findall(r'(?:src|href)="([^"#]+)"', page)


async def test_page_and_all_that_it_asks_for_are_served(front: Front) -> None:
    async with front.serve(shop(docs=True)) as wire:
        page = await wire.get(f"{wire.path}docs")
        assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
        wanted = set(links(page.text))
        assert {"docs/app.js", "docs/client.js", "docs/page.css"} <= wanted
        for name in wanted:
            assert (await wire.get(wire.path + name)).status == 200, name


async def test_each_module_that_a_module_imports_is_served(native: Front) -> None:
    async with native.serve(shop(docs=True)) as wire:
        todo, done = {"app.js"}, set[str]()
        while name := next(iter(todo - done), None):
            done.add(name)
            reply = await wire.get(f"{wire.path}docs/{name}")
            assert (reply.status, reply.header("content-type")) == (
                200,
                "text/javascript; charset=utf-8",
            )
            todo.update(re.findall(r'from "\./([^"]+)"', reply.text))
        there = {file.name for file in (files(serving.__package__) / "static").iterdir()}
        assert done == {name for name in there if name.endswith(".js")}


async def test_nothing_is_asked_for_from_elsewhere(native: Front) -> None:
    for file in (files(serving.__package__) / "static").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        text = text.replace('"https://example.org"', "")  # an example of a value
        assert "//" not in re.sub(r"(?m)^\s*//.*|[^:]// .*", "", text), file.name
        assert " style=" not in text, "the policy forbids it"


async def test_contract_is_that_of_the_server(front: Front) -> None:
    async with front.serve(shop(docs=True)) as wire:
        reply = await wire.get(f"{wire.path}docs/contract.json")
        assert (reply.status, reply.header("content-type")) == (200, "application/json")
        assert reply.header("cache-control") == "no-store"
        (main,) = from_document(reply.json()).namespaces
        (rename,) = main.incoming
        assert (main.name, rename.name, rename.description) == (
            "/",
            "rename",
            "Be called something else.",
        )
        assert [(each.name, each.required) for each in rename.arguments] == [
            ("name", True),
            ("loud", False),
        ]


async def test_contract_has_handlers_that_come_while_the_server_runs(
    native: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    io = shop(docs=True)
    now = 100.0
    monkeypatch.setattr(serving, "time", SimpleNamespace(monotonic=lambda: now))
    async with native.serve(io) as wire:

        async def namespaces() -> list[str]:
            return list((await wire.get(f"{wire.path}docs/contract.json")).json()["namespaces"])

        assert await namespaces() == ["/"]
        io.of("/late").event("tell")(lambda socket: None)
        now += 0.9  # a flood of requests costs no more than one description a second
        assert await namespaces() == ["/"]
        now += 0.1
        assert await namespaces() == ["/", "/late"]


@pytest.mark.parametrize("name", ["docs", "docs/contract.json", "docs/app.js", "docs/none"])
async def test_answers_are_strict(native: Front, name: str) -> None:
    async with native.serve(shop(docs=True)) as wire:
        reply = await wire.get(wire.path + name)
        policy = reply.header("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("cross-origin-resource-policy") == "same-origin"
        assert reply.header("access-control-allow-origin") is None


async def test_another_origin_reads_the_contract_where_cors_says_so(native: Front) -> None:
    async with native.serve(shop(docs=True, cors=["https://a.example"])) as wire:

        async def allowed(origin: str) -> str | None:
            reply = await wire.get(f"{wire.path}docs/contract.json", origin=origin)
            return reply.header("access-control-allow-origin")

        assert await allowed("https://a.example") == "https://a.example"
        assert await allowed("https://b.example") is None


async def test_foreign_hosts_are_turned_away(native: Front) -> None:
    async with native.serve(shop(docs=True, allowed_hosts=["a.example"])) as wire:
        for host, status in (("a.example", 200), ("b.example", 403)):
            reply = await wire.request("GET", f"{wire.path}docs/contract.json", {"Host": host})
            assert reply.status == status


async def test_only_reading_is_allowed(front: Front) -> None:
    async with front.serve(shop(docs=True)) as wire:
        for name in ("docs", "docs/contract.json", "docs/client.js"):
            head = await wire.request("HEAD", wire.path + name)
            assert (head.status, head.body) == (200, b"")
            post = await wire.request("POST", wire.path + name, body=b"{}")
            assert (post.status, post.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", ["docs/../docs", "docs/%2e%2e/serving.py", "docs/index.html"])
async def test_what_the_page_does_not_have_is_not_found(native: Front, name: str) -> None:
    async with native.serve(shop(docs=True)) as wire:
        assert (await wire.get(wire.path + name)).status == 404


async def test_slash_at_the_end_leads_to_the_page(front: Front) -> None:
    async with front.serve(shop(docs=True)) as wire:
        reply = await wire.get(f"{wire.path}docs/")
        assert (reply.status, reply.header("location")) == (308, "../docs")


@pytest.mark.parametrize("path", ["/socket.io", "/a/deep one", "/"])
async def test_page_is_below_the_path_of_the_server(native: Front, path: str) -> None:
    io = shop(docs=True, path=path)
    async with native.serve(io) as wire:
        prefix = wire.path.replace(" ", "%20")
        assert (await wire.get(f"{prefix}docs")).status == 200
        assert (await wire.get(f"{prefix}docs/contract.json")).json()["path"] == io.path


# --- who has it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("docs", "development", "is_there"),
    [
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (False, True, False),
    ],
)
async def test_page_is_there_in_development_or_when_asked_for(
    native: Front, docs: bool | None, development: bool, is_there: bool
) -> None:
    async with native.serve(shop(docs=docs, development=development)) as wire:
        for name in ("docs", "docs/contract.json", "docs/client.js"):
            reply = await wire.get(wire.path + name)
            assert reply.status == (200 if is_there else 400)
            assert is_there or reply.json() == UNKNOWN


async def test_page_comes_with_the_development_that_begins_later(native: Front) -> None:
    io = shop()
    async with native.serve(io) as wire:
        assert (await wire.get(f"{wire.path}docs")).status == 400
        io.checks.development = True  # as `sockwave run --reload` does
        assert (await wire.get(f"{wire.path}docs")).status == 200


@pytest.mark.parametrize("docs", ["yes", 1])
def test_other_values_of_the_option_are_refused(docs: object) -> None:
    with pytest.raises(TypeError, match="docs"):
        shop(docs=docs)


def test_server_that_shows_no_page_imports_nothing_for_it() -> None:
    program = (
        "import sys, sockwave; sockwave.Server(); sockwave.Server(docs=True); "
        "print([name for name in sys.modules if name.startswith('sockwave.contract')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_program_of_the_docs_has_the_page() -> None:
    (program,) = blocks("contract-page.md", "python")
    names: dict[str, Any] = {}
    exec(compile(program, "contract-page.md", "exec"), names)
    (main,) = describe(names["io"]).namespaces
    assert [each.name for each in main.incoming] == ["rename"]
    assert names["io"].checks.development


# --- the client of the page -----------------------------------------------------------------------


class OwnParser:
    """Knows packets of a form that no stock client knows."""

    def encode(self, packet: object) -> list[str | bytes]:
        return []

    def decoder(self, limits: object) -> object:
        return self


async def client_of(front: Front, **options: Any) -> Reply:
    async with front.serve(shop(docs=True, **options)) as wire:
        return await wire.get(f"{wire.path}docs/client.js")


async def test_client_is_there_though_the_server_hands_out_none(native: Front) -> None:
    async with native.serve(shop(docs=True, serve_client=False)) as wire:
        assert (await wire.get(f"{wire.path}socket.io.min.js")).status == 400
        assert b"Socket.IO" in (await wire.get(f"{wire.path}docs/client.js")).body


async def test_client_fits_the_parser(native: Front) -> None:
    plain, packed = await client_of(native), await client_of(native, parser=MsgpackParser())
    assert (plain.status, packed.status) == (200, 200)
    assert plain.body != packed.body
    assert (await client_of(native, parser=OwnParser())).status == 404


async def test_client_is_not_kept_for_another_parser(native: Front) -> None:
    reply = await client_of(native)
    assert (reply.header("cache-control"), reply.header("etag")) == ("no-store", None)


async def test_client_is_compressed_for_those_who_take_it(native: Front) -> None:
    async with native.serve(shop(docs=True)) as wire:
        reply = await wire.get(f"{wire.path}docs/client.js", accept_encoding="gzip")
        assert reply.header("content-encoding") == "gzip"


# --- what goes wrong ------------------------------------------------------------------------------


async def test_contract_that_cannot_be_described_is_an_error_of_the_server(
    native: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(server: Server) -> NoReturn:
        raise RuntimeError("secret of the server")

    monkeypatch.setattr(serving, "describe", fail)
    async with native.serve(shop(docs=True)) as wire:
        reply = await wire.get(f"{wire.path}docs/contract.json")
        assert reply.status == 500
        assert "secret" not in reply.text
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "cannot be described" in record.getMessage()


async def test_text_of_the_contract_is_no_html(native: Front) -> None:
    io = Server(docs=True)

    async def say(socket: Socket) -> None:
        """</script><b>é"""

    io.event("<b>")(say)
    async with native.serve(io) as wire:
        reply = await wire.get(f"{wire.path}docs/contract.json")
        event = json.loads(reply.body)["namespaces"]["/"]["incoming"]["<b>"]
        assert event["description"] == "</script><b>é"
