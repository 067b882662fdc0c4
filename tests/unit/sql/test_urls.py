from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from jobkit.adapter import Retention
from jobkit.errors import ConfigurationError
from jobkit.testing import ManualClock
from jobkit_sql import SqlAdapter
from tests.unit.sql.support import enqueue, peek


def test_nothing_is_opened_before_it_is_needed(file: Path, url: str) -> None:
    adapter = SqlAdapter.from_url(url)
    assert not file.exists()
    with closing(adapter):
        enqueue(adapter)
    assert file.exists()


def test_from_url_takes_clock_and_retention(url: str, clock: ManualClock) -> None:
    with closing(SqlAdapter.from_url(url, clock=clock, retention=Retention(dead_max=1))) as adapter:
        enqueue(adapter, scheduled_at=clock.time() + 5)
        assert adapter.maintain(limit=1).due_in == 5


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"],
)
def test_a_database_in_memory_is_refused_with_what_to_use_instead(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"memory://"):
        SqlAdapter(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_postgresql_url_connects_to_nothing_before_it_is_used(scheme: str) -> None:
    SqlAdapter(f"{scheme}://u:hunter2@no-such-host.invalid/db").close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("schema=a;b", "is no name of a schema: use small letters, digits and _"),
        ("schema=" + "x" * 64, "is no name of a schema"),
        ("schema=a&schema=b", "the URL has schema more than once"),
        ("prepare=yes", "prepare='yes': write true or false"),
        ("pool_size=0", "pool_size='0': write a whole number"),
        ("pool_size=1e3", "pool_size='1e3': write a whole number"),
        ("timeout=0", "timeout='0': write seconds, from 0.1 to 3600"),
        ("timeout=nan", "timeout='nan': write seconds"),
    ],
)
def test_a_postgresql_option_that_cannot_be_used_is_refused(query: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        SqlAdapter(f"postgresql://u:hunter2@h/db?{query}")
    assert said in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_another_driver_for_postgresql_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"postgresql\+asyncpg:// cannot be used"):
        SqlAdapter("postgresql+asyncpg://u:hunter2@h/db")


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/db", "u:hunter2@h", "sqlite+aiosqlite:///hunter2", "sqlite://:x:y"]
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        SqlAdapter(url)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_an_option_sqlite_does_not_know_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="options that jobkit does not take: timeuot"):
        SqlAdapter(f"{url}?timeuot=3")


def test_a_relative_path_is_meant_from_where_the_adapter_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with closing(SqlAdapter("sqlite:///jobs.db")) as adapter:
        monkeypatch.chdir(tmp_path / "elsewhere")
        enqueue(adapter)
    assert (tmp_path / "jobs.db").exists()


def test_an_engine_lends_its_url_and_keeps_its_connections(adapter: SqlAdapter, url: str) -> None:
    job = enqueue(adapter)
    engine = create_engine(url)
    with closing(SqlAdapter(engine)) as another:
        assert peek(another) == [job.id]
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    engine.dispose()


def test_a_uri_with_options_is_passed_on(adapter: SqlAdapter, file: Path) -> None:
    job = enqueue(adapter)
    with closing(SqlAdapter(f"sqlite:///file:{file}?mode=ro&uri=true")) as reader:
        assert [found.payload.id for found in reader.find([job.id])] == [job.id]
