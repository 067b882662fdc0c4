"""Recurring jobs under real workers that are killed: each tick is enqueued once."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from jobkit.adapter import State
from jobkit.entries import RecurringEntries
from jobkit.entries.jobs import tick_id
from tests.integration.worker.site import Site, until
from tests.soak import SOAK

SECONDS = 8 if SOAK else 4
SECONDLY = """
[recurring.secondly]
cron = "* * * * * *"
job = "app.Count"
args = [1]
queue = "kept"
"""


@pytest.mark.behaviour("H10")
def test_eight_schedulers_of_which_one_dies_each_second_enqueue_each_tick_once(
    any_site: Site,
) -> None:
    site = any_site
    (site.folder / "jobkit.toml").write_text(SECONDLY)
    for _ in range(8):
        start(site)
    until(lambda: len(site.store.workers()) == 8, 60)
    until(lambda: site.store.stats().enqueued > 0)
    began = time.time()
    for second in range(1, SECONDS + 1):
        until(partial(reached, began + second))
        os.killpg(site.workers[0].pid, signal.SIGKILL)
        site.workers.append(site.workers.pop(0))
        start(site)
    ended = began + SECONDS
    until(lambda: latest(site) > ended)

    jobs = [job.payload.id for job in site.store.jobs(State.ENQUEUED, limit=1_000).items]
    ticks = range(int(began), int(latest(site)) + 1)
    assert len(set(jobs)) == len(jobs)
    assert {tick_id("secondly", float(tick)) for tick in ticks} <= set(jobs)


def start(site: Site) -> None:
    site.start("-q", "other", "-c", "1")


def reached(moment: float) -> bool:
    return time.time() >= moment


def latest(site: Site) -> float:
    return RecurringEntries(site.store).list()[0].runs[0].at.timestamp()


def test_a_worker_told_to_stop_leaves_its_entries_to_the_others(site: Site) -> None:
    (site.folder / "jobkit.toml").write_text(SECONDLY.replace("kept", "default"))
    worker = site.start()
    until(lambda: len(site.finished()) >= 2)
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(45) == 0
    (entry,) = RecurringEntries(site.store).list()
    assert entry.source == "code"
    assert len(entry.runs) >= 2


def test_a_worker_refuses_a_wrong_entry_with_its_place(site: Site) -> None:
    (site.folder / "jobkit.toml").write_text(
        '[recurring.nightly]\ncron = "often"\njob = "app.Count"\n'
    )
    worker = site.start()
    assert worker.wait(45) == 1
    assert "jobkit.toml, line 1: 'often' is no cron expression" in site.said()
