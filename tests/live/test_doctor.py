"""`sockwave doctor` in front of balancers: recipes that are right, and each with one fault in it.

The recipes are those of `examples/balancers`, with TLS, in front of three servers that share
nothing. A fault is a few words of a recipe that are others.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Server
from sockwave.cli.doctor.examining import examine
from sockwave.cli.doctor.findings import Verdict
from sockwave.cli.doctor.target import Target
from sockwave.engine.client.url import parse_url
from tests.client.servers import start_process
from tests.live.balancers import NAMES, HAProxy, Nginx, at_ports
from tests.support.certificate import write_certificate
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from sockwave.cli.doctor.findings import Finding
    from tests.live.balancers import Balancer, Behind

pytestmark = pytest.mark.live

ORIGIN: Final = "https://app.example.com"
OTHER: Final = "https://other.example.com"
PING: Final = 4.0
"""Seconds; proxies with a fault cut after one."""

BY_SESSION: Final = "nginx-by-session.conf"
HA_BY_SESSION: Final = "haproxy-by-session.cfg"
HOST: Final = "proxy_set_header Host $http_host;"
FORWARDED: Final = "http-request set-header X-Forwarded-Proto https"


@dataclass(frozen=True)
class Case:
    """A recipe with a fault in it.

    Attributes:
        faults: What is found, and nothing else.
        changes: Words of the recipe that are others.
        waits: Whether silence is looked at, too.
        origin: Of the pages.
    """

    kind: type[Nginx | HAProxy]
    file: str
    faults: set[str]
    changes: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    origin: str | None = None


def nginx(*faults: str, file: str = BY_SESSION, changes: Mapping[str, str], **more: Any) -> Case:
    return Case(Nginx, file, set(faults), changes, **more)


def haproxy(
    *faults: str, file: str = HA_BY_SESSION, changes: Mapping[str, str], **more: Any
) -> Case:
    return Case(HAProxy, file, set(faults), changes, **more)


FAULTY: Final = {
    "nginx: no Upgrade": nginx(
        "upgrade-headers", changes={"proxy_set_header Upgrade $http_upgrade;": ""}
    ),
    "nginx: HTTP/1.0": nginx(
        "upgrade-headers", changes={"proxy_http_version 1.1;": "proxy_http_version 1.0;"}
    ),
    "nginx: short time-out": nginx(
        "idle-poll",
        "idle-websocket",
        changes={"proxy_read_timeout 60s;": "proxy_read_timeout 1s;"},
        waits=True,
    ),
    "nginx: small bodies": nginx(
        "body-limit", changes={"client_max_body_size 1m;": "client_max_body_size 100k;"}
    ),
    "nginx: small heads": nginx(
        "header-limit",
        changes={
            "server_name chat.example.com;": "client_header_buffer_size 512;"
            " large_client_header_buffers 4 2k;"
        },
    ),
    "nginx: servers in turn": nginx("stickiness", file="nginx-any-server.conf", changes={}),
    "nginx: gzip": nginx(
        "proxy-gzip",
        changes={
            HOST: f"{HOST} gzip on; gzip_proxied any; gzip_types text/plain; gzip_min_length 10;"
        },
    ),
    "nginx: Host of its own": nginx("host", changes={HOST: "proxy_set_header Host chat;"}),
    "nginx: another path": nginx("path", changes={"location / {": "location /chat/ {"}),
    "nginx: path cut": nginx(
        "path", changes={"proxy_pass http://$chat;": "proxy_pass http://$chat/;"}
    ),
    "nginx: query cut": nginx(
        "query", changes={"location / {": "location / { rewrite ^(/socket.io/).*$ $1? break;"}
    ),
    "nginx: text replaced": nginx(
        "garbled", changes={HOST: f"{HOST} sub_filter_types *; sub_filter sid SID;"}
    ),
    "nginx: few requests": nginx(
        "rate-limit",
        changes={
            "upstream chat {": "limit_req_zone $binary_remote_addr zone=few:1m rate=1r/s;\n"
            "upstream chat {",
            HOST: f"{HOST} limit_req zone=few;",
        },
    ),
    "nginx: server away": nginx(
        "upstream", changes={"proxy_pass http://$chat;": "proxy_pass http://127.0.0.1:9;"}
    ),
    "nginx: redirected": nginx(
        "redirect", changes={"location / {": "location / { return 301 https://www.example.com;"}
    ),
    "nginx: Origin taken away": nginx(
        "origin-lost", changes={HOST: f'{HOST} proxy_set_header Origin "";'}, origin=ORIGIN
    ),
    "nginx: Origin rewritten": nginx(
        "origin-rewritten",
        changes={HOST: f"{HOST} proxy_set_header Origin {OTHER};"},
        origin=ORIGIN,
    ),
    "nginx: CORS twice": nginx(
        "cors-doubled",
        changes={HOST: f"{HOST} add_header Access-Control-Allow-Origin $http_origin always;"},
        origin=ORIGIN,
    ),
    "nginx: no OPTIONS": nginx(
        "preflight",
        changes={HOST: f"{HOST} if ($request_method = OPTIONS) {{ return 405; }}"},
        origin=ORIGIN,
    ),
    "an origin that is not admitted": nginx(
        "origin-refused", changes={}, origin="https://nobody.example.com"
    ),
    "HAProxy: short time-out of servers": haproxy(
        "idle-poll", changes={"timeout server 60s": "timeout server 1s"}, waits=True
    ),
    "HAProxy: short time-out of tunnels": haproxy(
        "idle-websocket", changes={"timeout tunnel 60s": "timeout tunnel 1s"}, waits=True
    ),
    "HAProxy: short time-out of clients": haproxy(
        "idle-websocket",
        changes={"timeout client 60s": "timeout client 1s", "timeout tunnel 60s": ""},
        waits=True,
    ),
    "HAProxy: servers in turn": haproxy("stickiness", file="haproxy-any-server.cfg", changes={}),
    "HAProxy: no Upgrade": haproxy(
        "upgrade-headers", changes={FORWARDED: f"{FORWARDED}\n    http-request del-header Upgrade"}
    ),
    "HAProxy: by cookie": haproxy("cookie-alone", file="haproxy-by-cookie.cfg", changes={}),
    "HAProxy: CORS twice": haproxy(
        "cors-doubled",
        changes={
            FORWARDED: f'{FORWARDED}\n    http-response add-header Access-Control-Allow-Origin "*"'
        },
        origin=ORIGIN,
    ),
    "HAProxy: small bodies": haproxy(
        "body-limit",
        changes={
            FORWARDED: f"{FORWARDED}\n"
            "    http-request deny deny_status 413 if { req.body_size gt 100000 }"
        },
    ),
}

RIGHT: Final = {
    "nginx by session": Case(Nginx, BY_SESSION, set(), waits=True),
    "nginx by address": Case(Nginx, "nginx-by-address.conf", set(), waits=True),
    "nginx that buffers": Case(  # an answer of a poll is whole when it comes
        Nginx, BY_SESSION, set(), {"proxy_buffering off;": "proxy_buffering on;"}, waits=True
    ),
    "HAProxy by session": Case(HAProxy, HA_BY_SESSION, set(), waits=True),
    "pages of others, nginx": Case(Nginx, BY_SESSION, set(), origin=ORIGIN),
    "pages of others, HAProxy": Case(HAProxy, HA_BY_SESSION, set(), origin=ORIGIN),
}


@dataclass(frozen=True)
class AtPorts:
    """Servers that run already."""

    ports: list[int]

    def addresses(self) -> dict[str, str]:
        return at_ports(self.ports)


def named(name: str) -> Any:
    return lambda _: f"{secrets.token_urlsafe(15)}-{name}"


@asynccontextmanager
async def servers(**options: Any) -> AsyncIterator[AtPorts]:
    """Three that know nothing of each other."""
    async with AsyncExitStack() as stack:
        ports = []
        for name in NAMES:
            io = Server(ping_interval=PING, generate_id=named(name), **options)
            listener = await stack.enter_async_context(io.listen("127.0.0.1", 0))
            ports.append(listener.port)
        yield AtPorts(ports)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for 127.0.0.1, which is trusted."""
    file = write_certificate(tmp_path / "chat.pem", end=timedelta(days=60))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


async def examined(url: str, **options: Any) -> list[Finding]:
    found: list[Finding] = []
    await examine(Target(server=parse_url(url), **options), found.append)
    return found


def faults(found: list[Finding]) -> set[str]:
    return {finding.fault for finding in found if finding.fault}


@asynccontextmanager
async def running(balancer: Balancer) -> AsyncIterator[Balancer]:
    """Its start and its end wait, and servers are in this loop."""
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, balancer)
        yield balancer


async def found_behind(case: Case, behind: Behind, certificate: Path) -> list[Finding]:
    async with running(case.kind(case.file, behind, certificate, case.changes)) as balancer:
        patience = 2 * PING if case.waits else 0.0
        return await examined(balancer.url, patience=patience, origin=case.origin)


async def found_in(case: Case, certificate: Path) -> list[Finding]:
    cors = {"cors": {"origin": [ORIGIN, OTHER], "credentials": True}} if case.origin else {}
    async with servers(**cors) as behind:
        return await found_behind(case, behind, certificate)


@pytest.mark.parametrize("name", FAULTY)
async def test_doctor_names_the_fault_and_no_other(name: str, certificate: Path) -> None:
    found = await found_in(FAULTY[name], certificate)
    assert faults(found) == FAULTY[name].faults, found


@pytest.mark.parametrize("name", RIGHT)
async def test_doctor_finds_no_fault_in_a_recipe(name: str, certificate: Path) -> None:
    found = await found_in(RIGHT[name], certificate)
    assert faults(found) == set(), found
    checks = {finding.check for finding in found if finding.verdict is Verdict.GOOD}
    wanted = {"tls", "handshake", "caching", "stickiness", "polling", "websocket", "upgrade"}
    wanted |= {"compression", "head", "body"}
    wanted |= {"idle poll", "idle websocket"} if RIGHT[name].waits else set()
    wanted |= {"preflight", "cors"} if RIGHT[name].origin else {"own pages"}
    assert checks >= wanted


async def test_cache_is_found(certificate: Path, tmp_path: Path) -> None:
    cache = (
        "proxy_cache polls; proxy_cache_valid 200 60s; proxy_cache_key $uri;"
        " proxy_ignore_headers Cache-Control Set-Cookie;"
    )
    zone = f"proxy_cache_path {tmp_path}/cache keys_zone=polls:1m;\n"
    top = "map $http_upgrade"
    buffering = {"proxy_buffering off;": "proxy_buffering on;"}  # else it caches nothing
    changes = {HOST: f"{HOST} {cache}", top: zone + top, **buffering}
    case = nginx("caching", changes=changes)
    assert faults(await found_in(case, certificate)) == case.faults


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("tls-dates", {"begin": timedelta(days=-9), "end": timedelta(days=-2)}),
        ("tls-dates", {"begin": timedelta(days=2), "end": timedelta(days=9)}),
        ("tls-name", {"address": "192.0.2.1", "end": timedelta(days=60)}),
        ("tls-soon", {"end": timedelta(days=3)}),
    ],
)
async def test_certificate_is_judged(
    fault: str, options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_certificate(tmp_path / "chat.pem", **options)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    found = await found_in(Case(Nginx, BY_SESSION, set()), file)
    assert faults(found) == {fault}


async def test_certificate_that_nobody_has_signed_is_found(tmp_path: Path) -> None:
    file = write_certificate(tmp_path / "chat.pem")
    case = Case(HAProxy, HA_BY_SESSION, set())
    assert faults(await found_in(case, file)) == {"tls-untrusted"}


async def test_http_at_a_port_with_tls_is_found(certificate: Path) -> None:
    async with servers() as behind, running(Nginx(BY_SESSION, behind, certificate)) as balancer:
        found = await examined(balancer.url.replace("https", "http"))
    assert faults(found) == {"scheme"}


@pytest.fixture(params=["node", "python-socketio"])
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server of others."""
    with start_process(request.param) as url:
        yield url


async def test_servers_of_others_are_examined_as_ours(other: str, certificate: Path) -> None:
    behind = AtPorts([parse_url(other).port] * len(NAMES))
    for case in (RIGHT["nginx by session"], FAULTY["nginx: no Upgrade"]):
        found = await found_behind(case, behind, certificate)
        assert faults(found) == case.faults, found


async def test_origin_is_refused_by_servers_of_others(other: str) -> None:
    found = await examined(other, patience=0.0, origin=ORIGIN)
    told = {finding.check: finding.fault for finding in found if finding.fault}
    assert told["preflight"] == "origin-refused"
    assert told["cors"] in ("origin-refused", "origin-lost")  # the latter where nobody looks at it


async def test_host_of_its_own_is_found_before_python_socketio(certificate: Path) -> None:
    with start_process("python-socketio") as url:
        behind = AtPorts([parse_url(url).port] * len(NAMES))
        case = FAULTY["nginx: Host of its own"]
        assert faults(await found_behind(case, behind, certificate)) == case.faults


async def test_command_tells_of_a_fault_in_words_and_by_its_exit_code(certificate: Path) -> None:
    case = FAULTY["nginx: no Upgrade"]
    async with (
        servers() as behind,
        running(Nginx(case.file, behind, certificate, case.changes)) as balancer,
    ):
        command = (sys.executable, "-m", "sockwave", "doctor", balancer.url, "--patience", "0")
        run = partial(asyncio.create_subprocess_exec, stdout=asyncio.subprocess.PIPE)
        process = await run(*command)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert (
        "nginx    proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;" in out.decode()
    )
