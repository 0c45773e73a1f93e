"""Types of what handlers ask for, as users meet them; mypy and pyright are the test.

Lines with `type: ignore` must be errors: an ignore that is not needed is one itself.
"""

from __future__ import annotations

from typing import Annotated, assert_type

from sockwave import Ack, Depends, EventName, FromData, Router, Server, Socket


class User:
    name: str


def user(socket: Socket) -> User:
    return User()


def handlers(io: Server, router: Router) -> None:
    @io.event
    async def place(
        socket: Socket,
        count: int,
        who: Annotated[User, Depends(user)],
        mine: Annotated[User, FromData()],
        name: EventName,
        ack: Ack,
    ) -> None:
        assert_type(who.name, str)
        assert_type(mine, User)
        assert_type(ack.is_wanted, bool)
        ack(count, name)

    io.dependency_overrides[user] = User
    Depends(user, scope="connection")
    Depends(user, scope="for ever")  # type: ignore[arg-type]
    Depends("user")  # type: ignore[arg-type]
    FromData(5)  # type: ignore[arg-type]
    Router("/orders", dependencies=[Depends(user)])
    Router("/orders", dependencies=Depends(user))  # type: ignore[arg-type]
