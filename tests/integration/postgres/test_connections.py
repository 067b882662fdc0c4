"""Connections that die, hang, clash and run out; what the adapter leaves on a server."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TypeVar, cast

import psycopg
import pytest
from sqlalchemy import event

from jobkit.adapter import Ack, Bury, State
from jobkit.capabilities import Move
from jobkit.errors import AdapterError, ConfigurationError
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql import dialect
from jobkit_sql.dialects.postgresql.connections import Connections
from jobkit_sql.dialects.postgresql.pool import Hand
from jobkit_sql.dialects.postgresql.session import Session, statement_of
from tests.integration.postgres.test_sessions import prepared
from tests.servers.postgres import Postgres
from tests.unit.sql.support import at_once, claim, claim_one, enqueue, payload, register

T = TypeVar("T")


def hand(adapter: SqlAdapter) -> Hand:
    """What its jobs are stored through, where one is stored alone."""
    return cast("Connections", adapter._store._ready())._hand


@contextmanager
def borrowed(adapter: SqlAdapter) -> Generator[Session]:
    """A session from the hand, which is given back."""
    held = hand(adapter)._taken()
    try:
        yield held[1]
    finally:
        hand(adapter)._give_back(held)


def kill_all(other: psycopg.Connection) -> None:
    """End every connection but this one, and wait until they are gone."""
    rest = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    other.execute(f"SELECT pg_terminate_backend(pid) {rest}".encode())
    while other.execute(f"SELECT count(*) {rest}".encode()).fetchone() != (0,):
        time.sleep(0.005)


def all_that_can_be_had(server: Postgres, most: int) -> list[psycopg.Connection]:
    taken: list[psycopg.Connection] = []
    while len(taken) < most:
        with suppress(psycopg.OperationalError):  # one that was closed may not be gone yet
            taken.append(server.connect())
            continue
        time.sleep(0.05)
    return taken


def patiently(call: Callable[[], T]) -> T:
    """What it returns when the server answered in time, which may be too short for once."""
    while True:
        with suppress(AdapterError):
            return call()
        time.sleep(0.01)


class TestDeadConnections:
    def test_are_replaced_before_use_and_nobody_notices(
        self, adapter: SqlAdapter, worker: str, other: psycopg.Connection
    ) -> None:
        enqueue(adapter)
        kill_all(other)
        enqueue(adapter)
        kill_all(other)
        claims = claim(adapter, worker)
        kill_all(other)
        assert adapter.settle([Ack(each) for each in claims]) == []
        kill_all(other)
        assert adapter.stats().processed == 2

    def test_are_replaced_however_many_there_are(
        self, adapter: SqlAdapter, other: psycopg.Connection
    ) -> None:
        at_once(lambda: enqueue(adapter) for _ in range(8))
        kill_all(other)
        at_once(lambda: enqueue(adapter) for _ in range(8))
        assert adapter.stats().enqueued == 16

    def test_a_settlement_asked_again_finds_out_by_its_receipt(
        self, adapter: SqlAdapter, worker: str
    ) -> None:
        """As after a COMMIT whose answer was lost."""
        enqueue(adapter)
        held = claim_one(adapter, worker)
        assert adapter.settle([Ack(held)]) == []
        assert adapter.settle([Ack(held)]) == [held]
        assert adapter.stats().processed == 1

    def test_a_claim_whose_answer_was_lost_is_held(self, adapter: SqlAdapter, worker: str) -> None:
        enqueue(adapter)
        lost = claim(adapter, worker)
        assert adapter.held(worker) == lost


class TestHanging:
    @pytest.fixture
    def hasty(self, url: str) -> Iterator[SqlAdapter]:
        """Its connection is made."""
        with closing(SqlAdapter(f"{url}&timeout=0.5")) as adapter:
            patiently(adapter.stats)
            yield adapter

    def test_a_lock_that_is_not_given_back_costs_a_call_its_time_and_no_connection(
        self, hasty: SqlAdapter, other: psycopg.Connection
    ) -> None:
        with other.transaction():
            other.execute("LOCK TABLE jobkit_jobs")
            began = time.monotonic()
            with pytest.raises(AdapterError, match=r"gave no answer within 0\.5 s: look at its"):
                enqueue(hasty)
            assert 0.5 <= time.monotonic() - began < 5
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            deadline = time.monotonic() + 20
            while other.execute(waits).fetchone() != (0,):
                assert time.monotonic() < deadline, "it still waits there"
                time.sleep(0.01)
        assert patiently(hasty.stats).enqueued == 0

    def test_a_server_that_stands_still_answers_in_time_that_it_does_not(
        self, adapter: SqlAdapter, hasty: SqlAdapter, postgres: Postgres
    ) -> None:
        enqueue(adapter)
        with postgres.frozen():
            began = time.monotonic()
            with pytest.raises(AdapterError, match="gave no answer"):
                hasty.stats()
            assert time.monotonic() - began < 8
        assert patiently(hasty.stats).enqueued == 1

    def test_a_long_transaction_of_somebody_else_holds_up_nobody(
        self, adapter: SqlAdapter, worker: str, other: psycopg.Connection
    ) -> None:
        enqueue(adapter)
        with other.transaction():
            other.execute("SELECT * FROM jobkit_jobs FOR UPDATE")
            enqueue(adapter)
            assert len(claim(adapter, worker)) == 1, "the other one is locked, and skipped"
        assert len(claim(adapter, worker)) == 1


STANDS_STILL = """
import os, signal, sys
from contextlib import closing, suppress
from sqlalchemy import Engine, event
from jobkit.adapter import Bury
from jobkit.errors import AdapterError
from jobkit_sql import SqlAdapter

url = sys.argv[1]
with closing(SqlAdapter(url)) as patient, closing(SqlAdapter(f"{url}&timeout=0.5")) as adapter:
    (held,) = patient.claim(["default"], limit=1, worker="worker")
    suspended, said = [], None

    @event.listens_for(Engine, "commit")
    def suspend(connection):
        if not suspended:
            suspended.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)

    while not suspended:
        # Who wakes up first: the watchdog of the call, or what waits for its answer.
        with suppress(AdapterError):
            said = adapter.settle([Bury(held, held.payload)])
    print(patient.settle([Bury(held, held.payload)]) if said is None else said)
"""


class TestStandingStill:
    """A process that is suspended in the middle of a transaction, and what it holds."""

    def test_keeps_nobody_from_settling_for_long_and_settles_anew_when_it_wakes_up(
        self, url: str, adapter: SqlAdapter, worker: str
    ) -> None:
        enqueue(adapter)
        command = [sys.executable, "-c", STANDS_STILL, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as still:
            os.waitpid(still.pid, os.WUNTRACED)
            enqueue(adapter)
            held = claim_one(adapter, worker)
            assert adapter.settle([Bury(held, held.payload)]) == []
            still.send_signal(signal.SIGCONT)
            said, _ = still.communicate(timeout=30)
        assert said == "[]\n"
        assert adapter.stats().dead == 2

    def test_a_pooler_that_refuses_the_setting_is_connected_to_without_it(
        self, url: str, postgres: Postgres
    ) -> None:
        with _pooler(postgres.port) as port:
            there = url.replace(f":{postgres.port}", f":{port}")
            with closing(SqlAdapter(there)) as adapter:
                enqueue(adapter)
                assert adapter.stats().enqueued == 1


@contextmanager
def _pooler(port: int) -> Generator[int]:
    """Stands before the server and takes no setting at the start of a connection."""
    refusal = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    if b"idle_in_transaction" in client.recv(4_096, socket.MSG_PEEK):
                        client.recv(4_096)
                        client.sendall(b"E" + struct.pack(">i", len(refusal) + 4) + refusal)
                        client.close()
                        continue
                    server = socket.create_connection(("127.0.0.1", port))
                    for one, two in ((client, server), (server, client)):
                        threading.Thread(target=_pumped, args=(one, two), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _pumped(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError), source, to:
        while data := source.recv(65_536):
            to.sendall(data)


@pytest.mark.parametrize("use", [SqlAdapter.stats, SqlAdapter.migrate, enqueue])
def test_a_server_of_an_older_version_is_refused_at_the_start(
    use: Callable[[SqlAdapter], object], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_OLDEST", 99)
    with (
        closing(SqlAdapter(url)) as adapter,
        pytest.raises(
            ConfigurationError, match=r"^127.0.0.1\S* is PostgreSQL 1\S+: jobkit needs 99 or newer$"
        ),
    ):
        use(adapter)


class TestRunningOut:
    def test_a_pool_that_cannot_be_had_is_refused_at_the_start(self, url: str) -> None:
        with (
            closing(SqlAdapter(f"{url}&pool_size=999")) as adapter,
            pytest.raises(ConfigurationError, match=r"pool_size=999 is too much .* allows 200"),
        ):
            adapter.stats()

    def test_the_error_says_what_to_raise(self, postgres: Postgres) -> None:
        server = Postgres(max_connections="6", superuser_reserved_connections="0")
        server.start()
        try:
            with closing(SqlAdapter(server.emptied("few"))) as adapter:
                enqueue(adapter)
                others = all_that_can_be_had(server, 6 - 1)
                enqueue(adapter)  # on what it has
                with (
                    closing(SqlAdapter(server.url(schema="few"))) as late,
                    pytest.raises(AdapterError, match=r"no connection left"),
                ):
                    enqueue(late)
                for each in others:
                    each.close()
        finally:
            server.remove()


AS_SOON_AS_SOMEBODY_WAITS = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP
        PERFORM pg_sleep(0.005);
    END LOOP;
    UPDATE jobkit_jobs SET at = at WHERE id = '{}';
END $$
"""


class TestClashes:
    @pytest.fixture
    def connect(self, url: str) -> Iterator[Callable[[], SqlAdapter]]:
        """For who may wait for many others."""
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(SqlAdapter(f"{url}&timeout=60")))

    def test_many_who_claim_settle_manage_and_recover_at_once_never_deadlock(
        self, connect: Callable[[], SqlAdapter], other: psycopg.Connection
    ) -> None:
        adapter = connect()
        adapter.enqueue([payload() for _ in range(400)])
        ending = time.monotonic() + 3

        def work(number: int) -> None:
            mine = connect()
            name = register(mine, f"worker-{number}")
            while time.monotonic() < ending:
                claims = claim(mine, name, limit=20)
                mine.settle([Bury(each, each.payload) for each in reversed(claims)])

        def manage() -> None:
            mine = connect()
            while time.monotonic() < ending:
                dead = mine.jobs(State.DEAD, limit=50).items
                mine.move([Move(job, job.payload, State.ENQUEUED) for job in reversed(dead)])

        def recover() -> None:
            mine = connect()
            heir = register(mine, "heir")
            while time.monotonic() < ending:
                doomed = register(mine, "doomed")
                claim(mine, doomed, limit=20)
                mine.recover(doomed, to=heir)
                mine.retire(heir)
                register(mine, heir)

        before = _deadlocks(other)
        at_once([*(lambda n=n: work(n) for n in range(3)), manage, manage, recover])
        assert _deadlocks(other) == before
        assert sum((s := adapter.stats(), s.enqueued + s.running + s.dead)[1:]) == 400

    def test_a_deadlock_with_somebody_else_is_tried_again(
        self, adapter: SqlAdapter, other: psycopg.Connection
    ) -> None:
        first, second = enqueue(adapter), enqueue(adapter)
        jobs = adapter.jobs(State.ENQUEUED).items
        # Its patience ends first, so that it is ours that the server undoes.
        other.execute("SET deadlock_timeout = '10s'")
        with other.transaction():
            other.execute("SELECT 1 FROM jobkit_jobs WHERE id = %s FOR UPDATE", [second.id])
            deleted: list[int] = []
            act = threading.Thread(target=lambda: deleted.append(adapter.delete(jobs)))
            act.start()
            # On the server, and so at once: ours looks for a deadlock when it has waited for 1 s,
            # and once only.
            other.execute(AS_SOON_AS_SOMEBODY_WAITS.format(first.id).encode())
        act.join()
        assert deleted == [2]


class TestSessions:
    def test_what_is_prepared_has_a_name_of_its_own_and_no_setting_is_changed(
        self, adapter: SqlAdapter, worker: str
    ) -> None:
        for _ in range(20):
            enqueue(adapter)
            adapter.settle([Ack(each) for each in claim(adapter, worker)])
        with adapter._store.reading() as connection:
            prepared = connection.exec_driver_sql("SELECT name FROM pg_prepared_statements")
            assert {name[:7] for (name,) in prepared} == {"jobkit_"}
            changed = connection.exec_driver_sql(
                "SELECT name FROM pg_settings WHERE source = 'session'"
            )
            assert changed.all() == []
            locks = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            )
            assert locks.scalar() == 0

    @pytest.mark.parametrize(("said", "prepares"), [("true", True), ("false", False)])
    def test_statements_are_prepared_as_the_url_says(
        self, url: str, said: str, prepares: bool
    ) -> None:
        with closing(SqlAdapter(f"{url}&prepare={said}")) as adapter:
            for _ in range(20):
                enqueue(adapter)
            with borrowed(adapter) as session:
                assert bool(prepared(session)) == prepares

    def test_what_a_time_limit_struck_serves_nobody_else(self, adapter: SqlAdapter) -> None:
        """An answer may yet come on it, which would be taken for another one's."""
        enqueue(adapter)
        with suppress(KeyboardInterrupt), borrowed(adapter) as struck:
            struck.connection.pgconn.send_query(b"SELECT 1")
            raise KeyboardInterrupt
        assert struck.connection.closed
        enqueue(adapter)
        with borrowed(adapter) as session:
            assert session.connection is not struck.connection

    def test_a_time_limit_that_strikes_while_a_job_is_stored_leaves_nothing_behind(
        self, adapter: SqlAdapter
    ) -> None:
        enqueue(adapter)
        struck: list[psycopg.Connection] = []

        def strike(session: Session) -> None:
            struck.append(session.connection)
            session.connection.pgconn.send_query(b"SELECT 1")
            raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            hand(adapter).do(strike)
        assert struck[0].closed
        assert hand(adapter)._watchdog._calls == {}
        enqueue(adapter)
        assert adapter.stats().enqueued == 2

    def test_a_job_is_stored_though_nobody_can_be_woken(
        self, adapter: SqlAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enqueue(adapter)
        bell = cast("Connections", adapter._store._ready())._bell
        monkeypatch.setattr(bell, "ring", statement_of("SELECT no_such_function()"))
        monkeypatch.setattr(bell, "_rung_at", 0.0)
        enqueue(adapter)
        assert bell._rung_at > 0.0
        assert adapter.stats().enqueued == 2

    def test_jobs_that_are_stored_alone_take_turns_on_one_connection(
        self, adapter: SqlAdapter
    ) -> None:
        enqueue(adapter)
        with borrowed(adapter) as one, borrowed(adapter) as another:
            assert one.connection is not another.connection
        lent = []
        event.listen(hand(adapter)._engine, "checkout", lambda *_: lent.append(1))
        for _ in range(5):
            enqueue(adapter)
        assert lent == []

    def test_one_that_the_server_ended_in_the_meantime_is_replaced(
        self, adapter: SqlAdapter, other: psycopg.Connection
    ) -> None:
        enqueue(adapter)
        with borrowed(adapter) as ended:
            pass
        kill_all(other)
        with borrowed(adapter) as session:
            assert session.rows(statement_of("SELECT 1"), ()) == [("1",)]
        assert ended.connection.closed

    def test_what_comes_together_shares_it(self, adapter: SqlAdapter) -> None:
        """A process with one thread has one connection, whatever it asks."""
        enqueue(adapter)
        with borrowed(adapter) as one:
            kept = one.connection.info.backend_pid
        with adapter._store.reading() as connection:
            assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() == kept
        with adapter._store.writing() as connection:
            assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() == kept

    def test_a_closed_adapter_leaves_none_open(self, connect: Callable[[], SqlAdapter]) -> None:
        adapter = connect()
        enqueue(adapter)
        with borrowed(adapter) as kept:
            pass
        adapter.close()
        assert kept.connection.closed

    def test_nothing_is_kept_from_those_who_wait_for_one(self, url: str) -> None:
        with closing(SqlAdapter(f"{url}&pool_size=1")) as adapter:
            enqueue(adapter)
            with borrowed(adapter), borrowed(adapter):
                assert not hand(adapter)._kept
            assert not hand(adapter)._kept
            enqueue(adapter)
            assert hand(adapter)._kept

    def test_transactions_are_read_committed_whatever_the_database_says(
        self, connect: Callable[[], SqlAdapter], other: psycopg.Connection
    ) -> None:
        name = "ALTER DATABASE postgres SET default_transaction_isolation"
        other.execute(f"{name} = 'serializable'".encode())
        try:
            with connect()._store.writing() as connection:
                level = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
        finally:
            other.execute(f"{name} = 'read committed'".encode())
        assert level == "read committed"


def test_the_socket_of_the_server_can_be_named(postgres: Postgres, url: str) -> None:
    del url  # whose schema it is
    by_socket = f"postgresql://jobkit@:{postgres.port}/postgres?host={postgres.folder}&schema=here"
    with closing(SqlAdapter(by_socket)) as adapter:
        enqueue(adapter)
        assert adapter.stats().enqueued == 1


def _deadlocks(other: psycopg.Connection) -> int:
    [found] = other.execute(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ).fetchall()
    return int(found[0])
