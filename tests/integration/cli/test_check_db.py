"""`jobkit check` and `jobkit db`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from jobkit import backends
from jobkit.adapter import Enqueues, Features
from jobkit.capabilities import SupportsMigrations
from jobkit.payload import Payload

Run = Callable[..., Any]


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")


class TestCheck:
    def test_says_when_everything_is_fine(self, spawn: Run) -> None:
        write(
            "app/jobs.py", "from jobkit import Job\nclass A(Job):\n  def perform(self, x: int): ..."
        )
        done = spawn("check", "-A", "app.jobs")
        assert (done.code, done.out, done.err) == (0, "everything is fine\n", "")

    def test_tells_programs_so(self, spawn: Run) -> None:
        assert spawn("check", "--json").json == {"problems": []}

    def test_tells_every_problem_on_a_line(self, spawn: Run) -> None:
        write(
            "jobkit.toml",
            'url = "sqlite:////no/such/directory/x.db"\nimports = ["gone", "broken", "odd"]\n'
            '[backends.bulk]\nurl = "mysql://u:hunter2@h"',
        )
        write("broken.py", "import jobkit\n\nimport no_such_package\n")
        write(
            "odd.py", "from jobkit import Job\nclass Odd(Job):\n  def perform(self, x: 'Nope'): ..."
        )
        done = spawn("check")
        assert done.code == 1
        missing, failing, *others = done.out.splitlines()
        assert missing.startswith("there is no module 'gone', seen from ")
        assert f"failed at {Path.cwd()}/broken.py:3: ModuleNotFoundError" in failing
        assert any(line.startswith("backend default: ") for line in others)
        assert any("line 4: no adapter serves mysql:// URLs" in line for line in others)
        assert any("Odd" in line and "Nope" in line for line in others)
        assert len(others) == 3
        assert "hunter2" not in done.out + done.err
        assert "Traceback" not in done.err

    def test_knows_the_backends_that_the_application_configures(self, spawn: Run) -> None:
        write("app.py", 'import jobkit\njobkit.configure(backends={"b": "mysql://h"})')
        done = spawn("check", "-A", "app", "--json")
        assert done.code == 1
        [problem] = done.json["problems"]
        assert "no adapter serves mysql:// URLs" in problem

    def test_tells_a_wrong_configuration(self, spawn: Run) -> None:
        write("jobkit.toml", "\nconcurrency = 0")
        done = spawn("check")
        assert done.code == 1
        assert done.out.startswith("jobkit.toml, line 2: concurrency must be")


class Schema(Enqueues, SupportsMigrations):
    """A store with a schema that is one migration behind."""

    features = Features(durable=True)

    def __init__(self) -> None:
        self.version = 1

    def enqueue(self, payloads: Sequence[Payload]) -> None:
        raise NotImplementedError

    def schema_version(self) -> int:
        return self.version

    def check(self) -> list[str]:
        return [] if self.version == 2 else ["the schema is old: run jobkit db migrate"]

    def migrate(self) -> list[str]:
        applied = [] if self.version == 2 else ["0002_more"]
        self.version = 2
        return applied

    def migrations_sql(self) -> str:
        return "CREATE TABLE x (y);"


class TestDb:
    @pytest.fixture(autouse=True)
    def _schema(self) -> Any:
        backends.install("default", Schema())
        yield
        backends.uninstall("default")

    def test_check_tells_what_is_wrong(self, run: Run) -> None:
        done = run("db", "check")
        assert (done.code, done.out) == (1, "the schema is old: run jobkit db migrate\n")
        assert run("db", "check", "--json").json == {
            "version": 1,
            "problems": ["the schema is old: run jobkit db migrate"],
        }

    def test_migrate_names_what_it_applied(self, run: Run) -> None:
        assert run("db", "migrate").out == "applied 0002_more\n"
        assert run("db", "migrate").out == "the schema is up to date\n"
        assert run("db", "migrate", "--json").json == {"applied": []}
        assert run("db", "check").out == "everything is fine\n"

    def test_sql_prints_the_statements(self, run: Run) -> None:
        assert run("db", "sql").out == "CREATE TABLE x (y);\n"

    def test_a_store_without_schema_is_refused(self, run: Run) -> None:
        done = run("db", "check", "--backend", "memory", "--url", "memory://")
        assert done.code == 1
        assert done.err == "Error: MemoryAdapter does not support migrations: it has no schema\n"

    def test_check_reports_the_schema_too(self, run: Run) -> None:
        done = run("check")
        assert done.out == "backend default: the schema is old: run jobkit db migrate\n"


class TestDbOnSqlite:
    def test_migrates_and_checks_a_new_file(self, run: Run) -> None:
        assert run("db", "migrate", "--json").code == 0
        assert run("db", "check").out == "everything is fine\n"
        assert Path("jobkit.db").exists()

    def test_prints_sql_without_touching_anything(self, run: Run) -> None:
        assert "CREATE TABLE" in run("db", "sql").out.upper()
        assert not Path("jobkit.db").exists()
