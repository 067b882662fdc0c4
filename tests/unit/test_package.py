"""The package as a whole: what it loads, what it names, how large its pieces are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobkit

ROOT = Path(jobkit.__file__).parent.parent
PACKAGES = ("jobkit", "jobkit_inline", "jobkit_redis", "jobkit_sql")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
STORES = ("redis", "sqlalchemy", "psycopg", "jobkit_sql", "jobkit_redis", "jobkit_inline")
OTHERS = ("pydantic", "click", "asyncio.subprocess", "pytest", "jobkit.jobs")
IMPORT = """
import sys, time
began = time.process_time()
import jobkit
print((time.process_time() - began) * 1000, *[name for name in sys.argv[1:] if name in sys.modules])
"""


def imported() -> tuple[float, list[str]]:
    """Milliseconds of processor that importing takes in a new process; the stores it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *STORES, *OTHERS],
        capture_output=True,
        text=True,
        check=True,
    )
    took, *loaded = done.stdout.split()
    return float(took), loaded


def test_importing_jobkit_loads_no_store_library_and_takes_under_150_ms() -> None:
    # The fastest of five: the others measure the machine.
    runs = [imported() for _ in range(5)]
    assert min(took for took, _ in runs) < 150
    assert {name for _, loaded in runs for name in loaded} == set()


def test_reading_settings_loads_no_pydantic_and_a_job_does() -> None:
    script = (
        "import sys, jobkit; from jobkit import settings; settings.current()\n"
        "before = 'pydantic' in sys.modules\n"
        "jobkit.Job; print(before, 'pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("adapter", "others"),
    [
        ("jobkit_redis.adapter", ["sqlalchemy"]),
        ("jobkit_sql.dialects.sqlite", ["psycopg"]),
        ("jobkit_sql.dialects.postgresql", ["sqlite3"]),
    ],
)
def test_a_supervisor_loads_nothing_that_declares_runs_or_shows_jobs(
    adapter: str, others: list[str]
) -> None:
    unwanted = ["pydantic", "uuid_utils", "jobkit.jobs", "jobkit.execution", "jobkit.inspection"]
    script = (
        f"import sys, jobkit.cli.worker, jobkit.cli.supervising, {adapter}\n"
        "from jobkit import settings; settings.current()\n"
        f"print(*[name for name in {[*unwanted, *others]} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_modules_are_reached_through_the_package_alone() -> None:
    names = sorted(jobkit._MODULES)
    script = f"import jobkit; print(*[getattr(jobkit, name).__name__ for name in {names}])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [f"jobkit.{name}" for name in names]


AT_ONCE = """
import importlib, sys, threading
import jobkit
sys.setswitchinterval(1e-5)
names, errors = sys.argv[1:], []
start = threading.Barrier(len(names))
def touch(name):
    start.wait()
    try:
        importlib.import_module(name) if "." in name else getattr(jobkit, name)
    except BaseException as error:
        errors.append(repr(error))
threads = [threading.Thread(target=touch, args=(name,)) for name in names]
for each in threads: each.start()
for each in threads: each.join()
print(*errors)
"""


@pytest.mark.parametrize(
    "names",
    [
        ("enqueue", "inspect"),
        ("Job", "inspect"),
        ("enqueue", "Step", "run_worker"),
        ("jobkit.inspection", "jobkit.jobs"),
        ("jobkit.worker.process", "jobkit.entries", "Job"),
        ("jobkit_inline.fake", "jobkit_inline.memory"),
    ],
)
def test_threads_may_load_names_and_modules_at_once(names: tuple[str, ...]) -> None:
    """The bug: each waited for what the other was loading, and got half of it."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'perfrom_later'"):
        getattr(jobkit, "perfrom_later")  # noqa: B009 - type checkers see it, too


def test_every_public_name_is_there_and_documented() -> None:
    for name in jobkit.__all__:
        value = getattr(jobkit, name)
        assert value.__doc__, name


def test_the_public_names_are_sorted_and_said_once() -> None:
    assert len(set(jobkit.__all__)) == len(jobkit.__all__)
    assert set(jobkit.__all__) <= set(dir(jobkit))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines_and_no_function_than_40(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert [name for name, length in functions(text) if length > 40] == []


def functions(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1
