"""What must work in an environment that has nothing but jobkit: run there, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

JOBS = """
from jobkit import Job, retry_on

@retry_on(ConnectionError, wait=0, attempts=2)
class Greet(Job, queue="greetings"):
    def perform(self, name: str) -> None:
        if self.executions == 1:
            raise ConnectionError
        print("hello", name)
"""


def jobkit(*words: str) -> str:
    command = [sys.executable, "-m", "jobkit", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main() -> None:
    """Enqueue and run a job, and look whether everything was packed."""
    for package in ("jobkit", "jobkit_sql", "jobkit_inline"):
        __import__(package)
        assert files(package).joinpath("py.typed").is_file(), package
    schemes = {point.name for point in entry_points(group="jobkit.adapters")}
    assert {"sqlite", "postgresql", "redis", "memory", "inline", "fake"} <= schemes
    for name in ("dashboard/static/style.css", "dashboard/templates/base.html"):
        assert files("jobkit").joinpath(name).is_file(), name
    assert files("jobkit_sql").joinpath("migrations/sqlite/0001_initial.sql").is_file()

    Path("greetings.py").write_text(JOBS, "utf-8")
    run = "from greetings import Greet; Greet.perform_later('world')"
    subprocess.run([sys.executable, "-W", "error", "-c", run], check=True)
    assert jobkit("worker", "-A", "greetings", "--burst") == "hello world\n"
    assert jobkit("check", "-A", "greetings") == "everything is fine\n"
    assert "processed" in jobkit("stats")
    print("fine with Python", sys.version.split()[0])


main()
