"""The files of `examples/balancers` and `examples/compose` say what is so.

`tests/live/test_balancers.py` runs those of nginx and HAProxy, `tests/live/test_compose.py` what is
in those of compose.
"""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from sockwave.cli.run import run
from tests.support.examples import EXAMPLES
from tests.support.peers import package

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BALANCERS: Final = EXAMPLES / "balancers"
COMPOSE: Final = EXAMPLES / "compose"
YAML_FILES: Final = sorted([*BALANCERS.glob("*.yaml"), *COMPOSE.glob("*.yaml")])
NAMES: Final = ("a", "b", "c")
ADDRESSES: Final = [f"10.0.0.{number}:3000" for number in (1, 2, 3)]
CHECK: Final = "/socket.io/socket.io.min.js"
"""Where each server answers those who look whether it is well."""

CARRIERS: Final = {
    "redis": ("redis", "RedisAdapter", "redis"),
    "streams": ("redis", "RedisStreamsAdapter", "redis"),
    "postgres": ("postgres", "PostgresAdapter", "asyncpg"),
    "nats": ("nats", "NatsAdapter", "nats"),
}
"""By the name of a compose file: the service that carries, the adapter, and what that needs."""


def loaded(file: Path) -> list[Any]:
    """The documents in a file."""
    return list(yaml.safe_load_all(file.read_text()))


def started(command: Sequence[str]) -> dict[str, Any]:
    """What the command line understands of a command."""
    assert command[:2] == ["sockwave", "run"]
    return run.make_context("run", [*command[2:]]).params


def program(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the example, imported with these settings."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(BALANCERS / "server.py"))


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda file: file.name)
def test_file_is_well_formed_and_says_whether_it_was_run(file: Path) -> None:
    assert all(isinstance(document, dict) for document in loaded(file))
    comment = re.match(r"(# .*\n)+", file.read_text())
    assert comment is not None
    told = "Our tests run these commands" if file.parent == COMPOSE else "Not run by our tests."
    assert told in comment[0].replace("\n# ", " ")


def test_each_file_of_compose_is_tried() -> None:
    assert {file.stem for file in COMPOSE.glob("*.yaml")} == set(CARRIERS)


@pytest.mark.parametrize("name", CARRIERS)
def test_services_of_compose_fit_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier, adapter, needed = CARRIERS[name]
    package(needed)
    (document,) = loaded(COMPOSE / f"{name}.yaml")
    services = document["services"]
    assert set(services) == {carrier, *NAMES, "nginx"}
    address = services["nginx"]["networks"]["default"]["ipv4_address"]
    for server in NAMES:
        service = services[server]
        assert service["build"] == {
            "context": "../balancers",
            "dockerfile": "../compose/Dockerfile",
        }
        told = started(service["command"])
        assert (told["target"], told["host"], told["port"]) == ("server:io", "0.0.0.0", 3000)
        names = program(service["environment"], monkeypatch)
        io = names["io"]
        assert type(io.options.adapter).__name__ == adapter
        assert names["session_id"](None).endswith(f"-{server}")
        assert list(io.engine.options.trusted_proxies) == [address]
        assert f"//{carrier}:" in names["CARRIER"].replace("postgres:secret@", "")
        patience = int(service["stop_grace_period"].removesuffix("s"))
        assert patience > told["drain_period"] + io.engine.options.shutdown_timeout


def test_image_has_what_the_program_needs() -> None:
    text = (COMPOSE / "Dockerfile").read_text()
    assert "COPY server.py ." in text
    extras = re.search(r"sockwave\[([\w,]+)\]", text)
    assert extras is not None
    assert set(extras[1].split(",")) == {carrier for carrier, _, _ in CARRIERS.values()}


def test_nginx_of_compose_is_the_recipe_without_tls() -> None:
    recipe = (BALANCERS / "nginx-by-session.conf").read_text()
    for name, address in zip(NAMES, ADDRESSES, strict=True):
        recipe = recipe.replace(address, f"{name}:3000")
    recipe = re.sub(r"listen 443 ssl;\n.*?_key \S+;\n", "listen 80;\n", recipe, flags=re.DOTALL)
    ours = (COMPOSE / "nginx.conf").read_text()
    comments = re.compile(r"\A(#.*\n)+")
    assert comments.sub("", ours) == comments.sub("", recipe)


def test_traefik_knows_the_servers() -> None:
    (start,), (dynamic,) = map(
        loaded, (BALANCERS / "traefik.yaml", BALANCERS / "traefik-chat.yaml")
    )
    router, service = dynamic["http"]["routers"]["chat"], dynamic["http"]["services"]["chat"]
    assert router["entryPoints"] == list(start["entryPoints"])
    assert router["service"] == "chat"
    balancer = service["loadBalancer"]
    assert [each["url"] for each in balancer["servers"]] == [f"http://{at}" for at in ADDRESSES]
    assert balancer["healthCheck"]["path"] == CHECK


def test_envoy_finds_the_server_of_a_session() -> None:
    (document,) = loaded(BALANCERS / "envoy.yaml")
    (listener,) = document["static_resources"]["listeners"]
    (manager,) = listener["filter_chains"][0]["filters"]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    *by_session, other = host["routes"]
    clusters = {
        cluster["name"]: [
            "{address}:{port_value}".format(**endpoint["endpoint"]["address"]["socket_address"])
            for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        ]
        for cluster in document["static_resources"]["clusters"]
    }
    assert clusters[other["route"]["cluster"]] == ADDRESSES
    found = {
        route["match"]["query_parameters"][0]["string_match"]["suffix"]: route["route"]["cluster"]
        for route in by_session
    }
    assert {end: clusters[cluster] for end, cluster in found.items()} == {
        f"-{name}": [address] for name, address in zip(NAMES, ADDRESSES, strict=True)
    }


def test_kubernetes_runs_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, service, ingress = loaded(BALANCERS / "kubernetes.yaml")
    assert [each["kind"] for each in (deployment, service, ingress)] == [
        "Deployment",
        "Service",
        "Ingress",
    ]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    told = started(container["command"])
    (port,) = container["ports"]
    assert (told["target"], told["port"]) == ("server:io", port["containerPort"])
    asleep = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > asleep + told["drain_period"] + 5
    for probe, path in (
        ("startupProbe", "/health/live"),
        ("readinessProbe", "/health/ready"),
        ("livenessProbe", "/health/live"),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
        assert path in program({}, monkeypatch)["io"].engine.beside
    patience = container["livenessProbe"]["periodSeconds"]
    assert patience * container["livenessProbe"]["failureThreshold"] >= 60
    shown = (BALANCERS.parents[1] / "docs" / "health.md").read_text()
    for key in ("startupProbe", "readinessProbe", "livenessProbe"):
        (block,) = re.findall(rf"^ +{key}:\n(?: {{12}}.*\n)+", shown, re.MULTILINE)
        assert yaml.safe_load(block)[key] == container[key]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]


@pytest.mark.parametrize("file", sorted(BALANCERS.glob("*.conf")) + sorted(BALANCERS.glob("*.cfg")))
def test_recipe_is_run_by_a_test(file: Path) -> None:
    tests = EXAMPLES.parent / "tests" / "live" / "test_balancers.py"
    assert f'"{file.name}"' in tests.read_text()
