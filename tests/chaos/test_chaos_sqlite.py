"""The telling tests of reliability on one SQLite file: killed, suspended, stopped and replaced.

Each bears its number in the list of twenty. A tenth of the sizes, in two runs; the full sizes are
`SOAK=1` or `make soak`. What a file cannot suffer (4 and 11: connections and servers) is tested on
the stores that can, in `test_chaos_servers.py` and `tests/faults`. And these of the list stand
elsewhere, each under its number:

- 3: `test_mutations.py` and `tests/unit/worker/test_audit.py`, answers that are lost
- 5: `test_failpoints.py`, every gap around the writing of a retry
- 6: `tests/integration/supervisor/test_deaths.py`, the pill among nine neighbours
- 7: `tests/unit/worker/test_worker.py`, and the exit with 0 in `test_deaths.py`
- 8: `test_deaths.py`, the job that holds the GIL
- 18: `tests/integration/transactions`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.chaos.fleet import Form
from tests.chaos.harness import Plan, Result, run
from tests.chaos.nemesis import Act
from tests.chaos.sizes import BUSY, SOAK, only_in_soak

pytestmark = pytest.mark.timeout(1_200 if SOAK else 180)

Live = Callable[..., Result]
"""Lives through so many acts of each kind."""


@pytest.fixture
def live(tmp_path: Path) -> Live:
    def lived(acts: Mapping[Act, int], **options: object) -> Result:
        size = 10 if SOAK else 1
        plan = Plan(acts={act: size * times for act, times in acts.items()}, **options)  # type: ignore[arg-type]
        result = run(plan, tmp_path)
        assert not result.violations, result.told()
        return result

    return lived


def was_telling(result: Result) -> None:
    """A queue that ran empty, or processes that had nothing to do, would prove nothing."""
    assert result.jobs > 200
    assert result.busy >= BUSY


def test_01_and_02_kills_and_zombies_under_supervisors_lose_nothing_and_finish_nothing_twice(
    live: Live,
) -> None:
    acts = {Act.KILL: 5, Act.KILL_SUPERVISOR: 1, Act.KILL_ALL: 1, Act.ZOMBIE: 1}
    was_telling(live(acts, form=Form.COMMAND))


@only_in_soak
def test_01_kills_under_load_lose_nothing_and_finish_nothing_twice(live: Live) -> None:
    was_telling(live({Act.KILL: 20}))


@only_in_soak
def test_02_zombies_finish_nothing_that_others_have(live: Live) -> None:
    was_telling(live({Act.ZOMBIE: 6}))


@only_in_soak
def test_05_kills_around_the_writing_of_retries_neither_lose_nor_double_them(live: Live) -> None:
    """4 of 100 jobs fail twice and 4 die of it; a retry written in two steps is a seeded fault."""
    result = live({Act.KILL: 4})
    retried = {"cured", "doomed"} & set(result.evidence.kinds.values())
    assert retried == {"cured", "doomed"}


@only_in_soak
def test_09_a_job_longer_than_the_lease_runs_once(live: Live) -> None:
    """One of 100 jobs takes three leases, and nobody is harmed in the least."""
    result = live({}, warm=3.0)
    assert "lasting" in result.evidence.kinds.values()
    assert set(result.again()) <= {"starved"}


@only_in_soak
def test_10_when_all_were_suspended_nobody_takes_the_others_for_dead(tmp_path: Path) -> None:
    result = run(Plan(acts={Act.PAUSE_ALL: 1}, pace=(6.0, 6.0)), tmp_path)
    assert not result.violations, result.told()
    assert set(result.again()) <= {"starved"}


@only_in_soak
def test_10_pauses_within_the_lease_cost_nobody_a_job(tmp_path: Path) -> None:
    # One after the other: who is suspended may hold the lock that the others' beats wait for.
    result = run(Plan(acts={Act.PAUSE: 4}, lease=2.0, pace=(1.0, 1.3)), tmp_path)
    assert not result.violations, result.told()
    assert set(result.again()) <= {"starved"}


def test_17_stops_and_rolling_deploys_under_load_lose_nothing_and_double_nothing(
    live: Live,
) -> None:
    result = live({Act.ROLL: 2, Act.STOP: 2}, form=Form.COMMAND)
    assert set(result.again()) <= {"starved"}
    assert not result.charged_for_nothing()


@only_in_soak
@pytest.mark.parametrize("form", Form)
def test_17_stops_at_any_moment_of_a_life_lose_nothing_and_double_nothing(
    live: Live, form: Form
) -> None:
    result = live({Act.STOP_ANY: 10}, form=form, pace=(0.0, 0.6))
    assert set(result.again()) <= {"starved"}
