"""Jobs that nobody started in time, in a real worker process on each store."""

from __future__ import annotations

import time

from tests.integration.worker.site import Site, payload


def test_a_job_that_was_not_started_in_time_is_discarded_and_others_run(site: Site) -> None:
    now = time.time()
    late, early = payload("app.Count", 0), payload("app.Count", 1)
    site.store.enqueue([late.replace(expires_at=now - 1), early.replace(expires_at=now + 600)])
    worker = site.start("--burst")
    assert worker.wait(45) == 0
    assert site.finished() == [1]
    assert site.started() == [1]
    stats = site.store.stats()
    assert (stats.enqueued, stats.running, stats.retry, stats.dead) == (0, 0, 0, 0)
