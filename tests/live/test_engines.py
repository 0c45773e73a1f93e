"""The engines of the other tests do what those rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.engines import Nats, Postgres, Redis, RedisCluster, Sentinel
from tests.live.programs import family, is_there, until

if TYPE_CHECKING:
    from tests.live.programs import Program

ENGINES: list[type[Redis | Postgres | Nats]] = [Redis, Postgres, Nats]


@pytest.mark.parametrize("kind", ENGINES)
def test_engine_is_there_until_it_is_stopped_and_again_on_its_port(
    kind: type[Redis | Postgres | Nats],
) -> None:
    with kind() as engine:
        port, pid, directory = engine.port, engine.pid, engine.directory
        assert engine.is_ready()
        engine.stop()
        with pytest.raises(OSError, match="refused"):
            engine.is_ready()
        engine.start()
        engine.kill()
        engine.start()
        assert (engine.port, engine.is_ready()) == (port, True)
        assert engine.pid != pid
        engine.restart()
        assert engine.is_ready()
    assert not directory.exists()


@pytest.mark.parametrize("kind", ENGINES)
def test_paused_engine_answers_nothing_and_then_goes_on(
    kind: type[Redis | Postgres | Nats],
) -> None:
    with kind() as engine:
        engine.pause()
        assert _states(engine) - {"Z"} == {"T"}
        with pytest.raises(TimeoutError):
            engine.is_ready()
        engine.resume()
        assert engine.is_ready()
        engine.pause()  # who is paused can be stopped, too


def _states(engine: Program) -> set[str]:
    return {
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        for pid in family(engine.pid)
    }


def test_engine_that_does_not_start_says_why() -> None:
    with pytest.raises(AssertionError, match="no-such-option"), Redis("no-such-option yes"):
        pass


def test_redis_keeps_what_it_is_told_to_keep() -> None:
    with Redis() as forgetful, Redis(keeps_data=True) as mindful:
        for redis in (forgetful, mindful):
            assert redis.cli("SET", "name", "value") == "OK"
            redis.kill()
            redis.start()
        assert (forgetful.cli("GET", "name"), mindful.cli("GET", "name")) == ("", "value")


def test_postgres_runs_statements(postgres: Postgres) -> None:
    assert postgres.sql("SELECT 1, 'two'") == "1|two"
    with pytest.raises(AssertionError, match="does not exist"):
        postgres.sql("SELECT * FROM nothing")


def test_redis_cluster_shares_its_slots() -> None:
    with RedisCluster() as cluster:
        assert cluster.nodes[0].cli("CLUSTER", "KEYSLOT", "a") == "15495"
        with pytest.raises(AssertionError, match=r"MOVED 15495 127\.0\.0\.1"):
            cluster.nodes[0].cli("SET", "a", "1")
        assert cluster.nodes[2].cli("SET", "a", "1") == "OK"


def test_sentinels_put_the_replica_in_place_of_a_dead_master() -> None:
    with Sentinel() as pair:
        old, new = pair.master, pair.replica
        old.cli("SET", "name", "value")
        old.cli("WAIT", "1", "1000")
        pair.fail_over()
        assert (pair.master, pair.replica) == (new, old)
        assert new.cli("GET", "name") == "value"
        assert new.cli("SET", "name", "another") == "OK"


def test_engine_does_not_outlive_the_tests(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal\n"
        "from tests.live.engines import Redis\n"
        "redis = Redis()\n"
        "redis.start()\n"
        "print(redis.pid, redis.directory, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, program], env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    pid, directory = done.stdout.split()
    until(lambda: not is_there(int(pid)), lambda: "it is there")
    until(lambda: not Path(directory).exists(), lambda: "its directory is there")
