"""A backlog that the planner does not know of: the tables were analyzed while they were empty."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from jobkit_sql.tables import metadata

TABLES = tuple(name for name in metadata.tables if name != "jobkit_schema")

# In no order of a column's: who walks an index looks at another page with each row. By id and by
# queue, as by key, they come before what the tests make: who walks to that passes them all.
JOBS = """
INSERT INTO jobkit_jobs
    (id, state, queue, class, priority, run_at, at, deliveries, worker, receipt, payload)
SELECT id, state, queue, 'Job', 0, at + n, at + n, 0, worker, worker, format(
    '{"class": "Job", "args": ["%%s"], "jid": "%%s", "queue": "%%s", "v": 1,'
    ' "limits": [{"key": "long", "to": 3}]}', repeat('x', 300), id, queue)
FROM generate_series(1, %(rows)s) AS n
CROSS JOIN (VALUES
    ('enqueued', 'another', 0, NULL),
    ('blocked', 'another', 0, NULL),
    ('scheduled', 'another', 1e10, NULL),
    ('retry', 'another', 1e10, NULL),
    ('running', 'another', 0, 'somebody'),
    ('completed', 'another', 1e10, NULL),
    ('dead', 'another', 1e10, NULL)
) AS each (state, queue, at, worker)
CROSS JOIN LATERAL (SELECT '00' || state || md5(n::text) AS id) AS named
WHERE state <> 'dead' OR n <= 100 -- upkeep counts them
ORDER BY md5(state || n)
"""
FILL = (
    JOBS,
    """
    INSERT INTO jobkit_limits VALUES
        ('jobs:due', 'due', NULL, 3, 0), ('jobs:long', 'long', NULL, 3, 1e10),
        ('jobs:wide', 'wide', NULL, 100000, NULL), ('rate:often', 'often', 3600, 100000, NULL)
    """,
    """
    INSERT INTO jobkit_limits
    SELECT 'jobs:' || md5(n::text), md5(n::text), NULL, 5, 1e10 FROM generate_series(1, %(rows)s) n
    """,
    """
    INSERT INTO jobkit_blocked
    SELECT key, CASE WHEN run_at > %(rows)s - 5 THEN 'jobs:due' ELSE 'jobs:long' END,
        queue, 0, run_at, 0
    FROM jobkit_jobs WHERE state = 'blocked' ORDER BY id
    """,
    # Some that were called, the last of their queue as the others of that limit are.
    """
    INSERT INTO jobkit_blocked SELECT key, 'jobs:due', queue, 0, run_at, 1
    FROM jobkit_jobs WHERE state = 'enqueued' AND run_at > %(rows)s - 2
    """,
    """
    INSERT INTO jobkit_places SELECT 'jobs:wide', key, receipt, 0
    FROM jobkit_jobs WHERE state = 'running' ORDER BY id
    """,
    """
    INSERT INTO jobkit_places
    SELECT 'rate:often', n, 'somebody', 1e10 FROM generate_series(1, %(rows)s / 4) AS n
    """,
    """
    INSERT INTO jobkit_locks
    SELECT md5(n::text), 'job' || n, 1e10 + n FROM generate_series(1, %(rows)s) AS n
    ORDER BY md5('lock' || n)
    """,
    """
    INSERT INTO jobkit_results
    SELECT md5(n::text), '1', 1e10 + n FROM generate_series(1, %(rows)s) AS n
    ORDER BY md5('result' || n)
    """,
    # Some that have been over for a day, and are kept because a member failed.
    """
    INSERT INTO jobkit_batches
    SELECT 'batch' || n, '', NULL, '{}', 'all', 2, 1, 0, 0, 0,
        extract(epoch FROM now()) - CASE WHEN n <= 10 THEN 90000 ELSE 0 END
    FROM generate_series(1, %(rows)s) AS n
    """,
    """
    INSERT INTO jobkit_members
    SELECT 'batch' || n, '00dead' || md5(n::text), 1 FROM generate_series(1, %(rows)s) AS n
    ORDER BY md5('member' || n)
    """,
)


@contextmanager
def never_analyzed(connection: psycopg.Connection) -> Generator[None]:
    """Nobody analyzes, but who is asked to. Other tests have the same tables."""
    _of_each(connection, "ALTER TABLE {} SET (autovacuum_enabled = off)")
    try:
        yield
    finally:
        _of_each(connection, "ALTER TABLE {} RESET (autovacuum_enabled)")


def forget_all(connection: psycopg.Connection) -> None:
    """Delete all that there is, and have that analyzed.

    Something must have been there: a table that never had a page is taken for one of ten.
    """
    _of_each(connection, "DELETE FROM {}")
    fill(connection, 2)
    _of_each(connection, "DELETE FROM {}")
    _of_each(connection, "ANALYZE {}")


def fill(connection: psycopg.Connection, rows: int) -> None:
    """So many rows of each kind, which no call of a test is about."""
    for statement in FILL:
        connection.execute(statement.encode(), {"rows": rows})


def _of_each(connection: psycopg.Connection, statement: str) -> None:
    for table in TABLES:
        connection.execute(statement.format(table).encode())
