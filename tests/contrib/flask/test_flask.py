"""The Flask extension: configuration, context, `flask jobkit`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, current_app, has_app_context

import jobkit
from jobkit import backends, middleware, settings
from jobkit.contrib.flask import Jobkit
from jobkit.contrib.flask.extension import AppContext
from jobkit_inline import FakeAdapter, InlineAdapter, drain, use_adapter

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    middleware.remove(AppContext)
    backends.close_all()
    settings.reset()


def flask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    url = f"sqlite:///{folder / 'jobs.sqlite3'}"
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop:create_app", *words],
        cwd=HERE,
        env={**os.environ, "SHOP_FOLDER": str(folder), "SHOP_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


class Where(jobkit.Job):
    def perform(self) -> str:
        return current_app.name


@jobkit.job
async def where() -> str:
    return current_app.name


class NoContext(jobkit.Job):
    def perform(self) -> bool:
        return has_app_context()


def test_the_configuration_is_the_applications() -> None:
    app = Flask("shop")
    app.config["JOBKIT"] = {"concurrency": 7}
    Jobkit(app)
    assert settings.current().concurrency == 7
    assert isinstance(app.extensions["jobkit"], Jobkit)


def test_an_extension_can_be_made_before_its_application() -> None:
    extension, app = Jobkit(), Flask("late")
    extension.init_app(app)
    assert Where.perform_now() == "late"


def test_a_wrong_setting_is_named() -> None:
    app = Flask("shop")
    app.config["JOBKIT"] = {"concurency": 7}
    with pytest.raises(jobkit.ConfigurationError, match="concurency"):
        Jobkit(app)
    app.config["JOBKIT"] = "redis://localhost"
    with pytest.raises(jobkit.ConfigurationError, match="dict"):
        Jobkit(app)


def test_a_job_runs_in_a_context_of_the_application() -> None:
    Jobkit(Flask("shop"))
    assert Where.perform_now() == "shop"
    with use_adapter(InlineAdapter()):
        where.perform_later()
    assert not has_app_context()


def test_each_job_has_a_context_of_its_own() -> None:
    app = Flask("shop")
    torn: list[BaseException | None] = []
    app.teardown_appcontext(torn.append)
    Jobkit(app)
    with use_adapter(FakeAdapter()):
        Where.perform_later()
        Where.perform_later()
        drain()
    assert torn == [None, None]


def test_without_the_extension_there_is_none() -> None:
    assert NoContext.perform_now() is False


def test_flask_jobkit_runs_a_worker_with_the_applications_jobs(tmp_path: Path) -> None:
    stored = flask(tmp_path, "jobkit", "jobs", "enqueue", "shop.Ship", "--args", '["blue"]')
    assert stored.returncode == 0, stored.stderr

    done = flask(tmp_path, "jobkit", "worker", "--burst", "-c", "2")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "blue.txt").read_text("utf-8") == "shop"


def test_flask_jobkit_leaves_with_the_commands_code(tmp_path: Path) -> None:
    assert flask(tmp_path, "jobkit", "check").stdout == "everything is fine\n"
    shown = flask(tmp_path, "jobkit", "jobs", "show", "nobody")
    assert (shown.returncode, "Traceback" in shown.stderr) == (1, False)
    assert "Usage" in flask(tmp_path, "jobkit", "--help").stdout
