"""`sockwave demo`: a chat in the browser."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sockwave.cli.console import (
    Failure,
    ensure_port_is_free,
    find_port,
    host_option,
    log_format_option,
    log_level_option,
    say,
    serving,
    show_logs,
)
from sockwave.platform import has_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave import Listener, WebTransport

__all__ = ["demo"]

DEFAULT_PORT = 3000


@click.command()
@host_option
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="TCP port; 0 for any free one.",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Name that browsers may ask for, beside this machine's own: behind a tunnel, for one.",
)
@click.option(
    "--webtransport",
    is_flag=True,
    help="Serve WebTransport too, on the UDP port of that number, with a certificate made for it.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    show_default=True,
    help="Show it in the browser, when started in a terminal.",
)
@log_level_option("warning")
@log_format_option
@click.pass_context
def demo(
    context: click.Context,
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    webtransport: bool,
    opens: bool,
    log_level: str,
    log_format: str,
) -> None:
    """Serve a small chat to try Sockwave with."""
    from sockwave.cli.demo.hosts import allow

    try:
        allow(allow_host)  # before the application reads them
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--allow-host") from None
    from sockwave.cli.demo.app import io, report_traffic
    from sockwave.cli.demo.site import Site

    show_logs(log_level, log_format=log_format)
    if context.get_parameter_source("port") is ParameterSource.DEFAULT:
        port = _default_port(host)
    else:
        ensure_port_is_free(host, port)
    with _certificate(webtransport) as (served, certificate), serving():
        io.run(
            host=host,
            port=port,
            app=Site(report_traffic, certificate),
            webtransport=served,
            on_listening=lambda listener: _welcome(host, listener, opens=opens),
            uvicorn_options={"log_config": None, "log_level": log_level},
        )


@contextmanager
def _certificate(is_wanted: bool) -> Iterator[tuple[WebTransport | None, bytes | None]]:
    """A certificate for as long as the demo runs, and its hash."""
    if not is_wanted:
        yield None, None
        return
    from sockwave import WebTransport
    from sockwave.cli.certificate import OWN_NAMES, make_certificate, write_private

    try:
        made = make_certificate(OWN_NAMES)
    except ImportError as error:
        raise Failure(str(error)) from error
    with TemporaryDirectory(prefix="sockwave-demo-") as folder:
        file = Path(folder) / "both.pem"
        write_private(file, made.key + made.certificate, replace=False)
        yield WebTransport(file), made.hash


def _default_port(host: str) -> int:
    """Return the default port, or the next free one and say so."""
    chosen = find_port(host, DEFAULT_PORT)
    if chosen != DEFAULT_PORT:
        say(f"Port {DEFAULT_PORT} is in use; taking {chosen} instead.")
    return chosen


def _welcome(host: str, listener: Listener, *, opens: bool) -> None:
    say(f"[bold]Sockwave demo[/bold] on [bold cyan]{listener.url}/[/bold cyan]")
    say("[dim]Open it in two windows and chat with yourself. Ctrl-C stops it.[/dim]")
    if host in ("127.0.0.1", "localhost", "::1"):
        say("[dim]To let your phone in, start it with --host 0.0.0.0.[/dim]")
    if opens and has_terminal():
        # It may wait for the browser, and the page for the server, whose loop this is.
        threading.Thread(target=webbrowser.open, args=(f"{listener.url}/",), daemon=True).start()
