"""What every adapter promises, on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count

import pytest
from hypothesis import settings

from jobkit.adapter import Retention
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract
from jobkit_sql import SqlAdapter
from tests.servers.postgres import Postgres


class TestPostgres(AdapterContract):
    @pytest.fixture
    def model_settings(self) -> settings:
        """Fewer examples than elsewhere: each step takes some ten statements."""
        return settings(max_examples=40, stateful_step_count=30, derandomize=True)

    @pytest.fixture
    def url(self, postgres: Postgres) -> str:
        return postgres.emptied("contract")

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
        self, postgres: Postgres, clock: ManualClock
    ) -> Iterator[Callable[[Retention], SqlAdapter]]:
        def make(retention: Retention) -> SqlAdapter:
            url = postgres.emptied(f"keeping_{next(number)}")
            adapter = SqlAdapter(url, clock=clock, retention=retention)
            return opened.enter_context(closing(adapter))

        number = count()
        with ExitStack() as opened:
            yield make


class TestPostgresWithAPrefix(TestPostgres):
    """Under names of one's own: as much of it as it takes to meet every table."""

    @pytest.fixture
    def url(self, postgres: Postgres) -> str:
        return postgres.emptied("prefixed", prefix="shop_")


KEPT = ("Claiming", "Leasing", "Tallying", "Pausing", "Measuring", "Ticking", "Waiting")
KEPT_FEATURES = ("Locking", "Amending", "Rating", "Resulting")
for name in vars(AdapterContract):
    if name.startswith("Test") and name.removeprefix("Test") not in KEPT + KEPT_FEATURES:
        setattr(TestPostgresWithAPrefix, name, None)
