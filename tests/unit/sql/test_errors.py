"""Whatever is wrong with the file, the error is one sentence that names it and what to do."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from jobkit.adapter import State
from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import patience
from tests.unit.sql.support import as_nobody, enqueue, ids, payload, readable_by_all


def refusal(adapter: SqlAdapter, act: Callable[[SqlAdapter], object]) -> str:
    """The text of the error, which must be of the right kind, chained and one line."""
    with pytest.raises(AdapterError) as caught:
        act(adapter)
    assert isinstance(caught.value.__cause__, DBAPIError)
    text = str(caught.value)
    assert "\n" not in text
    assert "SELECT" not in text
    assert "INSERT" not in text
    return text


def test_a_missing_directory(tmp_path: Path) -> None:
    file = tmp_path / "no" / "jobs.db"
    with closing(SqlAdapter(f"sqlite:///{file}")) as adapter:
        text = refusal(adapter, enqueue)
        assert text == f"{file} cannot be opened: there is no directory {file.parent}, create it"
        assert adapter.check() == [text]
        assert refusal(adapter, SqlAdapter.schema_version) == text
        assert refusal(adapter, SqlAdapter.migrate) == text


def test_a_directory_instead_of_a_file(tmp_path: Path) -> None:
    with closing(SqlAdapter(f"sqlite:///{tmp_path}")) as adapter:
        assert refusal(adapter, enqueue) == (
            f"{tmp_path} cannot be opened: it is a directory, name a file in it"
        )


def test_a_file_this_user_may_not_read(adapter: SqlAdapter, file: Path) -> None:
    enqueue(adapter)
    adapter.close()
    file.chmod(0o000)
    with readable_by_all(file.parent), as_nobody():
        assert refusal(adapter, SqlAdapter.stats) == (
            f"{file} cannot be opened: let this user read and write the file and its directory"
        )


def test_something_else_than_a_database(adapter: SqlAdapter, file: Path) -> None:
    file.write_text("These are notes, and no database at all. " * 100)
    assert refusal(adapter, enqueue) == (
        f"{file} is not a SQLite database: move that file away or name another one"
    )
    assert adapter.check() != []


def test_a_full_disk(adapter: SqlAdapter, file: Path) -> None:
    job = enqueue(adapter)
    adapter.close()

    def fill(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are

    event.listen(Engine, "connect", fill)
    try:
        many = [payload(args=["x" * 10_000]) for _ in range(100)]
        text = refusal(adapter, lambda each: each.enqueue(many))
    finally:
        event.remove(Engine, "connect", fill)
    assert text == f"{file} cannot grow, the disk is full: free some space"
    assert ids(adapter.jobs(State.ENQUEUED).items) == [job.id]


def test_a_lock_that_another_process_does_not_give_back(
    raw: sqlite3.Connection, adapter: SqlAdapter, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter.close()
    monkeypatch.setattr(patience, "BUSY_TIMEOUT", 0.05)
    with closing(SqlAdapter(f"sqlite:///{file}")) as hasty:
        raw.execute("BEGIN IMMEDIATE")
        text = refusal(hasty, enqueue)
        assert text.startswith(f"{file} is locked: another process has kept a write transaction")
        assert hasty.check() == [text]
        assert hasty.stats().enqueued == 0
        raw.execute("ROLLBACK")
        enqueue(hasty)
        assert hasty.stats().enqueued == 1


def test_a_damaged_database(adapter: SqlAdapter, file: Path) -> None:
    enqueue(adapter)
    adapter.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    assert refusal(adapter, enqueue).startswith(f"{file} is damaged: stop every worker")


class TestAFileThatCannotBeWritten:
    @pytest.fixture
    def job(self, adapter: SqlAdapter) -> str:
        """A job in the file, which nobody has open any more."""
        job = enqueue(adapter)
        adapter.close()
        return job.id

    @pytest.mark.parametrize("directory_mode", [0o777, 0o755])
    def test_it_can_be_inspected(
        self, adapter: SqlAdapter, job: str, file: Path, directory_mode: int
    ) -> None:
        file.chmod(0o444)
        with readable_by_all(file.parent):
            file.parent.chmod(directory_mode)
            with as_nobody():
                assert ids(adapter.jobs(State.ENQUEUED).items) == [job]
                assert adapter.stats().enqueued == 1
                adapter.close()

    @pytest.mark.parametrize("directory_mode", [0o777, 0o755])
    def test_the_refusal_says_what_must_be_allowed(
        self, adapter: SqlAdapter, job: str, file: Path, directory_mode: int
    ) -> None:
        file.chmod(0o444)
        with readable_by_all(file.parent):
            file.parent.chmod(directory_mode)
            with as_nobody():
                assert refusal(adapter, enqueue) == (
                    f"{file} cannot be written: let this user write the file and its directory"
                )
                assert adapter.check() == [refusal(adapter, enqueue)]
                adapter.close()
        assert ids(adapter.find([job])) == [job]


def test_a_copy_without_a_log_that_cannot_be_written_can_be_inspected(
    raw: sqlite3.Connection, adapter: SqlAdapter, tmp_path: Path
) -> None:
    job = enqueue(adapter)
    copy = tmp_path / "copy.db"
    raw.execute("VACUUM INTO ?", [str(copy)])
    copy.chmod(0o444)
    with closing(SqlAdapter(f"sqlite:///{copy}")) as reader, readable_by_all(tmp_path), as_nobody():
        assert ids(reader.find([job.id])) == [job.id]


def test_a_wait_that_fails(adapter: SqlAdapter, file: Path) -> None:
    adapter.wait([], 0)
    watch = adapter._store._here().database._watch  # type: ignore[attr-defined]
    watch._connection.close()
    with pytest.raises(AdapterError, match=f"{file}: Cannot operate on a closed database"):
        adapter.wait([], 0)


@pytest.mark.parametrize("bad", [{"args": ["\ud800"]}, {"priority": 2**63}])
def test_a_value_the_store_cannot_keep(adapter: SqlAdapter, bad: dict[str, object]) -> None:
    with pytest.raises(AdapterError, match="the store refuses a value: ") as caught:
        adapter.enqueue([payload(), payload(**bad)])
    assert caught.value.__cause__ is not None
    assert adapter.stats().enqueued == 0


def test_arguments_of_jobs_stand_in_no_error(adapter: SqlAdapter, file: Path) -> None:
    enqueue(adapter)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE jobkit_jobs")
    with pytest.raises(AdapterError) as caught:
        enqueue(adapter, args=["hunter2"])
    assert re.fullmatch(f"{file}: no such table: .*jobkit_jobs", str(caught.value))
    assert "hunter2" not in str(caught.value.__cause__)
