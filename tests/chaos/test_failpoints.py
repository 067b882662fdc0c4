"""Who ends, fails or stands still in a gap between two steps loses and doubles nothing.

Twenty jobs, one strike, and then the account of the chaos runs. By default every gap is struck
once, on the stores in turn; with `SOAK=1` in every way on every store.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.failpoints import GAPS, Act
from tests.chaos.fleet import ROOT
from tests.chaos.processes import Guard
from tests.chaos.stores import STORES, Server
from tests.soak import SOAK

pytestmark = pytest.mark.timeout(120)

Strike = Callable[..., dict[str, Any]]

CASES = [(store, gap, act) for store in STORES for gap in GAPS for act in Act]


def in_turns(store: str, gap: str, act: Act) -> bool:
    """One case for each gap, so that each store and each act come up as often."""
    number = list(GAPS).index(gap)
    return (list(STORES)[number % 3], list(Act)[number // 3 % 3]) == (store, act)


@contextmanager
def striking(store: str, folder: Path) -> Generator[Strike]:
    """Answers what became of a case."""
    with closing(STORES[store](folder)) as place, Guard() as guard:
        place.start()
        if isinstance(place, Server):
            guard.adopt(place.pid)
        with (folder / "workers.log").open("wb") as log:
            runner = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.gaps", place.url, str(folder)],
                cwd=ROOT,
                env=guard.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        with runner:
            assert runner.stdin is not None
            assert runner.stdout is not None

            def strike(gap: str, act: Act, fault: str = "") -> dict[str, Any]:
                print(gap, act, fault, file=runner.stdin, flush=True)
                answer = runner.stdout.readline()  # type: ignore[union-attr]
                assert answer, (folder / "workers.log").read_text()[-5_000:]
                return json.loads(answer)  # type: ignore[no-any-return]

            yield strike
            runner.stdin.close()


@pytest.fixture(scope="module")
def strikes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Strike]]:
    """The runner of each store, started when it is first needed."""
    running: dict[str, Any] = {}

    def on(store: str) -> Strike:
        if store not in running:
            manager = striking(store, tmp_path_factory.mktemp(store))
            running[store] = (manager, manager.__enter__())
        strike: Strike = running[store][1]
        return strike

    yield on
    for manager, _ in running.values():
        manager.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("store", "gap", "act"), [case for case in CASES if SOAK or in_turns(*case)]
)
def test_05_who_is_struck_in_a_gap_loses_nothing_and_doubles_nothing(
    strikes: Callable[[str], Strike], store: str, gap: str, act: Act
) -> None:
    seen = strikes(store)(gap, act)
    assert seen["struck"], "nobody came to the gap"
    assert not seen["violations"], "\n".join(seen["violations"])
    assert seen["jobs"] == 20


def test_a_seeded_fault_is_found(strikes: Callable[[str], Strike]) -> None:
    """A worker that acknowledges what it is about to run, ended before it does."""
    seen = strikes("sqlite")("before_start", Act.EXIT, "ack-before-run")
    assert seen["struck"], "nobody came to the gap"
    assert any("I1: lost" in each for each in seen["violations"]), seen["violations"]
