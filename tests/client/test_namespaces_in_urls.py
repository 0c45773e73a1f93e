"""Where a namespace is given: errors tell who looks for it elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

import sockwave.sync
from sockwave import ConnectError, Manager, Server, connect

URL = "http://localhost:9"


@pytest.mark.parametrize("name", ["namespace", "namespaces"])
@pytest.mark.parametrize("call", [connect, sockwave.sync.connect])
def test_namespace_as_an_option_is_told_to_be_the_path_of_the_url(call: Any, name: str) -> None:
    words = f"^connect has no option '{name}': the path of the URL is the namespace, as in "
    with pytest.raises(TypeError, match=words):
        call(URL, **{name: "/x"})


@pytest.mark.parametrize("manager", [Manager, sockwave.sync.Manager])
def test_namespace_of_a_manager_is_told_to_be_its_sockets(manager: Any) -> None:
    with pytest.raises(TypeError, match=r"^Manager has no option 'namespace': .*\.socket\("):
        manager(URL, namespace="/x")


@pytest.mark.parametrize("path", ["/socket.io", "/socket.io/"])
async def test_path_of_http_in_the_url_is_told_to_be_a_namespace(path: str) -> None:
    async with Server().listen() as listener:
        with pytest.raises(ConnectError, match=r"the path of the URL is the namespace") as caught:
            async with connect(listener.url + path):
                pass
    assert caught.value.message == "Invalid namespace"


async def test_other_namespace_that_is_not_there_keeps_the_words_of_the_server() -> None:
    async with Server().listen() as listener:
        with pytest.raises(ConnectError, match=r"^Invalid namespace$"):
            async with connect(f"{listener.url}/chat"):
                pass
