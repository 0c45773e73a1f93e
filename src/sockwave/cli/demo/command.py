"""`sockwave demo`: a chat in the browser."""

from __future__ import annotations

import click
from click.core import ParameterSource

from sockwave.cli.console import (
    ensure_port_is_free,
    find_port,
    host_option,
    log_level_option,
    say,
    serving,
    show_logs,
    url_of,
)

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
@log_level_option
@click.pass_context
def demo(context: click.Context, host: str, port: int, log_level: str) -> None:
    """Serve a small chat to try Sockwave with."""
    from sockwave.cli.demo.app import io, report_traffic
    from sockwave.cli.demo.site import Site

    show_logs("warning" if _is_default(context, "log_level") else log_level)
    port = _choose_port(host, port, fixed=not _is_default(context, "port"))
    say(f"[bold]Sockwave demo[/bold] on [bold cyan]{url_of(host, port)}[/bold cyan]")
    say("[dim]Open it in two windows and chat with yourself. Ctrl-C stops it.[/dim]")
    with serving(host, port):
        io.run(host=host, port=port, app=Site(background=report_traffic))


def _choose_port(host: str, port: int, *, fixed: bool) -> int:
    """Return the port to use: somebody's choice as it is, the default or the next free one."""
    if port == 0:
        return find_port(host, 0)
    if fixed:
        ensure_port_is_free(host, port)
        return port
    chosen = find_port(host, port)
    if chosen != port:
        say(f"Port {port} is in use; taking {chosen} instead.")
    return chosen


def _is_default(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.DEFAULT
