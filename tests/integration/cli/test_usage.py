"""What all commands have in common: help, exit codes, errors, options, start-up."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import jobkit
from jobkit.cli import cli
from jobkit.cli.lazy import LazyGroup

Run = Callable[..., Any]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = (*path, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from commands(command, words)


ALL = dict(commands(cli))
LEAVES = {words: each for words, each in ALL.items() if not isinstance(each, click.Group)}


class TestHelp:
    @pytest.mark.parametrize("words", ["", *ALL])
    def test_is_there_for_every_command(self, run: Run, words: str) -> None:
        done = run(*words.split(), "--help")
        assert done.code == 0
        assert done.out.startswith(f"Usage: jobkit {words}".rstrip())

    def test_summaries_are_those_of_the_commands(self) -> None:
        assert isinstance(cli, LazyGroup)
        for name, summary in cli._summaries.items():
            assert ALL[name].get_short_help_str(limit=200) == summary

    @pytest.mark.parametrize("words", LEAVES)
    def test_explains_every_option(self, words: str) -> None:
        for param in LEAVES[words].params:
            if isinstance(param, click.Option):
                described = bool(param.help) or param.metavar or param.show_default
                assert described, f"{words} {param.opts[0]}"

    def test_a_command_that_is_misspelled_is_answered_with_the_nearest(self, run: Run) -> None:
        done = run("job")
        assert done.code == 2
        assert "there is no command 'job'; did you mean 'jobs'?" in done.err

    def test_the_version_is_that_of_the_package(self, run: Run) -> None:
        assert run("--version").out == f"jobkit, version {jobkit.__version__}\n"


class TestStartUp:
    @pytest.mark.parametrize("words", ["--help", "--version", "jobs --help"])
    def test_loads_neither_store_nor_worker(self, words: str) -> None:
        script = (
            "import sys\n"
            "from jobkit.__main__ import main\n"
            "try: main(sys.argv[1:])\n"
            "except SystemExit: pass\n"
            "heavy = ['sqlalchemy', 'redis', 'jobkit_sql', 'jobkit.worker', 'importlib.metadata']\n"
            "print([name for name in heavy if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, *words.split()],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"

    def test_works_as_a_module_and_as_a_script(self, spawn: Run) -> None:
        script = Path(sys.executable).with_name("jobkit")
        done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
        assert spawn("--version").out == done.stdout


class TestErrors:
    @pytest.mark.parametrize(
        "words",
        [
            "nonsense",
            "jobs nonsense",
            "jobs show",
            "jobs list --state died",
            "jobs list --limit 0",
            "jobs list --after nonsense",
            "jobs list --state dead --after nonsense",
            "jobs enqueue app.Job --args nonsense",
            "jobs enqueue app.Job --args {}",
            "jobs enqueue app.Job --kwargs []",
            "jobs enqueue app.Job --in nan",
            "jobs enqueue app.Job --in 1e12",
            "worker -q default,",
            "worker -q default@",
            "worker -c 0",
            "worker -p 0",
            "worker --health x",
            "worker --health 127.0.0.1:65536",
            "queues clear default",
        ],
    )
    def test_wrong_usage_is_code_2_and_touches_nothing(
        self, run: Run, directory: Path, words: str
    ) -> None:
        done = run(*words.split())
        assert done.code == 2
        assert done.out == ""
        assert done.err.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in done.err

    @pytest.mark.parametrize(
        "words", ["jobs list", "queues list", "workers list", "stats", "check"]
    )
    def test_a_wrong_configuration_is_code_1_and_one_line(self, run: Run, words: str) -> None:
        Path("jobkit.toml").write_text("concurrency = 0")
        done = run(*words.split())
        line = "jobkit.toml, line 1: concurrency must be a whole number, 1 or more, not 0"
        assert done.code == 1
        assert line in (done.out + done.err)
        assert (done.out + done.err).count("\n") == 1

    def test_an_unknown_store_is_code_1_and_one_line_without_the_password(self, run: Run) -> None:
        done = run("stats", "--url", "mysql://u:hunter2@host/db")
        assert done.code == 1
        assert done.err.startswith("Error: --url: no adapter serves mysql:// URLs; known are: ")
        assert done.err.count("\n") == 1
        assert "hunter2" not in done.err

    def test_an_unknown_backend_is_code_1_and_one_line(self, run: Run) -> None:
        done = run("stats", "--backend", "bulk")
        assert done.code == 1
        assert done.err == "Error: there is no backend 'bulk'; configured are: default\n"

    def test_a_store_that_cannot_be_reached_is_code_1_and_one_line(self, run: Run) -> None:
        done = run("stats", "--url", "sqlite:////no/such/directory/jobkit.db")
        assert done.code == 1
        assert done.err.startswith("Error: ")
        assert done.err.count("\n") == 1

    def test_an_error_nobody_foresaw_keeps_its_traceback(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stats = importlib.import_module("jobkit.cli.stats")

        def fail(*args: object, **options: object) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(stats, "_show", fail)
        from jobkit.__main__ import main

        with pytest.raises(ZeroDivisionError, match="a bug"):
            main(["stats"])

    def test_a_reader_that_leaves_early_is_no_traceback(self, start: Callable[..., Any]) -> None:
        process = start("stats", "--watch", "--interval", "0.1", "--json")
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(45) == 1
        assert "Traceback" not in process.stderr.read()


class TestOptions:
    def test_the_store_is_chosen_by_url_file_and_backend(self, run: Run) -> None:
        Path("jobkit.toml").write_text('[backends.bulk]\nurl = "sqlite:///bulk.db"')
        Path("other.toml").write_text('url = "sqlite:///other.db"')
        run("jobs", "enqueue", "a.Default")
        run("jobs", "enqueue", "a.Bulk", "--backend", "bulk")
        run("jobs", "enqueue", "a.Other", "--config", "other.toml")
        run("jobs", "enqueue", "a.Url", "--url", "sqlite:///url.db")
        for name, options in {
            "a.Default": [],
            "a.Bulk": ["--url", "sqlite:///bulk.db"],
            "a.Other": ["--url", "sqlite:///other.db"],
            "a.Url": ["--url", "sqlite:///url.db", "--backend", "bulk"],
        }.items():
            listed = run("jobs", "list", "--json", *options).json
            assert [job["job_class"] for job in listed] == [name]

    def test_the_environment_gives_them_too(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_URL", "sqlite:///variable.db")
        monkeypatch.setenv("JOBKIT_JSON", "1")
        monkeypatch.setenv("JOBKIT_JOBS_ENQUEUE_QUEUE", "low")
        run("jobs", "enqueue", "a.Job")
        assert [job["queue"] for job in run("jobs", "list").json] == ["low"]
        assert Path("variable.db").exists()

    def test_an_error_names_the_variable_it_came_from(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBKIT_URL", "nonsense")
        assert "the environment variable JOBKIT_URL: url must be a URL" in run("stats").err

    @pytest.mark.parametrize("words", LEAVES)
    def test_every_option_has_its_environment_twin(self, words: str) -> None:
        for param in LEAVES[words].params:
            if isinstance(param, click.Option):
                automatic = param.allow_from_autoenv
                assert automatic or "[env var: JOBKIT_" in (param.help or ""), param.opts

    @pytest.mark.parametrize(
        "words",
        [
            words
            for words in LEAVES
            if words not in {"worker", "db sql", "demo", "dashboard", "completion"}
        ],
    )
    def test_every_command_that_reads_or_changes_takes_json(self, words: str) -> None:
        options = {name for param in LEAVES[words].params for name in param.opts}
        assert {"--json", "--config"} <= options
        assert words == "jobs move" or "--url" in options  # it has two
        assert words in {"check", "jobs move"} or "--backend" in options


def test_json_is_the_only_thing_on_stdout(run: Run, directory: Path) -> None:
    run("jobs", "enqueue", "a.Job")
    run("jobs", "enqueue", "a.Job")
    done = run("jobs", "list", "--limit", "1", "--json")
    assert [job["job_class"] for job in json.loads(done.out)] == ["a.Job"]
    assert done.err.strip()
    assert os.linesep not in done.out.rstrip()
