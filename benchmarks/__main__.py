"""`make bench`: the rates of each store, and beside them what a bare loop does in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import postgres_store, redis_store
from benchmarks.bare import bare_loop
from benchmarks.noop import JOBS, Rates

ROUNDS = 3
TARGET = 3_000
"""Jobs a second that a worker process must settle on SQLite, every transaction on the disk."""


@dataclass(frozen=True, slots=True)
class Round:
    """One of each, close together, so that what else the machine does hits all alike."""

    bare: float
    sqlite: Rates
    memory: Rates


def main() -> int:
    rounds = [_round() for _ in range(ROUNDS)]
    bare = median(each.bare for each in rounds)
    sqlite = _medians([each.sqlite for each in rounds])
    memory = _medians([each.memory for each in rounds])
    print(f"{JOBS:,} no-op jobs, one worker process, ten threads; medians of {ROUNDS}, jobs/s\n")
    print(f"{'':24}{'settled':>10}{'bulk':>10}{'single':>10}")
    _print_rates("SQLite, synchronous=FULL", sqlite)
    _print_rates("memory", memory)
    print(f"{'bare sqlite3 loop':24}{bare:>10,.0f}")
    print(f"\njobkit settles {sqlite.settled / bare:.0%} of what the bare loop claims and deletes")
    return max(_verdict(sqlite), postgres_store.main(), redis_store.main())


def _round() -> Round:
    with TemporaryDirectory() as folder:
        return Round(
            bare=bare_loop(Path(folder, "bare.sqlite3")),
            sqlite=_in_own_process(f"sqlite:///{folder}/jobs.sqlite3"),
            memory=_in_own_process("memory://"),
        )


def _in_own_process(url: str) -> Rates:
    command = [sys.executable, "-m", "benchmarks.noop", url]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Rates(**json.loads(answer))


def _medians(rates: Sequence[Rates]) -> Rates:
    return Rates(
        bulk=median(each.bulk for each in rates),
        single=median(each.single for each in rates),
        settled=median(each.settled for each in rates),
    )


def _print_rates(name: str, rates: Rates) -> None:
    print(f"{name:24}{rates.settled:>10,.0f}{rates.bulk:>10,.0f}{rates.single:>10,.0f}")


def _verdict(sqlite: Rates) -> int:
    if sqlite.settled >= TARGET:
        return 0
    print(f"SQLite settles fewer than {TARGET:,} jobs/s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
