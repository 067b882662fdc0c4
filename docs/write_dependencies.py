"""Write `reference/dependencies.md`: what jobkit needs, how large that is, what importing costs.

The figures are those of the environment that runs it: `make dependencies`.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "reference" / "dependencies.md"
HEAD: Final = """# Dependencies

What `pip install jobkit` brings, what each extra adds, and what a program pays for importing it. \
This page is written by `make dependencies`, which measures what it says.
"""

REASONS: Final = {
    "click": "the command line",
    "cronsim": "the times of cron expressions",
    "pydantic": "arguments, through their annotations",
    "sqlalchemy": "SQLite and PostgreSQL, and your own transactions",
    "uuid-utils": "ids that grow with time, which Python has since 3.14",
    "redis": "Redis and Valkey; with hiredis, which reads answers in C",
    "psycopg": "PostgreSQL, with libpq in its wheel",
    "starlette": "the dashboard, an ASGI application",
    "jinja2": "the dashboard's pages",
    "uvicorn": "`jobkit dashboard`",
    "a2wsgi": "the dashboard inside WSGI applications",
    "watchfiles": "`jobkit worker --reload`",
    "rich": "colours on the live screen of `jobkit stats --watch`",
    "cryptography": "encrypted arguments",
    "prometheus-client": "metrics",
    "opentelemetry-api": "traces",
    "sentry-sdk": "errors, reported",
}
"""What each package is for. One that is missing here is an error."""

OURS: Final = ("jobkit", "jobkit_inline", "jobkit_redis", "jobkit_sql")
NOT_FOR_USERS: Final = ("all", "dev", "docs")

JOB: Final = (
    "import jobkit\nclass Job(jobkit.Job, name='shop.Greet'):\n    def perform(self, n: int): ...\n"
)
IMPORTS: Final = {
    "`import jobkit`, whose names load what they stand for": "import jobkit",
    "`from jobkit import Job`": "from jobkit import Job",
    "a job class, declared": JOB,
    "its first `perform_later`, with an annotated argument": JOB
    + "jobkit.configure(url='memory://')\nJob.perform_later(1)",
    "the adapter of SQLite": "import jobkit, jobkit_sql",
    "the adapter of PostgreSQL": "import jobkit, jobkit_sql.dialects.postgresql",
    "the adapter of Redis": "import jobkit, jobkit_redis",
    "`jobkit --help`": "import sys\nsys.argv = ['jobkit', '--help']\n"
    "from jobkit.__main__ import main\ntry: main()\nexcept SystemExit: pass",
    "a supervisor, but for the adapter": "import jobkit.cli.worker, jobkit.cli.supervising",
    "a worker process, but for the adapter": "import jobkit.cli.child, jobkit.cli.working",
    "the dashboard's application": "import jobkit, jobkit.dashboard\n"
    "jobkit.dashboard.create_app(auth=None)",
    "the test helpers": "import jobkit_inline\njobkit_inline.drain",
}
LIBRARIES: Final = ("click", "cronsim", "pydantic", "sqlalchemy", "psycopg", "redis", "starlette")
MEASURED: Final = """
import contextlib, io, sys, time
code, *names = sys.argv[1:]
before = set(sys.modules)
began = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    exec(code)
took = (time.process_time() - began) * 1000
loaded = [name for name in names if name in sys.modules]
print(took, len(set(sys.modules) - before), *loaded)
"""
ROUNDS: Final = 9


def main() -> None:
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    return "\n".join([HEAD, *packages(), *sizes(), *imports()])


def packages() -> Iterator[str]:
    """Every package that is named in `pyproject.toml`, and what it is for."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield "| Package | Versions | Comes with | For |\n|---|---|---|---|"
    yield from _rows(project["dependencies"], "jobkit")
    for extra, needed in project["optional-dependencies"].items():
        if extra not in NOT_FOR_USERS:
            yield from _rows(needed, f"jobkit[{extra}]")
    yield ""


def _rows(requirements: Iterable[str], source: str) -> Iterator[str]:
    for each in map(Requirement, requirements):
        versions = ", ".join(sorted(map(str, each.specifier), reverse=True))
        told = "" if each.marker is None else f"; where `{each.marker}`"
        yield f"| `{each.name}` | `{versions}`{told} | `{source}` | {REASONS[each.name]} |"


def sizes() -> Iterator[str]:
    """What an installation holds, with all that its packages need."""
    yield "## On the disk\n"
    yield f"On {platform.system()}, Python {platform.python_version()}, as pip installs it today:\n"
    yield "| Installed | Packages | MB |\n|---|---|---|"
    base = closure("jobkit")
    yield f"| `jobkit` | {len(base)} | {_megabytes(base.values()):.0f} |"
    for extra in sorted({*_extras()} - {*NOT_FOR_USERS}):
        more = {
            name: each for name, each in closure(f"jobkit[{extra}]").items() if name not in base
        }
        yield f"| `jobkit[{extra}]` adds | {len(more)} | {_megabytes(more.values()):.1f} |"
    yield ""


def _extras() -> list[str]:
    return distribution("jobkit").metadata.get_all("Provides-Extra") or []


def closure(requirement: str) -> dict[str, Distribution]:
    """The installed packages that a requirement needs, itself included, by name."""
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(Requirement(requirement), "")]
    while waiting:
        needed, extra = waiting.pop()
        if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
            continue
        package = distribution(needed.name)
        found[_normal(needed.name)] = package
        fresh = {(needed.name, each) for each in ("", *needed.extras)} - asked
        asked |= fresh
        waiting += [
            (Requirement(text), each) for _, each in fresh for text in package.requires or ()
        ]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _megabytes(packages: Iterable[Distribution]) -> float:
    files = {Path(str(file.locate())) for each in packages for file in each.files or ()}
    if any(file.suffix == ".pth" for file in files):  # jobkit itself, installed where it lies
        files |= {file for name in OURS for file in (ROOT / name).rglob("*.*")}
    sizes = (
        file.stat().st_size for file in files if file.is_file() and "__pycache__" not in file.parts
    )
    return sum(sizes) / 1e6


def imports() -> Iterator[str]:
    """What importing takes, in new processes."""
    yield "## Importing\n"
    yield (
        f"Milliseconds of processor, the fastest of {ROUNDS} new processes (the others measure the"
        f" machine) on Python {platform.python_version()} with its files compiled, beyond what"
        " Python itself takes.\n"
    )
    yield "| What | ms | Modules | Of the libraries above it loads |\n|---|---|---|---|"
    for what, code in IMPORTS.items():
        took, modules, libraries = measured(code)
        yield f"| {what} | {took:.0f} | {modules} | {', '.join(libraries) or 'none'} |"
    yield ""


def measured(code: str, rounds: int = ROUNDS) -> tuple[float, int, list[str]]:
    """Milliseconds, modules and libraries that running the code in a new process takes."""
    runs = [_run(code) for _ in range(rounds)]
    return min(float(run[0]) for run in runs), int(runs[-1][1]), runs[-1][2:]


def _run(code: str) -> list[str]:
    command = [sys.executable, "-c", MEASURED, code, *LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


if __name__ == "__main__":
    main()
