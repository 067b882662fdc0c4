"""Queues in real worker processes: threads of their own, and weights that starve nobody."""

from __future__ import annotations

from tests.integration.worker.site import Site, payload, until

BUSY = """

    class Busy(Job):
        def perform(self, number):
            time.sleep(0.005)
            note("B", number)
"""
A_SECOND = 400
"""What two threads do of them in a second, if they do nothing else."""


def enqueue(site: Site, queue: str, job: str, numbers: range) -> None:
    payloads = [payload(f"app.{job}", number) for number in numbers]
    site.store.enqueue([each.replace(queue=queue) for each in payloads])


def test_slow_jobs_take_only_the_threads_of_their_queue(site: Site) -> None:
    enqueue(site, "pdf", "Hold", range(5))
    site.start("-c", "4", "-q", "pdf@2", "-q", "default")
    until(lambda: site.started() == [0, 1])
    enqueue(site, "default", "Count", range(10, 20))
    until(lambda: site.finished() == list(range(10, 20)))
    assert len(site.log("S")) == 12
    site.go()
    until(lambda: site.finished() == [*range(5), *range(10, 20)])


def test_threads_of_a_queue_are_free_for_it_whatever_fills_the_others(site: Site) -> None:
    enqueue(site, "default", "Hold", range(5))
    site.start("-c", "4", "-q", "pdf@2", "-q", "default")
    until(lambda: site.started() == [0, 1])
    enqueue(site, "pdf", "Count", range(10, 20))
    until(lambda: site.finished() == list(range(10, 20)))
    assert len(site.log("S")) == 12
    site.go()
    until(lambda: site.finished() == [*range(5), *range(10, 20)])


def test_a_flooded_queue_leaves_the_others_latency_below_a_second(sqlite_site: Site) -> None:
    site = sqlite_site
    site.add(BUSY)
    enqueue(site, "flood", "Busy", range(flood := 4_000))
    site.start("-c", "2", "-q", "flood,3", "-q", "quiet,1")
    until(lambda: site.store.stats().processed > 0)
    for number in range(10):
        enqueue(site, "quiet", "Count", range(number, number + 1))
        note(site, "E", number)
        until(lambda number=number: number in site.finished())  # type: ignore[misc] # of this turn
        stats = site.store.stats()
        assert stats.enqueued > 0, "the flood had ended: nothing was shown"
        if stats.enqueued < 1_000:
            enqueue(site, "flood", "Busy", range(flood, flood := flood + 1_000))
    assert max(before_it(site, number) for number in range(10)) < A_SECOND


def note(site: Site, what: str, number: int) -> None:
    """Write it down as jobs do."""
    with (site.folder / "log").open("a") as log:
        log.write(f"{what} {number} 0\n")


def before_it(site: Site, number: int) -> int:
    """How many of the others ended between the enqueue of that job and its start."""
    lines = [line.split()[:2] for line in (site.folder / "log").read_text().splitlines()]
    enqueued, started = lines.index(["E", str(number)]), lines.index(["S", str(number)])
    return sum(what == "B" for what, _ in lines[enqueued:started])
