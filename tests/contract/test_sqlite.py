"""What every adapter promises, on a SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from jobkit.adapter import Retention
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract
from jobkit_sql import SqlAdapter
from jobkit_sql.dialects.sqlite import connections, patience, turns


class TestSqlite(AdapterContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/jobs.db"

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Eight writers whose threads take turns all the time: SQLite knows no queue for them."""
        for module in (connections, patience, turns):
            monkeypatch.setattr(module, "BUSY_TIMEOUT", 60.0)

    @pytest.fixture
    def adapter(self, url: str, clock: ManualClock) -> Iterator[SqlAdapter]:
        with closing(SqlAdapter(url, clock=clock)) as adapter:
            yield adapter

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Iterator[Callable[[], SqlAdapter]]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(SqlAdapter(url, clock=clock)))

    @pytest.fixture
    def opener(self, url: str) -> Callable[[], SqlAdapter]:
        return partial(SqlAdapter, url)

    @pytest.fixture
    def keeping(
        self, tmp_path: Path, clock: ManualClock
    ) -> Iterator[Callable[[Retention], SqlAdapter]]:
        number = count()

        def make(retention: Retention) -> SqlAdapter:
            url = f"sqlite:///{tmp_path}/keeping-{next(number)}.db"
            adapter = SqlAdapter(url, clock=clock, retention=retention)
            return opened.enter_context(closing(adapter))

        with ExitStack() as opened:
            yield make
