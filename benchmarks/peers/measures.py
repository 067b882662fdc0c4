"""What is measured, each of all contestants in turns, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import Final

from benchmarks.peers.contestant import Contestant, load_of, until
from benchmarks.peers.stores import Field

__all__ = ["MEASURES", "Sizes"]

Rounds = dict[str, dict[str, list[float]]]
"""What each round told, by contestant and measure."""

_SENDS: Final = 150
_NAPS: Final = 1_000
_IDLE: Final = 10.0
_SLOW: Final = 10
"""So many times fewer jobs for those that run fewer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`jobs` are drained at once, beside each number of `waiting` ones, in each of the rounds."""

    jobs: int
    waiting: tuple[int, ...]
    rounds: int

    def of(self, contestant: Contestant) -> int:
        return self.jobs if contestant.app == "jobkit" else max(500, self.jobs // _SLOW)


def drain(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """Jobs a second of one process, logging off, and logging as it is."""
    for _ in range(sizes.rounds):
        _note(rounds, "a bare loop", "drain", field.bare())
        for each in field.contestants:
            _drain(field, sizes, rounds, each, what="drain")
            _drain(field, sizes, rounds, each, what="drain, logging", logs=True)


def processes(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """Jobs a second of one process and of two, on all cores: the store is on one of them.

    Of jobkit's own those of jobs that take 0.1 ms of CPU, too: a store has time for them.
    """
    for _ in range(sizes.rounds):
        for each in field.contestants:
            everywhere = each.everywhere
            for number in (1, 2):
                what = f"{number} on all cores"
                _drain(field, sizes, rounds, everywhere, what=what, number=number)
            apart = replace(everywhere, apart=True)
            _drain(field, sizes, rounds, apart, what="2, a core each", number=2)
        ours = field.contestants[0].everywhere
        for number in (1, 2):
            contestant = field.fresh(ours)
            jobs = number * sizes.jobs // _SLOW
            contestant.send("work", jobs)
            rate = contestant.drained(jobs, number).rate
            _note(rounds, ours.name, f"0.1 ms, {number} on all cores", rate)


def _drain(
    field: Field,
    sizes: Sizes,
    rounds: Rounds,
    each: Contestant,
    *,
    what: str,
    number: int = 1,
    logs: bool = False,
) -> None:
    contestant = field.fresh(each)
    jobs = sizes.of(each)
    contestant.send("many", jobs)
    _note(rounds, each.name, what, contestant.drained(jobs, number, logs=logs).rate)


def enqueue(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """Jobs a second that one process stores, one at a time and many."""
    for _ in range(sizes.rounds):
        for each in field.contestants:
            contestant = field.fresh(each)
            _note(rounds, each.name, "enqueue one", contestant.send("one", 500)["rate"])
            many = contestant.send("many", sizes.of(each))
            _note(rounds, each.name, "enqueue many", many["rate"])


def latency(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """From the call that enqueues to the first line of the job, in milliseconds; start-up too."""
    for _ in range(sizes.rounds):
        for each in field.contestants:
            contestant = field.fresh(each)
            contestant.send("many", 1)
            began = time.monotonic()
            with contestant.working() as (_, folder):
                told = until(folder, 2)  # the one that made the connection is the other
                _note(rounds, each.name, "start-up s", told.first - began)
                contestant.send("send", _SENDS)
                delays = until(folder, _SENDS + 3).delays
            if len(delays) > 2:
                cuts = quantiles(delays, n=100)
                _note(rounds, each.name, "p50 ms", cuts[49] * 1e3)
                _note(rounds, each.name, "p99 ms", cuts[98] * 1e3)


def naps(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """Jobs of 10 ms, ten at once: the share of the 1,000 a second that are ideal."""
    for _ in range(sizes.rounds):
        for each in field.contestants:
            contestant = field.fresh(each)
            contestant.send("nap", _NAPS)
            told = contestant.drained(_NAPS + 1)
            _note(rounds, each.name, "10 ms jobs %", told.rate / 10)


def idle(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """A worker with nothing to do: megabytes of all its processes, and per cent of a core."""
    for each in field.contestants:
        contestant = field.fresh(each)
        with contestant.working() as ([process], _):
            time.sleep(3)
            before = load_of(process)
            time.sleep(_IDLE)
            after = load_of(process)
        _note(rounds, each.name, "idle MB", after.rss)
        _note(rounds, each.name, "idle % CPU", 100 * (after.cpu - before.cpu) / _IDLE)


def waiting(field: Field, sizes: Sizes, rounds: Rounds) -> None:
    """Jobs a second while so many wait."""
    for number in sizes.waiting:
        for each in field.contestants:
            contestant = field.fresh(each)
            jobs = sizes.of(each)
            contestant.send("many", max(number, jobs))
            told = contestant.drained(jobs)
            _note(rounds, each.name, f"of {number:,}", told.rate)


def _note(rounds: Rounds, name: str, what: str, value: float) -> None:
    rounds.setdefault(name, {}).setdefault(what, []).append(value)


MEASURES: Final[Mapping[str, Callable[[Field, Sizes, Rounds], None]]] = {
    "drain": drain,
    "processes": processes,
    "enqueue": enqueue,
    "latency": latency,
    "naps": naps,
    "idle": idle,
    "waiting": waiting,
}
