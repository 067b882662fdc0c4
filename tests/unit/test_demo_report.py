"""The demo's numbers: percentiles, and the contradictions it would notice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from jobkit.cli.demo.report import Run, problems_of, report_of
from jobkit.cli.demo.results import Record, Results

FILES = [Path("/a"), Path("/b")]


def counted(job: str, file: str, *, waited: float = 0.1, error: str | None = None) -> Record:
    return Record(job, "CountWords", 1, waited, 1_000.5, file, error)


def probed(number: int) -> Record:
    return Record(f"probe{number}", "Probe", 1, number / 1000, 1_002.0)


GOOD = Run(
    files=FILES,
    enqueued=102,
    began=1_000.0,
    records=[counted("1", "/a"), counted("2", "/b", error="gone"), *map(probed, range(100, 0, -1))],
    words=Counter({"b": 2, "a": 2, "c": 3}),
    dead=1,
    left=0,
)


def problems(run: Run) -> list[str]:
    return list(problems_of(run, report_of(run, "sqlite:///jobs.db")))


def test_numbers_that_add_up_are_no_problem() -> None:
    assert problems(GOOD) == []


def test_the_report_holds_nearest_rank_percentiles_and_a_stable_order() -> None:
    report = report_of(GOOD, "sqlite:///jobs.db")

    assert (report.latency_p50, report.latency_p99) == (0.05, 0.099)
    assert list(report.most_frequent) == ["c", "a", "b"]
    assert (report.words, report.files, report.done, report.dead) == (7, 1, 101, 1)
    assert report.jobs_per_second == 4.0


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (replace(GOOD, enqueued=103), "103 jobs enqueued, 101 done, 1 dead"),
        (replace(GOOD, files=[*FILES, Path("/c")]), "1 files were not counted, 0 unasked or twice"),
        (replace(GOOD, files=FILES[:1]), "0 files were not counted, 1 unasked or twice"),
        (replace(GOOD, dead=2, enqueued=103), "1 jobs were given up, 2 are dead"),
        (replace(GOOD, left=3), "3 jobs are left in the store"),
    ],
)
def test_a_contradiction_is_named(run: Run, problem: str) -> None:
    assert problems(run) == [problem]


def test_a_job_that_runs_again_counts_once(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.sqlite3")
    results.add(counted("1", "/a"), {"word": 1})
    results.add(counted("1", "/a"), {"word": 1})

    assert results.ended() == 1
    assert results.words("CountWords") == {"word": 1}
    results.close()
