"""The set-up of engines leaves a machine as it was, but for the programs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from scripts.engines import no_services

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.unix
def test_packages_are_told_to_start_nothing_while_they_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    with no_services(policy):
        assert subprocess.run([policy, "redis-server", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_policy_of_a_machine_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("its own")
    with no_services(policy):
        assert policy.read_text() == "its own"
    assert policy.read_text() == "its own"
