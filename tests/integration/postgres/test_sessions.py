"""Statements by libpq alone: what they take and give, and where they are prepared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from jobkit.adapter import Ack
from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql.pool import Hand
from jobkit_sql.dialects.postgresql.session import Session, array, statement_of
from tests.servers.pooler import pooler
from tests.servers.postgres import Postgres
from tests.unit.sql.support import claim, enqueue, payload, register

TEXTS = ["", "a", "ä€𝄞", '"', "\\", '\\"', "{}", ",", "NULL", "a b", "line\nline", "'"]


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with closing(postgres.connect()) as connection:
        yield connection


@pytest.fixture(params=[True, False], ids=["prepared", "as it is"])
def session(request: pytest.FixtureRequest, connection: psycopg.Connection) -> Session:
    return Session(connection, prepare=request.param)


def hand(adapter: SqlAdapter) -> Hand:
    database: Any = adapter._store._ready()
    found: Hand = database._hand
    return found


def prepared(session: Session) -> set[str]:
    names = session.connection.execute("SELECT name FROM pg_prepared_statements")
    return {name for (name,) in names}


def test_values_arrive_as_they_are(session: Session) -> None:
    asked = statement_of("SELECT $1::text, $2::bigint, $3::double precision, $4::text")
    for text in TEXTS:
        told = session.rows(asked, (text, -(2**62), 1e9 + 0.123456, None))
        assert told == [(text, str(-(2**62)), "1000000000.123456", None)]


def test_an_array_holds_any_text(session: Session) -> None:
    asked = statement_of("SELECT each FROM unnest($1::text[]) AS each")
    assert session.rows(asked, (array(TEXTS),)) == [(text,) for text in TEXTS]
    assert session.rows(asked, (array([]),)) == []


def test_large_values_go_through(session: Session) -> None:
    text = "x" * 20_000_000
    assert session.rows(statement_of("SELECT $1::text"), (text,)) == [(text,)]


def test_text_that_the_server_would_cut_is_refused(session: Session) -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        session.execute(statement_of("SELECT $1::text"), ("a\0b",))
    with pytest.raises(UnicodeEncodeError):
        session.execute(statement_of("SELECT $1::text"), ("\ud800",))
    assert session.rows(statement_of("SELECT 1"), ()) == [("1",)]


def test_errors_are_the_drivers(session: Session) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        session.execute(statement_of("SELECT 1 / $1::int"), (0,))
    with pytest.raises(psycopg.errors.SyntaxError):
        session.execute(statement_of("SELECT FROM WHERE"), ())
    assert session.rows(statement_of("SELECT 1"), ()) == [("1",)]


def test_what_fails_at_the_commit_has_failed(session: Session) -> None:
    """The rows come before it, and tell nothing yet."""
    session.connection.execute(
        "CREATE TEMPORARY TABLE late (n int, UNIQUE (n) DEFERRABLE INITIALLY DEFERRED)"
    )
    twice = statement_of("INSERT INTO late SELECT $1::int FROM generate_series(1, 2) RETURNING n")
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.rows(twice, (1,))


def test_other_threads_go_on_while_it_waits(session: Session) -> None:
    turns = 0
    over = threading.Event()

    def turn() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            time.sleep(0.001)

    thread = threading.Thread(target=turn)
    thread.start()
    before = turns
    session.execute(statement_of("SELECT pg_sleep(1)"), ())
    while_it_slept = turns - before
    over.set()
    thread.join()
    assert while_it_slept > 3


def test_a_statement_is_prepared_once_for_a_connection(connection: psycopg.Connection) -> None:
    session, again = Session(connection, prepare=None), Session(connection, prepare=None)
    one, other = statement_of("SELECT 1"), statement_of("SELECT 2")
    for _ in range(3):
        assert session.rows(one, ()) == again.rows(one, ()) == [("1",)]
        assert session.rows(other, ()) == [("2",)]
    assert prepared(session) == {one.name.decode(), other.name.decode()}


@pytest.mark.parametrize(("prepare", "again"), [(None, 0), (True, 1)])
def test_a_session_that_forgot_its_statements_takes_them_as_they_are(
    connection: psycopg.Connection, prepare: bool | None, again: int
) -> None:
    """As one that a pooler has cleaned, or the driver after a rollback, where it prepares, too."""
    session = Session(connection, prepare=prepare)
    asked = statement_of("SELECT $1::text")
    session.rows(asked, ("a",))
    connection.execute("DEALLOCATE ALL")
    assert session.rows(asked, ("b",)) == [("b",)]
    assert session.rows(asked, ("c",)) == [("c",)]
    assert len(prepared(session)) == again


def test_tables_may_change_under_a_prepared_statement(connection: psycopg.Connection) -> None:
    session = Session(connection, prepare=True)
    connection.execute("CREATE TEMPORARY TABLE changing AS SELECT 1 AS n")
    asked = statement_of("SELECT * FROM changing")
    assert session.rows(asked, ()) == [("1",)]
    connection.execute("ALTER TABLE changing ADD COLUMN more int DEFAULT 2")
    assert session.rows(asked, ()) == [("1", "2")]


def test_a_server_that_ends_the_session_says_so(
    connection: psycopg.Connection, session: Session, other: psycopg.Connection
) -> None:
    """Then nothing was done, and it can be tried again."""
    pid = connection.info.backend_pid

    def end() -> None:
        at_it = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        while not other.execute(at_it, [pid]).fetchone():
            time.sleep(0.01)
        other.execute("SELECT pg_terminate_backend(%s)", [pid])

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(psycopg.errors.AdminShutdown):
        session.execute(statement_of("SELECT pg_sleep(60)"), ())
    ending.join()


@pytest.mark.parametrize("shows_keys", [False, True])
def test_behind_a_pooler_jobs_come_and_go_as_ever(
    adapter: SqlAdapter, url: str, postgres: Postgres, shows_keys: bool
) -> None:
    with pooler(postgres.port, shows_keys=shows_keys) as port:
        there = url.replace(f":{postgres.port}", f":{port}")
        with closing(SqlAdapter(there)) as behind:
            register(behind, "worker")
            for _ in range(20):
                enqueue(behind)
                behind.enqueue([payload() for _ in range(3)])
                held = claim(behind, "worker")
                assert len(held) == 4
                assert behind.settle([Ack(each) for each in held]) == []
    assert adapter.stats().processed == 80


def test_behind_a_pooler_nothing_is_prepared(url: str, postgres: Postgres) -> None:
    with pooler(postgres.port) as port:
        there = url.replace(f":{postgres.port}", f":{port}")
        with closing(SqlAdapter(there)) as behind:
            for _ in range(10):
                enqueue(behind)
            for _ in range(3):  # each time another one
                assert hand(behind).do(prepared) == set()


def test_the_driver_of_a_store_that_refuses_a_value_says_so(adapter: SqlAdapter) -> None:
    with pytest.raises(AdapterError, match="NUL"):
        enqueue(adapter, queue="a\0b")


def test_a_plan_that_is_kept_outlives_a_flood(
    connect: Callable[[], SqlAdapter], other: psycopg.Connection
) -> None:
    """Made while the table was short, it must not read it as a whole when it is long."""
    other.execute("ALTER TABLE jobkit_jobs SET (autovacuum_enabled = off)")
    with closing(connect()) as adapter:
        register(adapter, "worker")
        for _ in range(20):  # by then it has made up its mind
            enqueue(adapter)
            adapter.settle([Ack(each) for each in claim(adapter, "worker")])
        adapter.enqueue([payload() for _ in range(30_000)])
        before = read(other)
        for _ in range(3):
            held = claim(adapter, "worker", limit=100)
            adapter.settle([Ack(each) for each in held])
        pid = hand(adapter).do(lambda session: session.connection.info.backend_pid)
    # What a session counted is known when it is over.
    deadline = time.monotonic() + 30
    while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).rowcount:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert read(other) - before < 30_000


def read(other: psycopg.Connection) -> int:
    """Rows of jobs that were read in tables as a whole, by sessions that are over."""
    rows = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'jobkit_jobs'::regclass"
    [[number]] = other.execute(rows)
    return int(number)


def rows(plan: dict[str, Any]) -> float:
    """The most rows that one step of the plan meets."""
    met: float = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    joined: float = plan.get("Rows Removed by Join Filter", 0)
    times: int = plan["Actual Loops"]
    return max(met * times, joined, *(rows(each) for each in plan.get("Plans", ())))


@pytest.mark.parametrize("analyzed", [0, 50])
def test_old_rows_cost_a_kept_plan_nothing(
    connect: Callable[[], SqlAdapter], other: psycopg.Connection, analyzed: int
) -> None:
    """The bug: what was done was found by walking all keys, from the lowest."""
    other.execute("ALTER TABLE jobkit_jobs SET (autovacuum_enabled = off)")
    with closing(connect()) as adapter:
        register(adapter, "worker")
        if analyzed:
            adapter.enqueue([payload(queue="other") for _ in range(analyzed)])
        other.execute("VACUUM ANALYZE jobkit_jobs")
        for _ in range(20):
            enqueue(adapter)
            adapter.settle([Ack(each) for each in claim(adapter, "worker")])
        other.execute(
            "INSERT INTO jobkit_jobs (run_at, at, priority, deliveries, id, state, queue, class,"
            " payload) SELECT 4e9, 4e9, 0, 0, 'old' || n, 'scheduled', 'default', 'Job', '{}'"
            " FROM generate_series(1, 20000) AS n"
        )
        enqueue(adapter)
        [newest] = other.execute("SELECT max(key) FROM jobkit_jobs").fetchone() or [0]

        def explained(session: Session) -> list[float]:
            given = {
                "claim": "('worker', '{default}', 10, 1.0, 't')",
                "ack": f"('{newest}.a', '2026')",
            }
            kept = {name.split("_")[1]: name for name in prepared(session) if "__" not in name}
            execute = "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {} {}"
            told = [
                session.connection.execute(execute.format(kept[each], values).encode()).fetchone()
                for each, values in given.items()
            ]
            return [rows(each[0][0]["Plan"]) for each in told if each]

        assert max(hand(adapter).do(explained)) < 100
