"""The telling tests of reliability on stores whose servers and connections break, too.

Each bears its number in the list of twenty. One short run for each store, in which everything
happens once or twice; the full sizes are `SOAK=1` or `make soak`. And these of the list stand
elsewhere: 3, answers to claims that are lost, also in `tests/faults/test_lost_claims.py`; 4, 12,
13 and 20 in `tests/faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.chaos.fleet import Form
from tests.chaos.harness import Plan, Result, run
from tests.chaos.nemesis import Act
from tests.chaos.sizes import BUSY, SOAK, only_in_soak

pytestmark = [
    pytest.mark.timeout(1_200 if SOAK else 240),
    pytest.mark.parametrize("store", ["postgresql", "redis"]),
]

Live = Callable[..., Result]
"""Lives through so many acts of each kind on the store."""


@pytest.fixture
def live(tmp_path: Path, store: str) -> Live:
    def lived(acts: Mapping[Act, int], **options: object) -> Result:
        plan = Plan(store=store, acts=acts, **options)  # type: ignore[arg-type]
        result = run(plan, tmp_path)
        assert not result.violations, result.told()
        assert result.jobs > 200
        assert result.busy >= BUSY
        return result

    return lived


def test_01_to_05_and_11_whatever_breaks_nothing_is_lost_and_nothing_finished_twice(
    live: Live,
) -> None:
    acts = {Act.KILL: 3, Act.ZOMBIE: 1, Act.CUT: 3, Act.DROP_REPLY: 3, Act.KILL_STORE: 1}
    live(acts, form=Form.COMMAND)


@only_in_soak
@pytest.mark.parametrize("form", Form)
def test_01_kills_under_load_lose_nothing_and_finish_nothing_twice(live: Live, form: Form) -> None:
    live({Act.KILL: 200}, form=form)


@only_in_soak
def test_02_zombies_finish_nothing_that_others_have(live: Live) -> None:
    live({Act.ZOMBIE: 60})


@only_in_soak
def test_03_cut_connections_and_lost_answers_strand_nothing(live: Live) -> None:
    live({Act.CUT: 400, Act.DROP_REPLY: 100}, pace=(0.02, 0.1), lease=2.0)


@only_in_soak
def test_11_a_server_that_is_killed_or_restarted_again_and_again_is_worked_on_again(
    live: Live,
) -> None:
    result = live({Act.KILL_STORE: 10, Act.STOP_STORE: 10, Act.KILL: 10}, pace=(0.5, 1.5))
    assert result.evidence.final.drained_in < 30


@only_in_soak
def test_12_a_store_that_stands_still_or_a_network_that_swallows_all_hangs_nobody(
    live: Live,
) -> None:
    live({Act.SUSPEND_STORE: 10, Act.BLACK_HOLE: 10, Act.DELAY: 5}, pace=(0.5, 1.5))


@only_in_soak
def test_17_stops_and_rolling_deploys_under_load_lose_nothing_and_double_nothing(
    live: Live,
) -> None:
    result = live({Act.ROLL: 20, Act.STOP: 20}, form=Form.COMMAND)
    assert set(result.again()) <= {"starved"}
    assert not result.charged_for_nothing()
