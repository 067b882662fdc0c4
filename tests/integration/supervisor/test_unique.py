"""A unique job whose process is killed keeps its lock, and frees it when it has run in the end."""

from __future__ import annotations

import os
import signal

from tests.integration.worker.site import Site, payload, until


def test_a_killed_process_neither_frees_a_lock_nor_leaves_it_behind(site: Site) -> None:
    def enqueued(number: int) -> str | None:
        lock = {"key": "k", "until": "success"}
        job = payload("app.Hold", number).replace(unique=lock)
        return site.store.enqueue_unique([job])[0]

    assert enqueued(1) is None
    site.start(JOBKIT_LEASE="60")
    until(lambda: site.started() == [1])
    assert enqueued(2) is not None
    [(_, pid)] = site.log("S")
    os.kill(pid, signal.SIGKILL)
    until(lambda: site.started() == [1, 1])
    assert enqueued(2) is not None
    site.go()
    until(lambda: site.finished() == [1] and not site.store.stats().running)
    assert enqueued(3) is None
    until(lambda: site.finished() == [1, 3])
