"""Real servers, private to a process of the tests, started when the first test needs one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres

# Hundreds of processes are started: where these are set each would compile all of jobkit anew, and
# pytest every test module.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would all that they
# start: there it is a way to stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# A busy machine is no failure.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# Where a fault was seeded nobody wants the smallest example. To look for it takes minutes where
# each is red for being slow, and no time-out of a test ends it: that is one more way to be red.
hypothesis.settings.register_profile(
    "seeded",
    hypothesis.settings.get_profile("busy"),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("busy")


_LONG: Final = "test_whatever_is_done_the_store_is_as_the_model"
"""Thousands of calls, on a server; the suite that it belongs to knows no time-outs of ours."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name == _LONG:
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests that only need one: they take a schema each.

    `JOBKIT_TEST_POSTGRES_URL` names one that runs already; `JOBKIT_TEST_POSTGRES_BIN` the programs
    of another version, for those that the tests start.
    """
    # Loaded by those who need a server: of the many processes that run a few tests few do.
    from tests.servers.postgres import Elsewhere, Postgres

    elsewhere = os.environ.get("JOBKIT_TEST_POSTGRES_URL")
    server = Elsewhere(elsewhere) if elsewhere else Postgres()
    server.start()
    yield server
    server.remove()
