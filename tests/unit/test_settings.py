"""Where settings come from, and which place wins."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobkit import settings
from jobkit.settings import Queues, Settings


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, an environment and a process without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JOBKIT_")]:
        monkeypatch.delenv(name)
    settings.reset()
    yield tmp_path
    settings.reset()


def write(text: str, name: str = "jobkit.toml") -> None:
    Path(name).write_text(text, "utf-8")


class TestDefaults:
    def test_hold_where_nothing_is_given(self) -> None:
        assert settings.current() == Settings()

    def test_are_those_of_the_documentation(self) -> None:
        read = settings.current()
        assert read.url == "sqlite:///jobkit.db"
        assert read.queues is None
        assert (read.concurrency, read.processes) == (10, 1)
        assert (read.shutdown_timeout, read.lease, read.stall_timeout) == (25, 30, 600)
        assert (read.boot_timeout, read.max_jobs, read.max_memory) == (None, None, None)
        assert (read.dead_max, read.dead_days, read.keep_finished) == (10_000, 180, 0)
        assert read.max_payload == 1024 * 1024
        assert (read.catch_up, read.timezone) == ("last", "UTC")
        assert (read.log_level, read.log_format) == ("info", "text")

    def test_show_no_password_when_printed(self) -> None:
        settings.configure(url="redis://:hunter2@host", backends={"b": "redis://:hunter2@host"})
        assert "hunter2" not in repr(settings.current())


class TestPrecedence:
    def test_each_place_wins_over_those_below_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.configure(concurrency=1)
        assert settings.current().concurrency == 1
        write("concurrency = 2\n[env.production]\nconcurrency = 3")
        settings.configure(processes=2)  # reads anew
        assert settings.current().concurrency == 2
        monkeypatch.setenv("JOBKIT_ENV", "production")
        settings.configure(processes=2)
        assert settings.current().concurrency == 3
        monkeypatch.setenv("JOBKIT_CONCURRENCY", "4")
        settings.configure(processes=2)
        assert settings.current().concurrency == 4
        settings.override(concurrency=5)
        assert settings.current().concurrency == 5

    def test_what_is_not_given_never_overrides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write("concurrency = 2")
        settings.configure(lease=5)
        settings.configure(boot_timeout=None)
        monkeypatch.setenv("JOBKIT_CONCURRENCY", "  ")
        settings.override(concurrency=None, lease=None)
        assert settings.current().concurrency == 2
        assert settings.current().lease == 5

    def test_later_calls_of_configure_win(self) -> None:
        settings.configure(concurrency=1, lease=5)
        settings.configure(concurrency=2)
        assert (settings.current().concurrency, settings.current().lease) == (2, 5)

    def test_configure_takes_effect_after_a_first_read(self) -> None:
        assert settings.current().concurrency == 10
        settings.configure(concurrency=1)
        assert settings.current().concurrency == 1

    def test_backends_of_all_places_are_put_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.configure(backends={"code": "memory://code", "both": {"url": "memory://code"}})
        write('[backends.file]\nurl = "memory://file"\n[backends.both]\nurl = "memory://file"')
        monkeypatch.setenv("JOBKIT_BACKENDS_VARIABLE_URL", "memory://variable")
        urls = {name: backend.url for name, backend in settings.current().backends.items()}
        assert urls == {
            "code": "memory://code",
            "both": "memory://file",
            "file": "memory://file",
            "variable": "memory://variable",
        }

    def test_the_settings_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError, match="cannot assign"):
            settings.current().concurrency = 3  # type: ignore[misc]
        with pytest.raises(TypeError):
            settings.current().backends["more"] = "x"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


class TestFile:
    def test_jobkit_toml_comes_before_the_project_file(self) -> None:
        write("[tool.jobkit]\nconcurrency = 2\nlease = 9", "pyproject.toml")
        assert settings.current().concurrency == 2
        settings.reset()
        write("concurrency = 3")
        assert (settings.current().concurrency, settings.current().lease) == (3, 30)

    def test_a_project_file_without_our_table_is_no_configuration(self) -> None:
        write("[tool.other]\nx = 1", "pyproject.toml")
        assert settings.current() == Settings()

    def test_parents_are_not_searched(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("concurrency = 3")
        (directory / "below").mkdir()
        monkeypatch.chdir(directory / "below")
        assert settings.current().concurrency == 10

    def test_another_file_may_be_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write("concurrency = 2")
        write("concurrency = 3", "a.toml")
        write("concurrency = 4", "b.toml")
        monkeypatch.setenv("JOBKIT_CONFIG", "a.toml")
        assert settings.current().concurrency == 3
        settings.override(config="b.toml")
        assert settings.current().concurrency == 4

    def test_a_project_file_may_be_named_too(self) -> None:
        Path("other").mkdir()
        write("[tool.jobkit]\nconcurrency = 2", "other/pyproject.toml")
        settings.override(config="other/pyproject.toml")
        assert settings.current().concurrency == 2

    def test_is_read_once(self) -> None:
        write("concurrency = 2")
        assert settings.current().concurrency == 2
        write("concurrency = 3")
        assert settings.current().concurrency == 2

    def test_an_environment_without_a_table_uses_the_file_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("concurrency = 2\n[env.production]\nconcurrency = 3")
        monkeypatch.setenv("JOBKIT_ENV", "development")
        assert settings.current().concurrency == 2

    def test_holds_every_setting(self) -> None:
        write(
            """
            url = "redis://localhost"
            imports = ["app.jobs", "app.more"]
            queues = { critical = 2, default = 1 }
            shutdown_timeout = 1.5
            boot_timeout = 60
            max_jobs = 100
            max_memory = 512
            dead_days = 0.5
            catch_up = "all"
            timezone = "Europe/Berlin"
            log_level = "WARNING"
            log_format = "json"

            [recurring.cleanup]
            cron = "0 3 * * *"
            job = "app.jobs.Cleanup"
            """
        )
        read = settings.current()
        assert read.imports == ("app.jobs", "app.more")
        assert read.queues == Queues(("critical", "default"), {"critical": 2, "default": 1})
        assert (read.shutdown_timeout, read.boot_timeout) == (1.5, 60)
        assert (read.max_jobs, read.max_memory, read.dead_days) == (100, 512, 0.5)
        assert (read.catch_up, read.timezone) == ("all", "Europe/Berlin")
        assert (read.log_level, read.log_format) == ("warning", "json")
        assert read.recurring["cleanup"] == {"cron": "0 3 * * *", "job": "app.jobs.Cleanup"}


class TestEnvironment:
    @pytest.mark.parametrize(
        ("variable", "text", "name", "value"),
        [
            ("JOBKIT_URL", "redis://localhost", "url", "redis://localhost"),
            ("JOBKIT_IMPORTS", "app.jobs  app.more", "imports", ("app.jobs", "app.more")),
            ("JOBKIT_CONCURRENCY", " 3 ", "concurrency", 3),
            ("JOBKIT_PROCESSES", "3", "processes", 3),
            ("JOBKIT_SHUTDOWN_TIMEOUT", "1.5", "shutdown_timeout", 1.5),
            ("JOBKIT_LEASE", "6", "lease", 6.0),
            ("JOBKIT_STALL_TIMEOUT", "0", "stall_timeout", 0.0),
            ("JOBKIT_BOOT_TIMEOUT", "60", "boot_timeout", 60.0),
            ("JOBKIT_MAX_JOBS", "100", "max_jobs", 100),
            ("JOBKIT_MAX_MEMORY", "512", "max_memory", 512),
            ("JOBKIT_DEAD_MAX", "0", "dead_max", 0),
            ("JOBKIT_DEAD_DAYS", "7", "dead_days", 7.0),
            ("JOBKIT_KEEP_FINISHED", "3600", "keep_finished", 3600.0),
            ("JOBKIT_MAX_PAYLOAD", "1000", "max_payload", 1000),
            ("JOBKIT_CATCH_UP", "none", "catch_up", "none"),
            ("JOBKIT_TIMEZONE", "Asia/Tokyo", "timezone", "Asia/Tokyo"),
            ("JOBKIT_LOG_LEVEL", "DEBUG", "log_level", "debug"),
            ("JOBKIT_LOG_FORMAT", "json", "log_format", "json"),
        ],
    )
    def test_has_a_variable_for_every_setting(
        self,
        variable: str,
        text: str,
        name: str,
        value: object,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, text)
        assert getattr(settings.current(), name) == value
        assert settings.where(name) == f"the environment variable {variable}"

    def test_queues_are_written_as_on_the_command_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_QUEUES", "critical,2 default")
        expected = Queues(("critical", "default"), {"critical": 2, "default": 1})
        assert settings.current().queues == expected

    def test_a_backend_is_found_however_its_name_is_spelled(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.configure(backends={"High-Volume": "memory://code"})
        monkeypatch.setenv("JOBKIT_BACKENDS_HIGH_VOLUME_URL", "memory://variable")
        monkeypatch.setenv("JOBKIT_BACKENDS_OTHER_URL", "memory://other")
        assert set(settings.current().backends) == {"High-Volume", "other"}
        assert settings.current().backends["High-Volume"].url == "memory://variable"


class TestCode:
    def test_durations_may_be_timedeltas(self) -> None:
        settings.configure(lease=timedelta(minutes=1), boot_timeout=timedelta(seconds=5))
        assert (settings.current().lease, settings.current().boot_timeout) == (60, 5)

    def test_queues_may_be_a_list_a_table_or_text(self) -> None:
        for queues in (["a", "b"], ("a", "b"), "a b", Queues(("a", "b"))):
            settings.configure(queues=queues)
            assert settings.current().queues == Queues(("a", "b"))
        settings.configure(queues={"a": 2})
        assert settings.current().queues == Queues(("a",), {"a": 2})

    def test_an_unknown_name_is_a_type_error_with_the_nearest(self) -> None:
        with pytest.raises(TypeError, match=r"no setting 'concurency' .*'concurrency'"):
            settings.configure(concurency=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_many_threads_read_the_same_settings_once() -> None:
    write("concurrency = 2")
    start = threading.Barrier(8)
    seen: list[Settings] = []

    def read() -> None:
        start.wait()
        seen.append(settings.current())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len({id(each) for each in seen}) == 1
