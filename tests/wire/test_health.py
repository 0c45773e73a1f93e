"""Whether a server is well, asked on its own port over each front end (docs/health.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sockwave import HealthOptions, RateLimits, Server
from sockwave.observe import LoopLag

if TYPE_CHECKING:
    from tests.support.fronts import Front
    from tests.support.raw import Reply


def said(reply: Reply) -> dict[str, Any]:
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    body: dict[str, Any] = json.loads(reply.body)
    return body


def make_late(io: Server) -> None:
    """The event loop was late three times in a row."""
    for _ in range(3):
        io.observers.tell(io.observers.loop_lag, LoopLag(2.5))


async def test_server_that_is_well_says_so(every_front: Front) -> None:
    async with every_front.serve(Server(health="/health")) as wire:
        root = wire.path.removesuffix("socket.io/").rstrip("/")  # where it is mounted
        for name in ("", "/ready"):
            reply = await wire.get(f"{root}/health{name}")
            assert (reply.status, said(reply)) == (200, {"ready": True, "reasons": []})
        reply = await wire.get(f"{root}/health/live")
        assert (reply.status, said(reply)) == (200, {"live": True, "reasons": []})


async def test_server_that_is_late_is_live_and_not_ready(front: Front) -> None:
    io = Server(health="/health")
    async with front.serve(io) as wire:
        make_late(io)
        reply = await wire.get("/health/ready")
        assert reply.status == 503
        assert said(reply) == {
            "ready": False,
            "reasons": [
                {"name": "loop_lag", "text": "the event loop is late by 2.50 s or more"},
            ],
        }
        assert (await wire.get("/health/live")).status == 200


async def test_head_has_the_status_and_no_body(front: Front) -> None:
    io = Server(health="/health")
    async with front.serve(io) as wire:
        http = await wire.http()
        reply = await http.request("HEAD", "/health/ready")
        assert (reply.status, reply.body) == (200, b"")
        make_late(io)
        reply = await http.request("HEAD", "/health/ready")
        assert (reply.status, reply.body) == (503, b"")


async def test_other_methods_are_refused(front: Front) -> None:
    async with front.serve(Server(health="/health")) as wire:
        reply = await wire.request("POST", "/health/ready", body=b"{}")
        assert (reply.status, reply.header("allow")) == (405, "GET, HEAD")


async def test_question_need_not_name_an_allowed_host(front: Front) -> None:
    io = Server(health="/health", allowed_hosts=["chat.example.com"])
    async with front.serve(io) as wire:
        host = {"Host": "10.1.2.3:3000"}
        assert (await wire.request("GET", "/health/ready", host)).status == 200
        assert (await wire.request("GET", wire.target(), host)).status == 403


async def test_middlewares_and_cors_have_nothing_to_do_with_it(front: Front) -> None:
    io = Server(health="/health", cors="*")
    io.engine.use(lambda request: 1 / 0)
    async with front.serve(io) as wire:
        reply = await wire.get("/health/ready", origin="https://evil.example.com")
        assert (reply.status, reply.header("access-control-allow-origin")) == (200, None)


async def test_rate_limits_raise_no_false_alarm(front: Front) -> None:
    limits = RateLimits(address_handshakes=0.01, session_packets=0.01, address_packets=0.01)
    async with front.serve(Server(health="/health", rate_limits=limits)) as wire:
        await wire.open_polling()
        assert (await wire.get(wire.target())).status == 429, "no second session so soon"
        http = await wire.http()
        for _ in range(100):
            assert (await http.get("/health/ready")).status == 200


async def test_path_is_nothing_without_the_option(native: Front) -> None:
    async with native.serve(Server()) as wire:
        assert (await wire.get("/health/ready")).status == 404


async def test_path_near_it_is_nothing(native: Front) -> None:
    async with native.serve(Server(health="/health")) as wire:
        for path in ("/health/", "/health/dead", "/healthy", "/health/live/x"):
            assert (await wire.get(path)).status == 404


async def test_path_may_be_below_that_of_the_server(front: Front) -> None:
    async with front.serve(Server(health="/socket.io/health")) as wire:
        assert (await wire.get("/socket.io/health/live")).status == 200


async def test_nothing_of_the_numbers_is_told(native: Front) -> None:
    options = HealthOptions(path="/health", needs_cluster=False)
    async with native.serve(Server(health=options)) as wire:
        await wire.open_websocket()
        assert set(said(await wire.get("/health"))) == {"ready", "reasons"}


async def test_upgrade_at_the_path_is_refused(native: Front) -> None:
    async with native.serve(Server(health="/health")) as wire:
        assert (await wire.upgrade("/health/live")).status == 400


async def test_server_that_stops_says_so_on_connections_that_are_there(native: Front) -> None:
    io = Server(health="/health")
    async with native.serve(io) as wire:
        ready, live = await wire.http(), await wire.http()
        replies: list[Reply] = []

        @io.engine.once("closing")
        async def closing() -> None:
            replies.append(await ready.get("/health/ready"))
            replies.append(await live.get("/health/live"))

        await io.close()
        assert [reply.status for reply in replies] == [503, 200]
        assert [reason["name"] for reason in said(replies[0])["reasons"]] == ["draining"]
