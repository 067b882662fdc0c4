"""Several applications in one schema of a server, each with a prefix: `?prefix=` in the URL."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import create_engine, make_url, text

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql.listening import channel_of
from jobkit_sql.dialects.postgresql.options import Options
from tests.servers.postgres import Postgres
from tests.unit.sql.support import claim, enqueue, payload, register


def test_two_prefixes_in_one_schema_meet_in_nothing(postgres: Postgres) -> None:
    one, other = (postgres.emptied("both", prefix=prefix) for prefix in ("one_", "jobkit_b_"))
    with closing(SqlAdapter(one)) as ours, closing(SqlAdapter(other)) as theirs:
        jobs = [enqueue(adapter) for adapter in (ours, theirs)]
        for adapter, job in zip((ours, theirs), jobs, strict=True):
            register(adapter, "worker")
            assert [each.payload.id for each in claim(adapter, "worker")] == [job.id]
            assert (adapter.check(), adapter.migrate()) == ([], [])
    with postgres.connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
            " WHERE nspname = 'both' AND relname LIKE 'jobkit_%' AND relname NOT LIKE 'jobkit_b_%'"
        ).fetchone()
    assert found == (0,)


@pytest.mark.parametrize("schema", ["woken", "x" * 63])
def test_only_those_who_share_the_tables_are_woken_whatever_their_names(
    postgres: Postgres, schema: str
) -> None:
    """A schema of more than 56 letters made a channel that LISTEN cut and NOTIFY refused."""
    urls = [postgres.emptied(schema, **each) for each in ({}, {"prefix": "shop_" * 6})]
    engine = create_engine(postgres.url().replace("postgresql:", "postgresql+psycopg:"))
    for url in urls:
        with closing(SqlAdapter(url)) as adapter, postgres.connect() as listener:
            for each in urls:
                options = Options.of(make_url(each))
                listener.execute(f'LISTEN "{channel_of(options)}"'.encode())
            with engine.begin() as connection:
                assert adapter.shares(connection)
                adapter.enqueue_through(connection, [payload()])
                assert connection.scalar(text("SELECT 'jobkit_jobs'")) == "jobkit_jobs"
            [heard] = listener.notifies(timeout=30, stop_after=1)
            assert heard.channel == channel_of(Options.of(make_url(url)))
            assert not [*listener.notifies(timeout=0.05)]
            assert adapter.stats().enqueued == 1
    engine.dispose()
