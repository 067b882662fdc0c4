"""Supervisors with real worker processes, on a SQLite file unless said, and jobs that misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.site import Site, a_site_on_each_store
from tests.servers.postgres import Postgres
from tests.servers.valkey import running

WILD = '''

    import ctypes
    import signal

    with open("imported", "a") as imported:
        imported.write(f"{os.getpid()}\\\\n")


    class Nap(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.5)
            note("F", number)


    class Segfault(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.2)  # so that its neighbours have begun
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(5)


    class NullPointer(Job):
        def perform(self, number):
            note("S", number)
            time.sleep(0.2)
            ctypes.string_at(0)


    class Leave(Job):
        """Ends its process as if all were well, at its first run."""

        def perform(self, number):
            note("S", number)
            if not os.path.exists("left"):
                open("left", "w").close()
                os._exit(0)
            note("F", number)


    class Hog(Job):
        """Holds the GIL, so that no other thread of its process runs; at its first run only."""

        def perform(self, number):
            note("S", number)
            if not os.path.exists("hogged"):
                open("hogged", "w").close()
                ctypes.PyDLL(None).usleep(int(float(os.environ["HOG"]) * 1e6))
            note("F", number)


    class Tick(Job):
        """Writes down the time while it runs, until a file named `go` is there."""

        def perform(self, number):
            note("S", number)
            while not os.path.exists("go"):
                moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                with open(f"ticks-{os.getpid()}", "a") as ticks:
                    ticks.write(f"{moment}\\\\n")
                time.sleep(0.002)
            note("F", number)


    class Grow(Job):
        kept = []

        def perform(self, number):
            note("S", number)
            self.kept.append(b"x" * (100 << 20))
            note("F", number)
'''.replace("\\\\n", "\\n")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.add(WILD)
    yield made
    made.close()


@pytest.fixture
def everywhere(tmp_path: Path, postgres: Postgres) -> Iterator[list[Site]]:
    """A site on each store."""
    with (
        running(tmp_path) as server,
        a_site_on_each_store(tmp_path, postgres.emptied("workers"), server.url()) as sites,
    ):
        for each in sites:
            each.add(WILD)
        yield sites
