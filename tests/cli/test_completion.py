"""`sockwave completion`: the shells that are here take it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sockwave.cli import main

WORDS = "sockwave run --unix"


@pytest.mark.unix
def test_bash_completes_an_option() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    ask = f"""
        {script}
        COMP_WORDS=({WORDS}) COMP_CWORD=2
        _sockwave_completion sockwave
        echo "${{COMPREPLY[@]}}"
    """
    folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [bash, "-c", ask], capture_output=True, text=True, timeout=100, env=environment
    )
    assert (done.stdout, done.stderr) == ("--unix-path\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_how_to_ask(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_SOCKWAVE_COMPLETE={shell}_complete" in result.stdout
