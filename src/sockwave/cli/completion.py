"""`sockwave completion`: what a shell needs to complete the other commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

_VARIABLE = "_SOCKWAVE_COMPLETE"
"""By which the shell asks; click answers."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what completes commands and options in a shell.

    \b
    bash   eval "$(sockwave completion bash)"             in ~/.bashrc
    zsh    eval "$(sockwave completion zsh)"              in ~/.zshrc, behind compinit
    fish   sockwave completion fish | source              in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    # Not `source()`, which runs a bash to ask for its version first.
    maker = kind(context.find_root().command, {}, "sockwave", _VARIABLE)
    click.echo(maker.source_template % maker.source_vars())
