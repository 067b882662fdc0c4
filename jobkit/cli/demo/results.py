"""Where the demo's jobs leave what they found: a SQLite file with a row for each job."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["Record", "Results"]

_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS results (
        job TEXT PRIMARY KEY, -- a job that runs again replaces its row: it counts once
        job_class TEXT NOT NULL,
        executions INTEGER NOT NULL,
        waited REAL,
        ended_at REAL NOT NULL,
        file TEXT UNIQUE,
        error TEXT,
        words TEXT -- JSON, word to number
    )
"""
_ADD: Final = """
    INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET
        executions = excluded.executions, waited = excluded.waited, ended_at = excluded.ended_at,
        error = excluded.error, words = excluded.words
"""
_RECORDS: Final = "SELECT job, job_class, executions, waited, ended_at, file, error FROM results"
_WORDS: Final = "SELECT words FROM results WHERE words IS NOT NULL AND job_class = ?"


@dataclass(frozen=True, slots=True)
class Record:
    """How a job ended: well, or with the error for which it was given up.

    `waited` is the seconds from enqueue to start of a job that ended with its first run,
    `ended_at` wall time in seconds.
    """

    job: str
    job_class: str
    executions: int
    waited: float | None
    ended_at: float
    file: str | None = None
    error: str | None = None


class Results:
    """The results of one run of the demo; safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_CREATE)

    @staticmethod
    @cache
    def at(path: Path) -> Results:
        """The results in that file, opened once a process."""
        return Results(path)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add(self, record: Record, words: Mapping[str, int] | None = None) -> None:
        """Keep the record; the same job's again replaces it."""
        self._rows(_ADD, *astuple(record), None if words is None else json.dumps(words))

    def records(self) -> list[Record]:
        """How each job ended that has ended so far."""
        return [Record(*row) for row in self._rows(_RECORDS)]

    def ended(self) -> int:
        """The number of jobs that have ended."""
        return int(self._rows("SELECT count(*) FROM results")[0][0])

    def files(self) -> int:
        """The number of files that were counted or given up."""
        return int(self._rows("SELECT count(file) FROM results")[0][0])

    def words(self, job_class: str) -> Counter[str]:
        """The words that the jobs of this class counted, added up."""
        total: Counter[str] = Counter()
        for (text,) in self._rows(_WORDS, job_class):
            total.update(json.loads(text))
        return total

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()
