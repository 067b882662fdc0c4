"""What a worker process holds does not grow with what it has done. A tenth of `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.leaks import Sample, Samples, measure
from tests.chaos.sizes import only_in_soak


@only_in_soak
@pytest.mark.timeout(180)
def test_memory_threads_and_files_stay_as_they_are_over_20_000_jobs(tmp_path: Path) -> None:
    samples = measure(20_000, tmp_path)
    assert samples.code == 0
    assert samples.growth < 0.2, samples.table()
    assert len(samples.threads) == 1, samples.table()
    least, most = samples.files
    assert most - least <= 2, samples.table()


def test_what_grows_is_seen() -> None:
    grown = Samples(tuple(Sample(n, 1_000 + 100 * n, 10 + n, 5 + n) for n in range(20)), 0)
    assert grown.growth > 0.2
    assert len(grown.threads) > 1
    assert grown.files == (10, 24)
