"""Who has a token is let in and hears what a route says; others are not: URL, TOKEN."""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request

import sockwave


def post(url: str, token: str) -> int:
    request = urllib.request.Request(
        url, method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


async def main(url: str, token: str) -> None:
    async with asyncio.timeout(60), sockwave.connect(url, auth={"token": token}) as ada:
        said = ada.events("said")
        assert await asyncio.to_thread(post, f"{url}/say/no", "none") == 401
        assert await asyncio.to_thread(post, f"{url}/say/hello", token) == 200
        heard = await anext(said)
        assert list(heard) == ["ada", "hello"], heard
    for wrong in ("", "none", f"{token}x"):
        refusal = ""
        try:
            async with sockwave.connect(url, auth={"token": wrong}):
                pass
        except sockwave.ConnectError as error:
            refusal = str(error)
        assert refusal == "log in first", (wrong, refusal)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
