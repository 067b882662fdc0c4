"""Every mistake is named with its place, and with what is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit import settings
from jobkit.errors import ConfigurationError

KEY = "qHPDgGBHX407t8uqmw1bhmCcZVJda67Ywor9zOs9s0U="


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, an environment and a process without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JOBKIT_")]:
        monkeypatch.delenv(name)
    settings.reset()
    yield tmp_path
    settings.reset()


def error_of_file(text: str, name: str = "jobkit.toml") -> str:
    Path(name).write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        settings.current()
    return str(caught.value)


def error_of_code(**values: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings.configure(**values)
    return str(caught.value)


class TestFile:
    def test_a_wrong_value_is_named_with_file_line_and_what_is_allowed(self) -> None:
        assert error_of_file('# comment\n\nconcurrency = "many"\n') == (
            "jobkit.toml, line 3: concurrency must be a whole number, 1 or more, not 'many'"
        )

    def test_text_is_no_number_in_a_file(self) -> None:
        assert "not '3'" in error_of_file('concurrency = "3"')

    def test_an_unknown_key_is_named_with_the_nearest(self) -> None:
        assert error_of_file("lease = 3\nconcurency = 3") == (
            "jobkit.toml, line 2: there is no setting 'concurency' (the nearest is 'concurrency')"
        )

    def test_all_mistakes_are_told_at_once(self) -> None:
        error = error_of_file("concurrency = 0\nlease = 0")
        assert "line 1: concurrency must be a whole number, 1 or more, not 0" in error
        assert "line 2: lease must be seconds, more than 0, not 0" in error

    def test_a_mistake_is_found_even_where_another_place_overrides_it(self) -> None:
        settings.configure(lease=3)
        settings.override(lease=4)
        assert "line 1: lease" in error_of_file("lease = -1")

    def test_a_mistake_for_another_environment_is_found(self) -> None:
        error = error_of_file("concurrency = 1\n[env.production]\n\nconcurency = 3")
        assert error.startswith("jobkit.toml, line 4, [env.production]: there is no setting")

    def test_environments_are_tables(self) -> None:
        assert "line 1: env must be tables" in error_of_file('env = "production"')
        assert "line 1: env must be tables" in error_of_file("env = { a = 3 }")

    def test_a_mistake_in_the_project_file_has_its_line(self) -> None:
        text = '[project]\nname = "x"\n[tool.jobkit]\nlease = "long"'
        assert error_of_file(text, "pyproject.toml").startswith(
            "pyproject.toml, line 4: lease must"
        )

    def test_our_table_in_the_project_file_is_a_table(self) -> None:
        error = error_of_file("[tool]\njobkit = 3", "pyproject.toml")
        assert error == "pyproject.toml, line 2: tool.jobkit must be a table"

    def test_a_backend_needs_a_url_and_nothing_else(self) -> None:
        text = '[backends.a]\nurl = "memory://"\n[backends.b]\nulr = "memory://"'
        error = error_of_file(text)
        assert "line 3: backends.b.url is missing" in error
        assert "line 4: there is no setting 'backends.b.ulr' (the nearest is 'url')" in error

    def test_the_default_backend_is_the_url(self) -> None:
        error = error_of_file('[backends.default]\nurl = "memory://"')
        assert "line 1" in error
        assert "the default backend is the setting 'url'" in error

    def test_a_backend_has_a_plain_name(self) -> None:
        assert "is no backend name" in error_of_file('[backends."a b"]\nurl = "memory://"')

    def test_a_file_that_is_no_toml_is_named_with_the_line(self) -> None:
        error = error_of_file("concurrency = 3\nlease = \n")
        assert error.startswith("jobkit.toml is not TOML: ")
        assert "line 2" in error

    def test_a_file_that_is_no_text_is_named(self, directory: Path) -> None:
        (directory / "jobkit.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigurationError, match=r"jobkit\.toml is not UTF-8 text"):
            settings.current()

    def test_a_file_that_cannot_be_read_is_named(self, directory: Path) -> None:
        (directory / "jobkit.toml").mkdir()
        with pytest.raises(ConfigurationError, match=r"cannot read jobkit\.toml: "):
            settings.current()

    def test_a_named_file_must_exist_and_hold_settings(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_CONFIG", "gone.toml")
        with pytest.raises(ConfigurationError, match=r"JOBKIT_CONFIG names gone\.toml, which does"):
            settings.current()
        Path("pyproject.toml").write_text("[tool.other]\n")
        settings.override(config="pyproject.toml")
        with pytest.raises(
            ConfigurationError, match=r"--config names .* no table \[tool\.jobkit\]"
        ):
            settings.current()

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ('note = """\nlease = 3\n"""\nlease = -1', 4),
            ('imports = [\n  "lease",\n]\n"lease" = -1', 4),
            ("# lease = 3\nlease = -1", 2),
            ("concurrency = 1\n\n\nqueues = [\n'a',\n'a',\n]", 4),
            ("recurring = {}\nbackends = { a = 3 }", 2),
        ],
    )
    def test_the_line_is_found_whatever_stands_around_it(self, text: str, line: int) -> None:
        assert f"line {line}: " in error_of_file(text)


class TestEnvironment:
    def test_a_wrong_value_is_named_with_its_variable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_CONCURRENCY", "many")
        with pytest.raises(ConfigurationError) as caught:
            settings.current()
        assert str(caught.value) == (
            "the environment variable JOBKIT_CONCURRENCY: "
            "concurrency must be a whole number, 1 or more, not 'many'"
        )

    def test_a_wrong_backend_is_named_with_its_variable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_BACKENDS_BULK_URL", "localhost")
        with pytest.raises(
            ConfigurationError, match=r"JOBKIT_BACKENDS_BULK_URL: backends.bulk\.url"
        ):
            settings.current()


class TestCode:
    @pytest.mark.parametrize(
        ("name", "value", "allowed"),
        [
            ("url", "localhost", "a URL such as"),
            ("url", 3, "a URL such as"),
            ("backends", 3, "tables with a"),
            ("imports", 3, "a list of module names"),
            ("imports", [3], "a list of module names"),
            ("queues", 3, "a list of queue names, or a table of weights"),
            ("queues", [], "at least one queue must be named"),
            ("queues", {"a": 0}, "must be 1 or more"),
            ("concurrency", 0, "a whole number, 1 or more"),
            ("concurrency", True, "a whole number, 1 or more"),
            ("processes", 1.5, "a whole number, 1 or more"),
            ("shutdown_timeout", -1, "seconds, 0 or more"),
            ("lease", timedelta(0), "seconds, more than 0"),
            ("lease", float("nan"), "seconds, more than 0"),
            ("stall_timeout", "x", "seconds, 0 for never"),
            ("boot_timeout", -1, "seconds, 0 or more"),
            ("boot_timeout", float("inf"), "seconds, 0 or more"),
            ("max_jobs", 0, "a whole number, 1 or more"),
            ("max_memory", 0, "whole megabytes, 1 or more"),
            ("dead_max", -1, "a whole number, 0 or more"),
            ("dead_days", -1, "days, 0 or more"),
            ("keep_finished", -1, "seconds, 0 or more"),
            ("max_payload", 0, "bytes, 1 or more"),
            ("catch_up", "some", '"none", "last" or "all"'),
            ("timezone", "Mars/Base", "a time zone such as Europe/Berlin"),
            ("timezone", "../etc/passwd", "a time zone such as Europe/Berlin"),
            ("log_level", "loud", '"debug", "info", "warning", "error" or "critical"'),
            ("log_format", "xml", '"text" or "json"'),
            ("recurring", 3, "tables of recurring jobs"),
        ],
    )
    def test_a_wrong_value_is_refused_at_the_call(
        self, name: str, value: object, allowed: str
    ) -> None:
        error = error_of_code(**{name: value})
        assert error.startswith(f"configure({name}=…): {name} must be ")
        assert allowed in error

    def test_a_refused_call_changes_nothing(self) -> None:
        error_of_code(concurrency=5, lease=-1)
        assert settings.current().concurrency == 10

    @pytest.mark.parametrize("key", ["hunter2", "hunter2" * 6 + "aa=", "é", ""])
    def test_an_encryption_key_is_named_by_its_place_and_never_shown(self, key: str) -> None:
        error = error_of_code(encryption_keys=[key])
        assert error == (
            "configure(encryption_keys=…): encryption_keys must be a list of Fernet keys "
            "(32 bytes as URL-safe base64), the newest first: one of them is no such key"
        )

    @pytest.mark.parametrize("keys", ['"hunter2"', '["hunter2"]', "5", '{hunter2 = "hunter2"}'])
    def test_keys_of_the_wrong_shape_are_not_shown_either(self, keys: str) -> None:
        error = error_of_file(f"\nencryption_keys = {keys}")
        assert error.startswith("jobkit.toml, line 2: encryption_keys must be a list of Fernet")
        assert "hunter2" not in error

    def test_nor_those_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JOBKIT_ENCRYPTION_KEYS", "hunter2 hunter3")
        with pytest.raises(ConfigurationError) as caught:
            settings.current()
        assert str(caught.value).startswith(
            "the environment variable JOBKIT_ENCRYPTION_KEYS: encryption_keys must be a list"
        )
        assert "hunter" not in str(caught.value)

    def test_keys_do_not_show_in_the_settings_themselves(self) -> None:
        settings.configure(encryption_keys=[KEY])
        assert settings.current().encryption_keys == (KEY,)
        assert KEY not in repr(settings.current())
        assert KEY not in str(settings.current())

    def test_keys_are_separated_by_spaces_in_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.configure(encryption_keys=[KEY])
        monkeypatch.setenv("JOBKIT_ENCRYPTION_KEYS", f"{KEY[::-1][1:]}= {KEY}")
        assert settings.current().encryption_keys == (f"{KEY[::-1][1:]}=", KEY)

    def test_a_password_is_never_shown(self) -> None:
        assert "hunter2" not in error_of_code(url="u:hunter2@host")
        assert "hunter2" not in error_of_code(backends={"b": {"ulr": "redis://:hunter2@host"}})
        assert "hunter2" not in error_of_code(backends=["redis://:hunter2@host"])


class TestFlags:
    def test_a_wrong_value_is_named_with_its_flag(self) -> None:
        with pytest.raises(ConfigurationError, match=r"^--shutdown-timeout: shutdown_timeout must"):
            settings.override(shutdown_timeout=-1)
        with pytest.raises(ConfigurationError, match=r"^-q: queues must"):
            settings.override(queues=["a", "a"])


class TestWhere:
    def test_tells_the_place_that_won(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("jobkit.toml").write_text('\nlease = 3\n[backends.b]\nurl = "memory://"')
        settings.configure(lease=5, concurrency=3)
        settings.override(processes=2)
        assert settings.where("lease") == "jobkit.toml, line 2"
        assert settings.where("backends", "b", "url") == "jobkit.toml, line 4"
        assert settings.where("concurrency") == "configure(concurrency=…)"
        assert settings.where("processes") == "--processes"
        assert settings.where("url") == "the default of url"
