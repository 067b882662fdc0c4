"""What makes a server slow from outside is told in the log."""

from __future__ import annotations

import psycopg
import pytest

from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.postgresql import dialect
from jobkit_sql.hindrances import Hindrances


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(dialect, "LEFT_OPEN", 0.0)
    return [0.0]


def test_a_transaction_that_is_left_open_is_told_of_once_a_minute(
    adapter: SqlAdapter,
    other: psycopg.Connection,
    now: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    hindrances = Hindrances(adapter._store, monotonic=lambda: now[0])
    with other.transaction():
        other.execute("SELECT txid_current()")
        hindrances.look()
        assert not told(caplog), "a process that has just begun says nothing"
        now[0] += 60
        hindrances.look()
        hindrances.look()
        assert len([line for line in told(caplog) if f"pid {other.info.backend_pid}," in line]) == 1

    before = len(told(caplog))
    now[0] += 60
    hindrances.look()
    assert not [line for line in told(caplog)[before:] if f"pid {other.info.backend_pid}," in line]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "has been open for" in message]
