"""How soon the job of a process that was killed starts again: a measurement, for `make soak`."""

from __future__ import annotations

import subprocess
import time
from statistics import median, quantiles

import pytest

from tests.integration.supervisor.test_deaths import LONG, seconds_to_run_again
from tests.integration.worker.site import Site, until
from tests.soak import SOAK

pytestmark = [
    pytest.mark.skipif(not SOAK, reason="takes minutes: make soak, or SOAK=1"),
    pytest.mark.timeout(1_200),
]

KILLS = 100
TOGETHER = 10
STEADY = 1.1
"""Seconds: who was ready for less is replaced after a pause, lest it die again and again."""
LEASE = 6


def told(what: str, waits: list[float]) -> float:
    """Print the figures; the 99th percentile."""
    p99 = quantiles(waits, n=100)[98]
    print(
        f"{what}: {len(waits)} kills, median {median(waits):.2f} s, "
        f"p99 {p99:.2f} s, longest {max(waits):.2f} s"
    )
    return p99


@pytest.mark.parametrize(("processes", "within"), [("1", 2.0), ("2", 1.0)])
def test_under_a_supervisor_it_starts_again_within_a_second_or_two(
    site: Site, processes: str, within: float
) -> None:
    site.start("-p", processes, **LONG)
    waits: list[float] = []
    for number in range(KILLS):
        until(lambda: site.store.stats().workers == int(processes))
        time.sleep(STEADY)
        waits.append(seconds_to_run_again(site, number))
    assert told(f"a worker process of {processes}", waits) < within


def test_after_the_death_of_supervisor_and_children_within_the_lease_and_two_beats(
    site: Site,
) -> None:
    doomed = site.start("-p", "2", JOBKIT_LEASE=str(LEASE))
    waits: list[float] = []
    for number in range(TOGETHER):
        doomed, took = succeeded(site, doomed, number)
        waits.append(took)
    told(f"a supervisor with its two processes, lease {LEASE} s", waits)
    assert max(waits) < LEASE + 2 * LEASE / 6


def succeeded(
    site: Site, doomed: subprocess.Popen[bytes], number: int
) -> tuple[subprocess.Popen[bytes], float]:
    """Kill all of it while it runs a job; who took over, and after how many seconds."""
    until(lambda: site.store.stats().workers == 2)
    site.enqueue("Hold", range(number, number + 1))
    until(lambda: number in site.started())
    heir = site.start("-p", "2", JOBKIT_LEASE=str(LEASE))
    until(lambda: site.store.stats().workers == 4)
    killed_at = time.monotonic()
    site.kill(doomed)
    until(lambda: site.started().count(number) == 2, 3 * LEASE)
    took = time.monotonic() - killed_at
    site.go()
    until(lambda: number in site.finished())
    (site.folder / "go").unlink()
    return heir, took
