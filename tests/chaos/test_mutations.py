"""The chaos harness finds the faults it is there to find: each is seeded, and the run goes red.

And the acts that find them hit something: a harness whose queue is empty proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.harness import Plan, run
from tests.chaos.mutations import MUTATIONS
from tests.chaos.nemesis import Act
from tests.chaos.sizes import only_in_soak

pytestmark = pytest.mark.timeout(240)

FOUND: Mapping[str, tuple[dict[Act, int], set[int]]] = {
    # The acts under which the fault shows, and the invariants of which one at least must break.
    "no-fence-sql": ({Act.ZOMBIE: 3}, {2}),
    "no-fence-redis": ({Act.ZOMBIE: 6}, {2}),
    "ack-before-run": ({Act.KILL: 2}, {1}),
    "reap-without-compare": ({Act.ZOMBIE: 12}, {3, 9}),
    "retry-without-ack": ({Act.STOP: 1}, {1, 8, 10}),
    "retry-in-two-steps": ({Act.KILL: 4}, {1}),
    "no-reconcile": ({Act.KILL: 1}, {8, 10}),
    "release-twice": ({Act.STOP: 1}, {2, 3, 4}),
}


BY_DEFAULT = "no-fence-sql"
"""The others take a minute together."""


@pytest.mark.parametrize(
    "mutation",
    [name if name == BY_DEFAULT else pytest.param(name, marks=only_in_soak) for name in FOUND],
)
def test_a_seeded_fault_is_found(mutation: str, tmp_path: Path) -> None:
    acts, invariants = FOUND[mutation]
    lease = 0.5 if mutation == BY_DEFAULT else 1.0
    store = "redis" if mutation.endswith("redis") else "sqlite"
    plan = Plan(store=store, acts=acts, mutation=mutation, lease=lease, drain_within=6)
    # Whether an act meets a job at the moment that matters is chance: it is given more of them.
    found: set[int] = set()
    for seed in range(1, 9):
        result = run(replace(plan, seed=seed), _folder(tmp_path, seed))
        found |= {violation.invariant for violation in result.violations}
        if found & invariants:
            return
    pytest.fail(f"{mutation} went unseen: {found}")


def _folder(within: Path, seed: int) -> Path:
    folder = within / str(seed)
    folder.mkdir()
    return folder


@only_in_soak
def test_a_watcher_that_is_slow_but_looks_again_takes_nothing_from_the_living(
    tmp_path: Path,
) -> None:
    """What makes `reap-without-compare` red is the missing comparison, not the slowness."""
    result = run(Plan(acts={Act.ZOMBIE: 5}, mutation="slow-reap"), tmp_path)
    assert not result.violations, result.told()


@only_in_soak
def test_03_jobs_whose_lending_was_not_heard_of_are_found(tmp_path: Path) -> None:
    acts = {Act.KILL: 4, Act.STOP: 1}
    result = run(Plan(acts=acts, mutation="lost-claims", drain_within=20), tmp_path)
    assert not result.violations, result.told()


def test_every_seeded_fault_is_tried() -> None:
    ours_to_survive = {"slow-reap", "lost-claims"}
    assert set(FOUND) | ours_to_survive == set(MUTATIONS)
