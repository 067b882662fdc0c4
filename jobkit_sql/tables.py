"""The tables as statements see them. `migrations/` creates them; a test keeps the two alike."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    false,
    literal_column,
    select,
)

from jobkit.adapter import State

__all__ = [
    "OVER",
    "WRITE_NOTHING",
    "batches",
    "blocked",
    "has_job",
    "in_state",
    "jobs",
    "limits",
    "locks",
    "measures",
    "members",
    "metadata",
    "not_over",
    "paused",
    "places",
    "recurring",
    "results",
    "schema",
    "stats",
    "workers",
]

metadata = MetaData()

schema = Table(
    "jobkit_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
)

jobs = Table(
    "jobkit_jobs",
    metadata,
    Column("key", BigInteger, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("class", Text, nullable=False, key="job_class"),
    Column("run_at", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("worker", Text),
    Column("receipt", Text),
    Column("payload", Text, nullable=False),
)

locks = Table(
    "jobkit_locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("ends_at", Float),
)

workers = Table(
    "jobkit_workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("lease", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("presence", Text),
    Column("orders", Text, nullable=False),
)

paused = Table("jobkit_paused", metadata, Column("queue", Text, primary_key=True))

stats = Table(
    "jobkit_stats",
    metadata,
    Column("day", Text, primary_key=True),
    Column("processed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)

measures = Table(
    "jobkit_measures",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("class", Text, primary_key=True, key="job_class"),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("runs", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)

recurring = Table(
    "jobkit_recurring",
    metadata,
    Column("name", Text, primary_key=True),
    Column("entry", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("last", Float, nullable=False),
    Column("paused", Integer, nullable=False),
    Column("runs", Text, nullable=False),
)

results = Table(
    "jobkit_results",
    metadata,
    Column("job", Text, primary_key=True),
    Column("result", Text, nullable=False),
    Column("ends_at", Float, nullable=False),
)

limits = Table(
    "jobkit_limits",
    metadata,
    Column("place", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("per", Float),
    Column("most", Integer, nullable=False),
    Column("look_at", Float),
)

places = Table(
    "jobkit_places",
    metadata,
    Column("place", Text, primary_key=True),
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("receipt", Text, primary_key=True),
    Column("at", Float, nullable=False),
)

blocked = Table(
    "jobkit_blocked",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("run_at", Float, nullable=False),
    Column("called", Integer, nullable=False),
)
batches = Table(
    "jobkit_batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("parent", Text),
    Column("callbacks", Text, nullable=False),
    Column("fired", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("touched_at", Float, nullable=False),
    Column("finished_at", Float),
)

members = Table(
    "jobkit_members",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("failed", Integer, nullable=False),
)


# SQLite takes the write lock for it. A read-only file begins even BEGIN IMMEDIATE, and refuses
# at this first change.
WRITE_NOTHING: Final = delete(schema).where(false())
"""A statement that writes, and changes nothing."""


OVER: Final = (State.DEAD, State.COMPLETED)
"""The states of jobs that have ended."""


def not_over() -> ColumnElement[bool]:
    """The condition that a job has not ended."""
    return jobs.c.state.not_in([literal_column(f"'{state.value}'", Text) for state in OVER])


def has_job(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """True where a job is stored that fulfils these conditions, which one index is made for.

    So not of a key together with `in_state`, whose index may be walked for want of a better guess.
    No EXISTS, of which PostgreSQL makes a join: where it takes a backlog for few rows, as it does
    after the table was analyzed while it was empty, it would walk all of them.
    """
    return select(jobs.c.key).where(*conditions).limit(1).scalar_subquery().is_not(None)


def in_state(state: State) -> ColumnElement[bool]:
    """The condition that a job is in that state, in the form its partial index is found by."""
    # A constant, not a parameter: a planner matches partial indexes before parameters are known.
    return jobs.c.state == literal_column(f"'{state.value}'", Text)
