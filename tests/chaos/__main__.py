"""`python -m tests.chaos`: a run of any size; prints what it saw, and 1 if something was wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.fleet import Form
from tests.chaos.harness import Plan, Result, run
from tests.chaos.mutations import MUTATIONS
from tests.chaos.nemesis import Act
from tests.chaos.report import table
from tests.chaos.stores import STORES

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run what the arguments say."""
    given = _parser().parse_args(arguments)
    plan = Plan(
        store=given.store,
        form=Form(given.workers),
        size=given.processes,
        threads=given.threads,
        lease=given.lease,
        mutation=given.mutation,
        seed=given.seed,
        acts={act: times for act in Act if (times := getattr(given, _dest(act)))},
    )
    with tempfile.TemporaryDirectory(prefix="jobkit-chaos-") as folder:
        result = run(plan, Path(folder))
        _tell(result)
        if result.violations and given.keep:
            (Path(folder) / "journal").rename(given.keep)
    return int(bool(result.violations))


def _tell(result: Result) -> None:
    print(table([result]))
    if result.violations:
        print()
        print(result.told())


def _dest(act: Act) -> str:
    plural = "s" if act in {Act.KILL, Act.ZOMBIE, Act.STOP, Act.ROLL} else ""
    return act.value.replace("-", "_") + plural


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--store", choices=list(STORES), default="sqlite")
    parser.add_argument("--workers", choices=list(Form), default=Form.PLAIN)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--lease", type=float, default=1.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutation", choices=["", *MUTATIONS], default="")
    parser.add_argument("--keep", type=Path, help="where to keep the journal of a run gone wrong")
    for act in Act:
        parser.add_argument(
            f"--{_dest(act).replace('_', '-')}", type=int, default=0, help=f"acts: {act.value}"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
