"""A long step in worker processes that are asked to stop, and killed, at random moments.

`make soak` walks 100,000 items, interrupted 50 times and killed 10 times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from jobkit.payload import Payload
from jobkit.steps.stored import Stored
from tests.integration.worker.site import Site, payload, until
from tests.soak import SOAK

ITEMS, STOPS, KILLS = (100_000, 50, 10) if SOAK else (2_000, 2, 1)
SAVE_EVERY = 0.25 if SOAK else 0.05
LEASE = 0.5
ROOT = Path(__file__).parents[3]

JOBS = f"""
    class Walk(Job):
        def perform(self, number):
            self.step("walk", self.walk)

        def walk(self, step):
            note("R", step.cursor or 0)
            for item in step.each(range({ITEMS})):
                note("I", item)
                # Behind what is waited for slowly: it must not have come to its end meanwhile.
                time.sleep(0.0002 if item < int(Path("enough").read_text()) else 0.05)
"""
JOB = payload("app.Walk", 1)


@dataclass
class Run:
    """One run of the job, by what it wrote down."""

    start: int
    items: list[int] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.items)


class Walkers:
    """The worker that walks, and the next one, which stands by."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read, self._lines, self._runs = 0, 0, 0
        self._next = self._begun()
        self.replace()

    def close(self) -> None:
        """End the one that stands by."""
        self._next.kill()
        self._next.communicate()

    def replace(self) -> None:
        """Let the next one begin."""
        self._current, self._next = self._next, self._begun()
        assert self._current.stdin is not None
        self._current.stdin.close()

    def end(self, how: signal.Signals) -> int:
        """Send the signal, wait until the process is gone; the cursor that the store has then."""
        self._current.send_signal(how)
        assert self._current.wait(60) == (0 if how is signal.SIGTERM else -how)
        return self.cursor()

    def cursor(self) -> int:
        [found] = self._site.store.find([JOB.id])
        return _cursor(found.payload)

    def lines(self) -> tuple[int, int]:
        """How many runs have begun, and how many lines they wrote in all."""
        path = self._site.folder / "log"
        if path.exists():
            with path.open("rb") as log:
                log.seek(self._read)
                new = log.read()
            self._read += len(new)
            self._lines += new.count(b"\n")
            self._runs += new.count(b"R ")
        return self._runs, self._lines

    def _begun(self) -> subprocess.Popen[bytes]:
        with (self._site.folder / "stderr").open("a") as stderr:
            walker = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.integration.worker.walker",
                    str(LEASE),
                    str(SAVE_EVERY),
                ],
                cwd=self._site.folder,
                env={**os.environ, "JOBKIT_URL": self._site.url, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        self._site.workers.append(walker)
        return walker


def _cursor(stored: Payload) -> int:
    return Stored.of(stored).cursor or 0


def walked(site: Site) -> Iterator[Run]:
    run: Run | None = None
    for line in (site.folder / "log").read_text().splitlines():
        kind, number, _ = line.split()
        if kind == "R":
            if run is not None:
                yield run
            run = Run(int(number))
        else:
            assert run is not None
            run.items.append(int(number))
    assert run is not None
    yield run


@pytest.mark.timeout(600)
@pytest.mark.behaviour("I1")
def test_every_item_is_seen_and_only_those_behind_the_cursor_again(site: Site) -> None:
    site.add(JOBS)
    hasten(site, 0)
    site.store.enqueue([JOB])
    with closing(Walkers(site)) as walkers:
        ends, saved = interrupted(site, walkers)
        hasten(site, ITEMS)
        until(partial(is_over, site), 60)
    runs = list(walked(site))
    for run in runs:
        assert run.items == list(range(run.start, run.end))
    for how, cursor, (before, after) in zip(ends, saved, pairwise(runs), strict=True):
        assert after.start == before.end or how is signal.SIGKILL
        assert cursor <= after.start <= before.end
    assert (runs[0].start, runs[-1].end) == (0, ITEMS)
    repeated = [before.end - after.start for before, after in pairwise(runs)]
    print(f"{len(runs)} runs, repeated after kills: {sorted(filter(None, repeated))}")


def hasten(site: Site, item: int) -> None:
    """Have it walk quickly until it comes to that item."""
    (site.folder / "enough.new").write_text(str(item))
    (site.folder / "enough.new").replace(site.folder / "enough")


def interrupted(site: Site, walkers: Walkers) -> tuple[list[signal.Signals], list[int]]:
    """How each walker but the last was ended, and the cursor that the store had then."""
    dice = random.Random(1)
    ends = [signal.SIGTERM] * STOPS + [signal.SIGKILL] * KILLS
    dice.shuffle(ends)
    saved, begun = [], 0
    for nth, how in enumerate(ends):
        until(lambda nth=nth: walkers.lines()[0] == nth + 1, 60)  # type: ignore[misc]
        start = walkers.cursor()
        share = (ITEMS - start) / (len(ends) - nth + 1)
        enough = begun + 1 + dice.uniform(0, 1.5) * share
        hasten(site, start + round(enough) - begun)
        until(lambda enough=enough: walkers.lines()[1] >= enough, 60)  # type: ignore[misc]
        if how is signal.SIGKILL:  # three in a row without progress would end the job
            until(lambda start=start: walkers.cursor() > start, 60)  # type: ignore[misc]
        saved.append(walkers.end(how))
        begun = walkers.lines()[1]
        walkers.replace()
    return ends, saved


def is_over(site: Site) -> bool:
    stats = site.store.stats()
    assert (stats.failed, stats.dead) == (0, 0)
    return stats.processed == 1 and stats.running == 0
