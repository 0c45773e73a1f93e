"""Throw inputs at everything that decodes what a peer sends.

    python -m fuzz.run                              each target for 20 s, guided by coverage
    python -m fuzz.run --target codec --inputs 1000000 --seed 1
    python -m fuzz.run --target listener --seconds 300
    python -m fuzz.run --target json --reproduce '"[1e999"'

`atheris` looks for inputs that reach new code, and keeps them under .cache/fuzz. `mutation` changes
valid inputs by chance: the same seed gives the same inputs. The first failure of a target ends it,
with the input as a Python literal, and the command ends with status 1.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import random
import re
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.cost import CostError, Slowest, check_memory, check_time, time_limit
from fuzz.mutate import MAX_INPUT, TOKENS, large, mutate
from fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "fuzz"

GROUPS: Final = {
    "all": list(TARGETS),
    "codec": [name for name, target in TARGETS.items() if target.is_codec],
    "connections": [name for name, target in TARGETS.items() if not target.is_codec],
}
DEFAULT_SECONDS: Final = 20.0

HANGS_AFTER: Final = 60
"""Seconds for some hundred inputs, or one under atheris."""

_BATCH: Final = 500
_LARGE_EVERY: Final = 1_000
_MEMORY_EVERY: Final = 5_000


@dataclass
class Outcome:
    """What became of one target.

    Attributes:
        failure: What to tell of it; empty when there was none.
    """

    name: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: Slowest = field(default_factory=Slowest)
    more: str = ""
    failure: str = ""

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        line = f"{self.name:26} {self.inputs:>9,} inputs {rate:>8,.0f}/s"
        return line + (f"  slowest {self.slowest}" if self.slowest.data else "") + self.more


# --- mutation -------------------------------------------------------------------------------------


def run_mutation(name: str, inputs: int | None, seconds: float | None, seed: int) -> Outcome:
    """Run one target, for a number of inputs or for a time, its valid inputs first."""
    target, outcome = TARGETS[name], Outcome(name)
    rng = random.Random(f"{seed} {name}")
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _hangs)
    data = b""
    try:
        check = target.make()
        for data in target.corpus:
            check(data)
        for number in count() if inputs is None else range(inputs):
            if not number % _BATCH:
                signal.alarm(HANGS_AFTER)
                if seconds is not None and time.monotonic() - began > seconds:
                    break
            is_large = number % _LARGE_EVERY == _LARGE_EVERY - 1
            data = (large if is_large else mutate)(rng, target.corpus)
            _try(check, data, outcome.slowest, is_codec=target.is_codec)
            if number % _MEMORY_EVERY == _MEMORY_EVERY - 1 and target.is_codec:
                check_memory(check, data)
            outcome.inputs += 1
    except Exception as error:
        trace = "" if isinstance(error, CostError) else traceback.format_exc()
        outcome.failure = _describe(name, data, f"{trace or error}")
    finally:
        signal.alarm(0)
    outcome.seconds = time.monotonic() - began
    return outcome


def _try(check: Callable[[bytes], None], data: bytes, slowest: Slowest, *, is_codec: bool) -> None:
    began = time.perf_counter()
    check(data)
    seconds = time.perf_counter() - began
    if seconds > slowest.seconds:
        limit = time_limit(len(data), is_codec=is_codec)
        slowest.saw(data, check_time(check, data, limit))


def _hangs(number: int, frame: object) -> None:
    raise CostError(f"not done after {HANGS_AFTER} s")


def _describe(name: str, data: bytes, what: str) -> str:
    return (
        f"{what.rstrip()}\n{name} fails on {data!r}\n"
        f"Again: python -m fuzz.run --target {name} --reproduce {repr(data)[1:]!a}"
    )


# --- atheris --------------------------------------------------------------------------------------

_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")


def run_guided(name: str, inputs: int | None, seconds: float | None, seed: int) -> Outcome:
    """Run one target in a process of its own."""
    folder = CACHE / name
    corpus, failures = folder / "corpus", folder / "failures"
    for path in (corpus, failures):
        path.mkdir(parents=True, exist_ok=True)
    for data in TARGETS[name].corpus:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    before = set(failures.iterdir())
    dictionary = folder / "tokens"
    dictionary.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
    limit = f"-max_total_time={seconds or 0:.0f}" if inputs is None else f"-runs={inputs}"
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fuzz.guided", name, str(corpus), limit, f"-seed={seed}"),
            *(f"-dict={dictionary}", f"-max_len={MAX_INPUT}", f"-timeout={HANGS_AFTER}"),
            *(f"-artifact_prefix={failures}/", "-print_final_stats=1", "-rss_limit_mb=1024"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    outcome = Outcome(name, seconds=time.monotonic() - began)
    if executed := _EXECUTED.findall(done.stdout):
        outcome.inputs = int(executed[-1])
    if covered := _COVERED.findall(done.stdout):
        outcome.more = f"  {covered[-1]} edges"
    found = sorted(set(failures.iterdir()) - before)
    if found:
        outcome.failure = _describe(name, found[0].read_bytes(), done.stdout[-3000:])
    elif done.returncode:
        outcome.failure = f"{name}: atheris ended with {done.returncode}\n{done.stdout[-3000:]}"
    return outcome


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in token)


# --- the command ----------------------------------------------------------------------------------


def reproduce(name: str, literal: str) -> int:
    """Run one input, written as it was told, or a file of them."""
    target = TARGETS[name]
    path = Path(literal)
    is_file = len(literal) < 200 and path.is_file()
    data = path.read_bytes() if is_file else ast.literal_eval("b" + literal)
    check = target.make()
    check(data)
    check_time(check, data, time_limit(len(data), is_codec=target.is_codec))
    print(f"{name} passes")
    return 0


def main() -> int:
    """Read the command line and run."""
    names = [*GROUPS, *TARGETS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("atheris", "mutation"), help="default: what there is")
    parser.add_argument("--target", choices=names, metavar="NAME", action="append",
                        help=f"one of {', '.join(names)}; may be repeated")  # fmt: skip
    parser.add_argument("--inputs", type=int, help="in all, over the targets")
    parser.add_argument("--seconds", type=float, help="for each target")
    parser.add_argument("--seed", type=int, help="default: a new one each time")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--reproduce", metavar="LITERAL", help="run one input, or a file")
    arguments = parser.parse_args()

    chosen = list(dict.fromkeys(n for t in arguments.target or ["all"] for n in GROUPS.get(t, [t])))
    if arguments.reproduce is not None:
        if len(chosen) != 1:
            parser.error("--reproduce needs one --target")
        return reproduce(chosen[0], arguments.reproduce)
    engine = arguments.engine
    if engine is None:
        engine = "atheris" if find_spec("atheris") else "mutation"
        if engine == "mutation":
            version = ".".join(map(str, sys.version_info[:2]))
            print(f"No atheris on this Python {version}: inputs by mutation only")
    seed = random.randrange(2**31) if arguments.seed is None else arguments.seed
    seconds = arguments.seconds
    if seconds is None and arguments.inputs is None:
        seconds = DEFAULT_SECONDS
    share = None if arguments.inputs is None else -(-arguments.inputs // len(chosen))
    print(f"Fuzzing {len(chosen)} targets by {engine}, seed {seed}", flush=True)

    run = run_guided if engine == "atheris" else run_mutation
    outcomes: list[Outcome] = []
    with (
        ThreadPoolExecutor(arguments.jobs)
        if engine == "atheris"
        else ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn"))
    ) as pool:
        for outcome in pool.map(partial(run, inputs=share, seconds=seconds, seed=seed), chosen):
            print(outcome, flush=True)
            outcomes.append(outcome)
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    total = sum(outcome.inputs for outcome in outcomes)
    print(f"{total:,} inputs, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
