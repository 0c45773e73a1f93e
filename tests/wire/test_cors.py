"""Who may connect from a web page, and headers of the application (docs/protocol/cors.md)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Cors, Server
from tests.support.apps import echo_engine
from tests.support.fronts import FRONTS

if TYPE_CHECKING:
    from sockwave import Request
    from tests.support.fronts import Front, Wire
    from tests.support.raw import Reply

GOOD = "https://good.example"
EVIL = "https://evil.example"


def cors_headers(reply: Reply) -> dict[str, str]:
    names = {name for name, _ in reply.headers if name.startswith("access-control-")}
    return {name: reply.header(name) or "" for name in names}


def preflight(wire: Wire, origin: str | None = GOOD, asked: str | None = None) -> Any:
    headers = {"Access-Control-Request-Method": "POST"}
    if origin is not None:
        headers["Origin"] = origin
    if asked is not None:
        headers["Access-Control-Request-Headers"] = asked
    return wire.request("OPTIONS", wire.target(), headers)


async def test_without_cors_there_are_no_headers(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.target(), Origin=EVIL)
        assert reply.status == 200
        assert cors_headers(reply) == {}
        assert reply.header("vary") is None
        assert (await preflight(wire)).json() == {"code": 2, "message": "Bad handshake method"}


@pytest.mark.parametrize("origin", [EVIL, None])
async def test_star_allows_everybody(front: Front, origin: str | None) -> None:
    async with front.serve(Server(cors="*")) as wire:
        headers = {} if origin is None else {"Origin": origin}
        reply = await wire.get(wire.target(), **headers)
        assert cors_headers(reply) == {"access-control-allow-origin": "*"}
        assert reply.header("vary") is None


RULES: list[Any] = [
    GOOD,
    [GOOD, "https://other.example"],
    re.compile(r"https://good\.example"),
    [re.compile(r"https://go+d\.example")],
    lambda origin: origin == GOOD,
    Cors(origin=GOOD),
    {"origin": [GOOD]},
]
RULE_IDS = ["text", "list", "pattern", "patterns", "function", "options", "mapping"]


@pytest.mark.parametrize("rule", RULES, ids=RULE_IDS)
async def test_allowed_origin_is_named(native: Front, rule: Any) -> None:
    async with native.serve(Server(cors=rule)) as wire:
        reply = await wire.get(wire.target(), Origin=GOOD)
        assert cors_headers(reply) == {"access-control-allow-origin": GOOD}
        assert reply.header("vary") == "Origin"


@pytest.mark.parametrize("rule", RULES, ids=RULE_IDS)
@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "https://good.example.evil.net",
        "http://good.example",
        "https://good.example:444",
        None,
    ],
)
async def test_other_origin_gets_no_headers(native: Front, rule: Any, origin: str | None) -> None:
    async with native.serve(Server(cors=rule)) as wire:
        headers = {} if origin is None else {"Origin": origin}
        reply = await wire.get(wire.target(), **headers)
        assert reply.status == 200
        assert cors_headers(reply) == {}
        assert reply.header("vary") == "Origin"


@pytest.mark.parametrize("digits", ["\u0661\u0662", "\uff11", "\u00b2", "\u00e9"])
async def test_pattern_of_origins_matches_ascii_only(front: Front, digits: str) -> None:
    rule = [re.compile(r"https://shop\d+\.example"), re.compile(r"https://\w+\.test")]
    for host in (f"shop{digits}.example", f"{digits}.test"):
        origin = f"https://{host}"
        assert not Cors(origin=rule).allows(origin)
        async with front.serve(Server(cors=rule)) as wire:
            sent = origin.encode().decode("latin-1")
            assert cors_headers(await wire.get(wire.target(), Origin=sent)) == {}
            assert (await wire.upgrade(wire.target("websocket"), Origin=sent)).status == 403


async def test_true_reflects_the_origin(front: Front) -> None:
    async with front.serve(Server(cors=True)) as wire:
        reply = await wire.get(wire.target(), Origin=EVIL)
        assert cors_headers(reply) == {"access-control-allow-origin": EVIL}


async def test_false_is_no_cors(front: Front) -> None:
    async with front.serve(Server(cors=False)) as wire:
        assert cors_headers(await wire.get(wire.target(), Origin=EVIL)) == {}
        assert (await preflight(wire)).status == 400


async def test_credentials_and_exposed_headers_are_told(front: Front) -> None:
    cors = Cors(origin=GOOD, credentials=True, exposed_headers=["X-A", "X-B"])
    async with front.serve(Server(cors=cors)) as wire:
        assert cors_headers(await wire.get(wire.target(), Origin=GOOD)) == {
            "access-control-allow-origin": GOOD,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": "X-A,X-B",
        }


async def test_all_answers_of_a_session_have_the_headers(front: Front) -> None:
    engine, _ = echo_engine(cors=GOOD)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        replies = [
            await peer.post("4a", Origin=GOOD),
            await peer.gets.get(peer.target, Origin=GOOD),
            await wire.upgrade(wire.target("websocket"), Origin=GOOD),
        ]
        assert [reply.status for reply in replies] == [200, 200, 101]
        for reply in replies:
            assert reply.header("access-control-allow-origin") == GOOD


async def test_preflight_reflects_the_headers_asked_for(front: Front) -> None:
    async with front.serve(Server(cors=GOOD)) as wire:
        reply = await preflight(wire, asked="X-A, X-B")
        assert (reply.status, reply.body) == (204, b"")
        assert cors_headers(reply) == {
            "access-control-allow-origin": GOOD,
            "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
            "access-control-allow-headers": "X-A, X-B",
        }
        assert reply.header("vary") == "Origin, Access-Control-Request-Headers"


async def test_preflight_tells_the_options(front: Front) -> None:
    cors = Cors(
        origin=GOOD,
        methods=["GET", "POST"],
        allowed_headers=["X-C"],
        credentials=True,
        max_age=42,
        preflight_status=200,
    )
    async with front.serve(Server(cors=cors)) as wire:
        reply = await preflight(wire, asked="X-A")
        assert reply.status == 200
        assert cors_headers(reply) == {
            "access-control-allow-origin": GOOD,
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "GET,POST",
            "access-control-allow-headers": "X-C",
            "access-control-max-age": "42",
        }


async def test_preflight_of_another_origin_is_answered_without_headers(front: Front) -> None:
    async with front.serve(Server(cors=GOOD)) as wire:
        reply = await preflight(wire, EVIL, "X-A")
        assert reply.status == 204
        assert cors_headers(reply) == {}


async def test_client_files_have_the_headers(front: Front) -> None:
    async with front.serve(Server(cors=GOOD)) as wire:
        reply = await wire.get(f"{wire.path}socket.io.js", Origin=GOOD)
        assert reply.status == 200
        assert reply.header("access-control-allow-origin") == GOOD


# --- Origin of a WebSocket ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://test.example", 101),
        ("https://test.example", 101),  # a proxy may have taken the TLS off
        ("http://TEST.example", 101),
        ("http://test.example:80", 101),
        ("http://test.example:81", 403),
        ("http://test.example.evil.net", 403),
        (EVIL, 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
async def test_without_cors_the_page_must_come_from_here(
    front: Front, origin: str | None, status: int
) -> None:
    async with front.serve(Server()) as wire:
        headers = {} if origin is None else {"Origin": origin}
        reply = await wire.upgrade(wire.target("websocket"), **headers)
        assert reply.status == status
        if status == 403:
            assert reply.body == b"Forbidden"


async def test_port_of_the_page_must_be_that_of_the_server(front: Front) -> None:
    async with front.serve(Server()) as wire:
        target = wire.target("websocket")
        host = "localhost:3000"
        assert (await wire.upgrade(target, Host=host, Origin=f"http://{host}")).status == 101
        other = await wire.upgrade(target, Host=host, Origin="http://localhost:5173")
        assert other.status == 403


@pytest.mark.parametrize("rule", RULES, ids=RULE_IDS)
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (GOOD, 101),
        (None, 101),
        (EVIL, 403),
        ("null", 403),
        ("https://good.example.evil.net", 403),
        ("http://good.example", 403),
        ("https://good.example:444", 403),
    ],
)
async def test_with_cors_its_rule_counts(
    native: Front, rule: Any, origin: str | None, status: int
) -> None:
    async with native.serve(Server(cors=rule)) as wire:
        headers = {} if origin is None else {"Origin": origin}
        assert (await wire.upgrade(wire.target("websocket"), **headers)).status == status


@pytest.mark.parametrize("rule", ["*", True])
async def test_everybody_may_be_let_in(front: Front, rule: Any) -> None:
    async with front.serve(Server(cors=rule)) as wire:
        assert (await wire.upgrade(wire.target("websocket"), Origin=EVIL)).status == 101


async def test_origin_is_looked_at_for_a_second_transport_too(front: Front) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        target = wire.target("websocket", sid=peer.sid)
        assert (await wire.upgrade(target, Origin=EVIL)).status == 403
        assert (await peer.connect()).startswith("40{")


@pytest.mark.logs_errors
async def test_rule_that_fails_refuses(front: Front) -> None:
    def rule(origin: str) -> bool:
        raise RuntimeError("secret")

    async with front.serve(Server(cors=rule)) as wire:
        reply = await wire.upgrade(wire.target("websocket"), Origin=GOOD)
        assert reply.status == 403
        reply = await wire.get(wire.target(), Origin=GOOD)
        assert reply.status == 200 and cors_headers(reply) == {}


# --- headers of the application -----------------------------------------------------------------

Header = tuple[str, str]


async def test_application_may_add_and_change_headers(front: Front) -> None:
    engine, _ = echo_engine()

    @engine.on("headers")
    def headers(headers: list[Header], request: Request) -> None:
        headers.append(("X-Method", request.method))
        headers[:] = [header for header in headers if header[0] != "cache-control"]

    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        get, post = await peer.post("4a"), await peer.poll()
        assert (get.header("x-method"), post.header("x-method")) == ("POST", "GET")
        assert post.header("cache-control") is None


async def test_initial_headers_are_for_the_first_answer_only(front: Front) -> None:
    engine, _ = echo_engine(cookie=True)
    calls: list[tuple[str, str, bool]] = []

    @engine.on("initial_headers")
    def initial(headers: list[Header], request: Request) -> None:
        headers.append(("Set-Cookie", "mine=1"))
        has_cookie = any(value.startswith("io=") for _, value in headers)
        calls.append(("initial", request.method, has_cookie))

    @engine.on("headers")
    def every(headers: list[Header], request: Request) -> None:
        has_cookie = any(value == "mine=1" for _, value in headers)
        calls.append(("every", request.method, has_cookie))

    async with front.serve(engine) as wire:
        first = await wire.get(wire.target())
        cookies = [value for name, value in first.headers if name == "set-cookie"]
        assert len(cookies) == 2 and cookies[1] == "mine=1"
        assert calls == [("initial", "GET", True), ("every", "GET", True)]
        calls.clear()
        reply = await wire.upgrade(wire.target("websocket"))
        assert reply.header("set-cookie") == "mine=1"
        assert calls == [("initial", "GET", False), ("every", "GET", True)]


async def test_session_that_upgrades_asks_for_headers_three_times(front: Front) -> None:
    engine, _ = echo_engine()
    calls: list[str] = []
    engine.on("initial_headers", lambda headers, request: calls.append("initial"))
    engine.on("headers", lambda headers, request: calls.append(request.query["transport"]))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        await websocket.receive()
        assert (await peer.poll()).text == "6"
        assert calls == ["initial", "polling", "websocket", "polling"]


async def test_errors_are_not_for_the_application_to_edit(front: Front) -> None:
    engine, _ = echo_engine()
    calls: list[str] = []
    engine.on("headers", lambda headers, request: calls.append(request.method))
    async with front.serve(engine) as wire:
        await wire.get(wire.target("tobi"))
        await wire.upgrade(wire.target("tobi"))
        await wire.get(wire.target(sid="x"))
        assert calls == []


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    "header", [("X-A", "a\r\nX-Evil: 1"), ("X-A\r\nX-Evil", "1"), ("X-A", "\x00"), ("", "a")]
)
async def test_header_that_would_split_the_answer_is_left_out(front: Front, header: Header) -> None:
    engine, _ = echo_engine()
    engine.on("headers", lambda headers, request: headers.append(header))
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target())
        assert reply.status == 200
        assert not {"x-a", "x-evil"} & {name for name, _ in reply.headers}


@pytest.mark.logs_errors
async def test_header_handler_that_fails_spoils_nothing(front: Front) -> None:
    engine, _ = echo_engine()

    @engine.on("headers")
    def headers(headers: list[Header], request: Request) -> None:
        raise RuntimeError("secret")

    async with front.serve(engine) as wire:
        assert (await wire.get(wire.target())).status == 200


async def test_headers_of_a_preflight_are_for_the_application_to_edit(front: Front) -> None:
    io = Server(cors=GOOD)
    seen: list[str] = []

    @io.engine.on("headers")
    def headers(headers: list[Header], request: Request) -> None:
        seen.append(request.method)
        headers.append(("X-Mine", "1"))

    async with front.serve(io) as wire:
        reply = await preflight(wire)
        assert (reply.status, reply.header("x-mine")) == (204, "1")
    assert seen == ["OPTIONS"]


@pytest.mark.parametrize(("allowed", "asked"), [(True, True), (True, False), (False, True)])
async def test_private_network_is_let_in_where_the_option_says_so(
    front: Front, allowed: bool, asked: bool
) -> None:
    headers = {"Origin": GOOD, "Access-Control-Request-Method": "GET"}
    if asked:
        headers["Access-Control-Request-Private-Network"] = "true"
    async with front.serve(Server(cors=Cors(origin=GOOD, private_network=allowed))) as wire:
        reply = await wire.request("OPTIONS", wire.target(), headers)
        answer = reply.header("access-control-allow-private-network")
        assert answer == ("true" if allowed and asked else None)
        foreign = await wire.request("OPTIONS", wire.target(), {**headers, "Origin": EVIL})
        assert foreign.header("access-control-allow-private-network") is None


# --- who is meant ---------------------------------------------------------------------------------

HOST = "test.example"


@pytest.mark.parametrize(
    "origin", [f"tauri://{HOST}", f"ws://{HOST}", f"chrome-extension://{HOST}", f"//{HOST}", HOST]
)
async def test_page_of_another_scheme_is_foreign(front: Front, origin: str) -> None:
    async with front.serve(Server()) as wire:
        assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 403
    async with front.serve(Server(cors=True)) as wire:
        assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 101


@pytest.mark.parametrize(
    ("origin", "proto", "is_trusted", "status"),
    [
        (f"http://{HOST}", "https", True, 403),
        (f"https://{HOST}", "https", True, 101),
        (f"http://{HOST}", "http", True, 101),
        (f"https://{HOST}", "https", False, 101),
        (f"http://{HOST}", "https", False, 101),
    ],
)
async def test_page_without_tls_is_foreign_where_the_connection_is_known_to_have_it(
    front: Front, origin: str, proto: str, is_trusted: bool, status: int
) -> None:
    async with front.serve(Server(trusted_proxies=["127.0.0.1"] if is_trusted else [])) as wire:
        headers = {"Origin": origin, "X_Forwarded_Proto": proto}
        assert (await wire.upgrade(wire.target("websocket"), **headers)).status == status


@pytest.mark.parametrize(
    ("options", "origin", "has_cookie"),
    [
        ({"cors": "*"}, EVIL, False),
        ({"cors": True}, EVIL, False),
        ({"cors": [GOOD, "*"]}, EVIL, False),
        ({"cors": "*"}, "null", False),
        ({"cors": "*"}, f"http://{HOST}", True),
        ({"cors": "*"}, None, True),
        ({"cors": GOOD}, GOOD, True),
        ({"cors": Cors(origin=True, credentials=True)}, EVIL, True),
        ({"cors": lambda origin: True}, EVIL, True),
        ({}, f"http://{HOST}", True),
    ],
)
async def test_cookies_of_a_page_of_anybodys_do_not_reach_the_application(
    front: Front, options: dict[str, Any], origin: str | None, has_cookie: bool
) -> None:
    io = Server(**options)
    seen: list[bool] = []

    @io.engine.use
    def look(request: Request) -> None:
        scope = dict(request.scope["headers"]) if request.scope else {}
        names = [*request.headers, *(name.decode() for name in scope)]
        seen.append("cookie" in names or "authorization" in names or bool(request.cookies))

    @io.engine.on("connection")
    def connection(session: Any) -> None:
        seen.append(bool(session.request.cookies))

    io.engine.session_handler = connection
    headers = {"Cookie": "a=b", "Authorization": "Basic YTpi"}
    if origin is not None:
        headers["Origin"] = origin
    async with front.serve(io) as wire:
        await wire.websocket(wire.target("websocket"), **headers)
    assert seen == [has_cookie, has_cookie]


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        *((None, 200), ([HOST], 200), (["*.example"], 200)),
        *((["other.example", "addresses"], 403), ([], 403)),
    ],
)
async def test_only_allowed_hosts_are_served(
    front: Front, allowed: list[str] | None, status: int
) -> None:
    io = Server(allowed_hosts=allowed)
    middlewares: list[str] = []

    @io.engine.use
    def look(request: Request) -> None:
        middlewares.append(request.method)

    async with front.serve(io) as wire:
        assert (await wire.get(wire.target())).status == status
        upgraded = await wire.upgrade(wire.target("websocket"), Origin=f"http://{HOST}")
        assert upgraded.status == (101 if status == 200 else status)
        assert (await wire.get(f"{wire.path}socket.io.js")).status == status
    assert middlewares == (["GET", "GET"] if status == 200 else [])


async def test_rebound_name_is_refused_though_it_is_the_pages_own(front: Front) -> None:
    async with front.serve(Server(allowed_hosts=["localhost", "addresses"])) as wire:
        headers = {"Host": "evil.example", "Origin": "http://evil.example"}
        assert (await wire.upgrade(wire.target("websocket"), **headers)).status == 403
        assert (await wire.request("GET", wire.target(), headers)).status == 403
        for host in (f"127.0.0.1:{wire.port}", "localhost", "[::1]"):
            reply = await wire.upgrade(wire.target("websocket"), Host=host, Origin=f"http://{host}")
            assert reply.status == 101


@pytest.mark.parametrize("kind", ["hosted", "wrapped"])
async def test_application_beside_the_server_answers_under_any_name(kind: str) -> None:
    """As docs/hosting.md says: `allowed_hosts` does not guard the application's own paths."""
    async with FRONTS[kind].serve(Server(allowed_hosts=["localhost"])) as wire:
        evil = {"Host": "evil.example"}
        assert (await wire.request("GET", wire.target(), evil)).status == 403
        assert (await wire.request("GET", "/page", evil)).body == b"hello /page"
