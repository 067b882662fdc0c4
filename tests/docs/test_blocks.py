"""Every block of code in README and docs works, as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit import settings
from jobkit.settings.model import RULES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_AS_TESTS = [
    *(ROOT / "docs" / "howto" / name for name in ("test-your-jobs.md", "write-an-adapter.md")),
    *(ROOT / "docs" / "tutorial").glob("*.md"),
]
"""Run by tests of their own: unit/kit/test_howto.py, test_write_an_adapter.py, test_tutorial.py"""

TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def blocks(language: str) -> list[object]:
    """The blocks in that language, as parameters: page and text."""
    return [
        pytest.param(page, text, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        if page not in RUN_AS_TESTS
        for number, text in enumerate(blocks_of(page, language))
    ]


def blocks_of(page: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that the default store is a file in it."""
    for name in [name for name in RULES if name != "backends"]:
        monkeypatch.delenv(f"JOBKIT_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(here: Path, *arguments: str) -> str:
    """What Python answers in that directory; it must leave with 0 and without a warning."""
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def put(here: Path, text: str) -> None:
    """Put the text where the pages say that an application has its jobs."""
    (here / "app").mkdir()
    (here / "app" / "jobs.py").write_text(text, "utf-8")


def uses_the_application(text: str) -> bool:
    """True of a program that imports the jobs of its page's first block."""
    return text.startswith("from app.jobs import")


def commands(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_python_runs(page: Path, text: str, here: Path) -> None:
    if uses_the_application(text):
        put(here, blocks_of(page, "python")[0])
        run(here, "-c", text)
    else:
        put(here, text)
        run(here, "-c", "import app.jobs")


@pytest.mark.parametrize(("page", "text"), blocks("sh"))
def test_commands_work(page: Path, text: str, here: Path) -> None:
    parts = [each for each in blocks_of(page, "python") if not uses_the_application(each)]
    put(here, "\n\n".join(parts))
    for program, *arguments in commands(text):
        if program == "make":
            assert set(arguments) <= TARGETS
        else:
            assert program == "jobkit"
            leave = ["--burst"] if arguments[0] == "worker" else []
            run(here, "-m", "jobkit", *arguments, *leave)


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_configurations_are_valid(page: Path, text: str, here: Path) -> None:
    (here / "jobkit.toml").write_text(text, "utf-8")
    settings.reset()
    try:
        settings.current()  # raises what is wrong
    finally:
        settings.reset()


def test_the_first_example_does_what_it_says(here: Path) -> None:
    jobs, program = blocks_of(ROOT / "README.md", "python")[:2]
    put(here, jobs)
    run(here, "-c", program)
    said = run(here, "-m", "jobkit", "worker", "-A", "app.jobs", "-q", "mailers", "--burst")
    waiting = run(here, "-m", "jobkit", "jobs", "list", "--state", "scheduled")

    # Threads print the ends of their lines whenever they come to it.
    assert sorted(re.findall(r"welcome, user \d \(\w+\)", said)) == [
        "welcome, user 1 (de)",
        "welcome, user 3 (en)",
    ]
    assert waiting.count("app.jobs.WelcomeEmail") == 1


def test_there_is_a_block_of_each_kind() -> None:
    assert all(blocks(language) for language in ("python", "sh", "toml"))


def test_the_readme_is_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
