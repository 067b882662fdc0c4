"""What the demo found, and whether its numbers add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import click

from jobkit.cli.demo.results import Record

__all__ = ["Report", "Run", "print_report", "problems_of", "report_of"]

_MOST_FREQUENT: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked, what the jobs left in the results, and what they left in the store.

    `began` is wall time in seconds; `dead` and `left` are the numbers of jobs that the store
    buried and that it still has to run.
    """

    files: Sequence[Path]
    enqueued: int
    began: float
    records: Sequence[Record]
    words: Counter[str]
    dead: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The table. Times in seconds; `latency` is an idle worker's, `backlog` that of the files."""

    enqueued: int
    done: int
    retried: int
    dead: int
    seconds: float
    jobs_per_second: float
    latency_p50: float
    latency_p99: float
    backlog_p50: float
    backlog_p99: float
    files: int
    words: int
    most_frequent: dict[str, int]
    url: str


def report_of(run: Run, url: str) -> Report:
    """The numbers of the run; its `url` is for showing."""
    files = [record for record in run.records if record.file is not None]
    seconds = max(record.ended_at for record in files) - run.began
    probes = _waits(record for record in run.records if record.job_class == "Probe")
    backlog = _waits(files)
    return Report(
        enqueued=run.enqueued,
        done=sum(record.error is None for record in run.records),
        retried=sum(record.executions > 1 for record in files),
        dead=run.dead,
        seconds=round(seconds, 3),
        jobs_per_second=round(len(files) / seconds, 1),
        latency_p50=_percentile(probes, 50),
        latency_p99=_percentile(probes, 99),
        backlog_p50=_percentile(backlog, 50),
        backlog_p99=_percentile(backlog, 99),
        files=sum(record.error is None for record in files),
        words=run.words.total(),
        most_frequent=dict(_most_frequent(run.words)),
        url=url,
    )


def problems_of(run: Run, report: Report) -> Iterator[str]:
    """Where the numbers contradict each other; none when every job is accounted for."""
    wanted = Counter(str(file) for file in run.files)
    found = Counter(record.file for record in run.records if record.file is not None)
    if wanted != found:
        missing, unasked = (wanted - found).total(), (found - wanted).total()
        yield f"{missing:,} files were not counted, {unasked:,} unasked or twice"
    if report.enqueued != report.done + report.dead:
        yield f"{report.enqueued:,} jobs enqueued, {report.done:,} done, {report.dead:,} dead"
    given_up = sum(record.error is not None for record in run.records)
    if given_up != report.dead:
        yield f"{given_up:,} jobs were given up, {report.dead:,} are dead"
    if run.left:
        yield f"{run.left:,} jobs are left in the store"


def print_report(report: Report) -> None:
    """Print the table."""
    rows = {
        "jobs enqueued": f"{report.enqueued:,}",
        "     done": f"{report.done:,}",
        "     retried": f"{report.retried:,}",
        "     dead": f"{report.dead:,}",
        "jobs/s": f"{report.jobs_per_second:,.0f}",
        "latency": _times(report.latency_p50, report.latency_p99, "from enqueue to start, idle"),
        "in the backlog": _times(report.backlog_p50, report.backlog_p99, "as all came at once"),
        "words": f"{report.words:,} in {report.files:,} files",
        "most frequent": ", ".join(f"{word} {n:,}" for word, n in report.most_frequent.items()),
    }
    click.echo()
    for name, value in rows.items():
        click.echo(f"{name:16} {value}")


def _waits(records: Iterable[Record]) -> list[float]:
    return sorted(record.waited for record in records if record.waited is not None)


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent are not above (nearest rank); 0 of none."""
    rank = max(ceil(len(ordered) * percent / 100), 1)
    return round(ordered[rank - 1], 6) if ordered else 0.0


def _most_frequent(words: Counter[str]) -> list[tuple[str, int]]:
    """By number, then by the alphabet, so that equals do not change places from run to run."""
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:_MOST_FREQUENT]


def _times(p50: float, p99: float, note: str) -> str:
    return f"p50 {p50 * 1000:,.1f} ms, p99 {p99 * 1000:,.1f} ms ({note})"
