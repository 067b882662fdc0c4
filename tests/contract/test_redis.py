"""What every adapter promises, on Valkey 8 and Redis 6.2, with either protocol, in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count

import pytest

from jobkit.adapter import Retention
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract
from jobkit_redis import RedisAdapter
from tests.servers.valkey import REDIS_6, VALKEY, Server, elsewhere, running

_number = count()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey"), binary=VALKEY) as server:
        yield server


@pytest.fixture(scope="module")
def redis_6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis"), binary=REDIS_6) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("cluster"), binary=VALKEY, cluster=True) as server:
        yield server


class _OnRedis(AdapterContract):
    options: tuple[str, ...] = ()

    @pytest.fixture
    def base(self, server: Server | None) -> Iterator[str]:
        """The URL up to its namespace; the database is empty."""
        given = elsewhere()
        if server is None:
            assert given is not None
            yield f"{given}{'&' if '?' in given else '?'}"
            return
        with server.client() as client:
            client.flushall()
        yield server.url(*self.options, "")

    @pytest.fixture
    def url(self, base: str) -> str:
        return f"{base}namespace=test{next(_number)}"

    @pytest.fixture
    def adapter(self, url: str, clock: ManualClock) -> Iterator[RedisAdapter]:
        with closing(RedisAdapter(url, clock=clock)) as adapter:
            yield adapter

    @pytest.fixture
    def connect(self, url: str, clock: ManualClock) -> Iterator[Callable[[], RedisAdapter]]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(RedisAdapter(url, clock=clock)))

    @pytest.fixture
    def opener(self, url: str) -> Callable[[], RedisAdapter]:
        return partial(RedisAdapter, url)

    @pytest.fixture
    def keeping(
        self, base: str, clock: ManualClock
    ) -> Iterator[Callable[[Retention], RedisAdapter]]:
        def make(retention: Retention) -> RedisAdapter:
            url = f"{base}namespace=keeping{next(_number)}"
            adapter = RedisAdapter(url, clock=clock, retention=retention)
            return opened.enter_context(closing(adapter))

        with ExitStack() as opened:
            yield make


class TestValkey(_OnRedis):
    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> Server | None:
        if elsewhere() is not None:
            return None
        server: Server = request.getfixturevalue("valkey")
        return server


class TestRedis6AsSidekiqHasIt(_OnRedis):
    """Redis 6.2, asked by the older protocol, and keys without a namespace."""

    options = ("protocol=2",)

    @pytest.fixture
    def server(self, redis_6: Server) -> Server:
        return redis_6

    @pytest.fixture
    def url(self, base: str) -> str:
        return f"{base}namespace="


class TestCluster(_OnRedis):
    @pytest.fixture
    def server(self, cluster: Server) -> Server:
        return cluster
