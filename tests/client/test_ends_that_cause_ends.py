"""`disconnect` handlers that disconnect sockets of other namespaces."""

from __future__ import annotations

from sockwave import Manager, Server
from tests.support.raw import stack_depth

MANY = 90


async def test_handlers_that_disconnect_all_others_run_in_order_and_side_by_side() -> None:
    io = Server()
    io.of(lambda name, auth: True)
    ended: list[int] = []
    depths: list[int] = []
    async with io.listen() as listener, Manager(listener.url) as manager:
        sockets = [manager.socket(f"/{number}") for number in range(MANY)]

        def handle(number: int) -> None:
            @sockets[number].on("disconnect")
            def leave() -> None:
                ended.append(number)
                depths.append(stack_depth())
                for other in sockets:
                    other.disconnect()

        for number in range(MANY):
            handle(number)
            await sockets[number].wait_connected(40)
        sockets[0].disconnect()
        assert ended == list(range(MANY))
        assert max(depths) < depths[0] + 60
