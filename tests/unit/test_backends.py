"""Backends: which adapter answers for a name."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobkit import backends, settings
from jobkit.adapter import Enqueues, Features, Retention
from jobkit.clock import Clock
from jobkit.errors import ConfigurationError, Unsupported
from jobkit.payload import Payload


class Recorder(Enqueues):
    """Takes jobs and remembers how it was made."""

    features = Features(durable=False)

    def __init__(self, url: str = "", retention: Retention | None = None) -> None:
        self.url = url
        self.retention = retention
        self.closed = False

    @classmethod
    def from_url(
        cls, url: str, *, clock: Clock | None = None, retention: Retention | None = None
    ) -> Recorder:
        return cls(url, retention)

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True

    def __len__(self) -> int:
        return 0  # an empty adapter is falsy, and an adapter all the same


class Point:
    """An entry point that loads to what it is given."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name = name
        self._loaded = loaded

    def load(self) -> Any:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings, no adapters, and entry points of our own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JOBKIT_")]:
        monkeypatch.delenv(name)
    points = [
        Point("record", Recorder),
        Point("sqlite", Recorder),
        Point("broken", ModuleNotFoundError("No module named 'driver'")),
        Point("redis", ModuleNotFoundError("No module named 'redis'")),
        Point("wrong", object),
    ]
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: points if group == "jobkit.adapters" else real(group=group),
    )
    settings.reset()
    yield
    backends.close_all()
    settings.reset()


def made(name: str = "default") -> Recorder:
    adapter = backends.get(name)
    assert isinstance(adapter, Recorder)
    return adapter


class TestGet:
    def test_makes_the_adapter_that_the_url_names(self) -> None:
        settings.configure(url="record://x", dead_max=5, dead_days=6, keep_finished=7)
        assert made().url == "record://x"
        assert made().retention == Retention(dead_max=5, dead_days=6, keep_finished=7)

    def test_ignores_the_driver_and_the_case_of_the_scheme(self) -> None:
        settings.configure(url="Record+fast://x")
        assert made().url == "Record+fast://x"

    def test_makes_one_adapter_for_each_backend(self) -> None:
        settings.configure(url="record://x", backends={"bulk": "record://x"})
        assert backends.get() is backends.get("default")
        assert backends.get("bulk") is backends.get("bulk")
        assert backends.get("bulk") is not backends.get()

    def test_makes_another_when_the_url_changes(self) -> None:
        settings.configure(url="record://x")
        before = backends.get()
        settings.configure(url="record://y")
        assert backends.get() is not before
        assert made().url == "record://y"

    @pytest.mark.behaviour("D7")
    def test_makes_one_adapter_however_many_threads_ask_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start, second = threading.Barrier(8), threading.Barrier(2)

        def make_slowly(url: str, **given: Any) -> Recorder:
            with suppress(threading.BrokenBarrierError):
                second.wait(0.2)  # for another that makes one, too: there must be none
            return Recorder(url)

        monkeypatch.setattr(Recorder, "from_url", make_slowly)
        seen: list[Enqueues] = []

        def ask() -> None:
            start.wait()
            seen.append(backends.get())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 8
        assert len({id(each) for each in seen}) == 1

    def test_lists_the_backends_there_are(self) -> None:
        settings.configure(backends={"b": "record://b", "a": "record://a"})
        assert backends.names() == ("default", "b", "a")


class TestErrors:
    def test_an_unknown_name_is_answered_with_the_known_ones(self) -> None:
        settings.configure(backends={"bulk": "record://x"})
        with pytest.raises(ConfigurationError, match=r"no backend 'bluk'; .*: default, bulk$"):
            backends.get("bluk")

    def test_an_unknown_scheme_is_answered_with_the_known_ones_and_its_place(self) -> None:
        Path("jobkit.toml").write_text('url = "mysql://u:hunter2@h/db"')
        with pytest.raises(ConfigurationError) as caught:
            backends.get()
        assert str(caught.value) == (
            "jobkit.toml, line 1: no adapter serves mysql:// URLs; "
            "known are: broken, record, redis, sqlite, wrong"
        )

    @pytest.mark.parametrize(
        ("scheme", "extra"),
        [
            ("redis", "redis"),
            ("rediss", "redis"),
            ("unix", "redis"),
            ("postgresql", "postgres"),
            ("postgres", "postgres"),
            ("postgresql+psycopg", "postgres"),
        ],
    )
    def test_a_missing_extra_is_named_with_its_pip_command(self, scheme: str, extra: str) -> None:
        settings.configure(url=f"{scheme}://u:hunter2@h")
        with pytest.raises(ConfigurationError) as caught:
            backends.get()
        assert str(caught.value).endswith(f'install it with: pip install "jobkit[{extra}]"')
        assert "hunter2" not in str(caught.value)

    def test_an_adapter_that_cannot_be_loaded_is_named_with_the_reason(self) -> None:
        settings.configure(backends={"b": "broken://"})
        with pytest.raises(ConfigurationError, match=r"backends=….*broken:// .* module named 'dr"):
            backends.get("b")

    def test_an_entry_point_must_be_an_adapter_class(self) -> None:
        settings.configure(url="wrong://")
        with pytest.raises(ConfigurationError, match=r"point wrong of jobkit\.adapters is no"):
            backends.get()

    def test_a_worker_needs_more_than_enqueueing(self) -> None:
        with pytest.raises(Unsupported, match="Recorder does not support workers"):
            backends.get_adapter()


class TestReplacing:
    def test_an_installed_adapter_answers_for_its_name_alone(self) -> None:
        mine = Recorder()
        backends.install("mine", mine)
        try:
            assert backends.get("mine") is mine
            assert backends.get() is not mine
            assert backends.names() == ("default", "mine")
        finally:
            backends.uninstall("mine")
        with pytest.raises(ConfigurationError):
            backends.get("mine")

    def test_an_override_answers_for_every_name_in_every_thread(self) -> None:
        fake = Recorder()
        seen: list[Enqueues] = []
        with backends.override(fake):
            thread = threading.Thread(target=lambda: seen.append(backends.get("anything")))
            thread.start()
            thread.join()
        assert seen == [fake]
        assert backends.get() is not fake

    def test_overrides_nest(self) -> None:
        outer, inner = Recorder(), Recorder()
        with backends.override(outer):
            with backends.override(inner):
                assert backends.get() is inner
            assert backends.get() is outer

    def test_use_answers_here_and_not_in_other_threads(self) -> None:
        fake, seen = Recorder(), list[Enqueues]()
        with backends.use(fake):
            assert backends.get("anything") is fake
            thread = threading.Thread(target=lambda: seen.append(backends.get()))
            thread.start()
            thread.join()
        assert seen
        assert seen[0] is not fake
        assert backends.get() is not fake

    def test_use_reaches_the_tasks_it_starts_and_no_others(self) -> None:
        fake = Recorder()

        async def ask() -> Enqueues:
            return backends.get()

        async def both() -> tuple[Enqueues, Enqueues]:
            before = asyncio.create_task(ask())
            with backends.use(fake):
                inside = asyncio.create_task(ask())
            return await before, await inside

        before, inside = asyncio.run(both())
        assert before is not fake
        assert inside is fake

    def test_use_wins_over_an_override_and_both_are_undone_by_errors(self) -> None:
        everywhere, here = Recorder(), Recorder()

        def fail() -> None:
            with backends.override(everywhere), backends.use(here):
                assert backends.get() is here
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert backends.get() not in (everywhere, here)


class TestClosing:
    def test_closes_what_was_made_and_makes_it_anew(self) -> None:
        before = made()
        backends.close_all()
        assert before.closed
        assert made() is not before

    def test_leaves_what_was_installed_to_its_owner(self) -> None:
        mine = Recorder()
        backends.install("mine", mine)
        try:
            backends.close_all()
            assert not mine.closed
        finally:
            backends.uninstall("mine")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_makes_its_own_adapters() -> None:
    parents = backends.get()
    child = os.fork()
    if child == 0:
        os._exit(0 if backends.get() is not parents else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backends.get() is parents


def test_importing_loads_neither_adapters_nor_package_metadata() -> None:
    script = (
        "import sys, jobkit.backends;"
        "print([m for m in ('jobkit_sql', 'sqlalchemy', 'redis', 'importlib.metadata')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
