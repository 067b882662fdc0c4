"""The floor under any queue on SQLite: one connection that claims rows and deletes them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from benchmarks.noop import JOBS, per_second

__all__ = ["bare_loop"]

BATCH = 100

CREATE = "CREATE TABLE jobs (key INTEGER PRIMARY KEY, state TEXT NOT NULL, payload TEXT NOT NULL)"
INDEX = "CREATE INDEX jobs_enqueued ON jobs (key) WHERE state = 'enqueued'"
INSERT = "INSERT INTO jobs (state, payload) VALUES ('enqueued', ?)"
CLAIM = """
    UPDATE jobs SET state = 'running' WHERE key IN (
        SELECT key FROM jobs WHERE state = 'enqueued' ORDER BY key LIMIT ?
    ) RETURNING key, payload
"""
DELETE = "DELETE FROM jobs WHERE key IN (SELECT value FROM json_each(?))"


def bare_loop(file: Path) -> float:
    """Jobs a second that come and go in claims of 100, each step a durable transaction."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _fill(connection)
        return per_second(JOBS, lambda: _drain(connection))
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection) -> None:
    payload = json.dumps({"class": "benchmarks.noop.NoOp", "args": [1], "jid": "0" * 32})
    connection.execute(CREATE)
    connection.execute(INDEX)
    connection.execute("BEGIN")
    connection.executemany(INSERT, [(payload,)] * JOBS)
    connection.execute("COMMIT")


def _drain(connection: sqlite3.Connection) -> None:
    while rows := connection.execute(CLAIM, (BATCH,)).fetchall():
        for _, payload in rows:
            json.loads(payload)
        connection.execute(DELETE, (json.dumps([key for key, _ in rows]),))
