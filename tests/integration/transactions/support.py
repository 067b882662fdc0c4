"""An application with data of its own, and where its jobs went."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, Engine, MetaData, Table, Text, insert, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobkit import Job
from jobkit.adapter import State
from jobkit_inline import MemoryAdapter
from jobkit_sql import SqlAdapter

ELSEWHERE = "elsewhere"
notes = Table("notes", MetaData(), SqlColumn("text", Text))


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Here(Job):
    """Stored where the application's data is."""

    def perform(self, number: object) -> None: ...


class Later(Here, after_commit=True):
    """Stored there too, but not before the commit."""


class Away(Here, backend=ELSEWHERE):
    """Stored in another store."""


@dataclass(frozen=True)
class Database:
    """One database with the application's tables and jobkit's, and engines of the application's."""

    url: str
    engine: Engine
    async_engine: AsyncEngine
    adapter: SqlAdapter
    other: Engine
    """Another database of the same kind."""


def add(connection: Connection, text: str) -> None:
    """Write to the application's own table."""
    connection.execute(insert(notes), {"text": text})


def noted(database: Database) -> list[str]:
    """What is committed in the application's own table."""
    with database.engine.connect() as connection:
        return [text for (text,) in connection.execute(select(notes.c.text)) if text is not None]


def answer(job: Job) -> bool | None:
    """Whether the job is stored; a call, since checkers take an attribute for constant."""
    return job.successfully_enqueued


def jobs_table(database: Database) -> str:
    """jobkit's table as the application has to name it."""
    schema = make_url(database.url).query.get("schema")
    return f"{schema}.jobkit_jobs" if schema else "jobkit_jobs"


def stored(adapter: SqlAdapter | MemoryAdapter) -> list[object]:
    """The first argument of every job that waits and everybody can see, in order."""
    jobs = [
        job.payload
        for state in (State.ENQUEUED, State.SCHEDULED)
        for job in adapter.jobs(state, limit=10_000).items
    ]
    return [payload.args[0] for payload in sorted(jobs, key=lambda each: each.id)]
