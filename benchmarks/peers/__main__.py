"""`make peers`: jobkit beside other queues, and beside loops that are no queues at all.

Each store is a private server that has one core, the programs have the other; everything is
measured in turns, and the medians of all rounds are told. Writes `peers.json`, `peers.md` and
`peers.svg` into a folder. `python -m benchmarks.peers --help` tells what can be chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.measures import MEASURES, Sizes
from benchmarks.peers.stores import STORES
from benchmarks.peers.table import chart, table

__all__ = ["main"]

Results = dict[str, dict[str, dict[str, float]]]
"""By store, contestant and measure."""


def main() -> int:
    asked = _asked()
    sizes = Sizes(jobs=asked.jobs, waiting=tuple(asked.waiting), rounds=asked.rounds)
    results: Results = {}
    for store in asked.stores:
        with TemporaryDirectory() as folder, STORES[store](Path(folder), asked.peers) as field:
            rounds: dict[str, dict[str, list[float]]] = {}
            for measure in asked.measures:
                MEASURES[measure](field, sizes, rounds)
            results[store] = {
                name: {what: _median(values) for what, values in measured.items()}
                for name, measured in rounds.items()
            }
        print(table(store, results[store]), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "peers.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = "\n\n".join(table(store, found) for store, found in results.items())
    (asked.out / "peers.md").write_text(text + "\n", encoding="utf-8")
    (asked.out / "peers.svg").write_text(chart(results), encoding="utf-8")
    return 0


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    usual = [name for name in MEASURES if name not in ("waiting", "idle")]
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=usual)
    parser.add_argument("--peers", nargs="+", help="only these queues; jobkit is always there")
    parser.add_argument("--jobs", type=int, default=20_000, help="that jobkit drains; peers fewer")
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
