"""Which tests prove which behaviours, as pytest collects them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

__all__ = ["ANSWER", "CONTRACT", "MARKER", "ROOT", "Proof", "collected", "proofs_of"]

ROOT: Final = Path(__file__).parents[2]
MARKER: Final = "behaviour"
ANSWER: Final = "JOBKIT_PROOFS"
"""The variable that names the file which a collection writes its proofs into."""

CONTRACT: Final = "contract"
"""What stands for the path of a test that comes from the contract suite."""

_NAMES: Final = {
    "fake": "fake",
    "fake_jobs": "fake",
    "inline": "inline",
    "inline_jobs": "inline",
    "memory": "memory",
    "mysql": "MySQL",
    "postgres": "PostgreSQL",
    "postgresql": "PostgreSQL",
    "redis": "Redis",
    "site": "SQLite",
    "sqlite": "SQLite",
    "store": "memory",
    "valkey": "Valkey",
}
"""An adapter by what tests call it: a fixture, a parameter, or a class that holds the contract."""


@dataclass(frozen=True, slots=True, order=True)
class Proof:
    """A test that proves a behaviour, on an adapter; without one it concerns all of them."""

    code: str
    test: str
    adapter: str | None


def collected() -> list[Proof]:
    """The proofs of the whole suite, whatever part of it runs here.

    Collected by a process of its own. Raises RuntimeError, with what it said, when it fails.
    """
    with TemporaryDirectory(prefix="jobkit-proofs-") as folder:
        answer = Path(folder, "proofs.json")
        options = ["--collect-only", "--quiet", "--no-header", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, "-p", "tests.behaviours.plugin", "tests"],
            cwd=ROOT,
            env={**_without_xdist(), ANSWER: str(answer)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"pytest cannot collect: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return [Proof(**fields) for fields in json.loads(answer.read_text("utf-8"))]


def proofs_of(items: Iterable[Any], in_contract: Mapping[str, tuple[str, ...]]) -> list[Proof]:
    """The proofs among pytest's items; `in_contract` has those of the suite that travels."""
    return sorted({proof for item in items for proof in _proofs_of(item, in_contract)}, key=_key)


def _key(proof: Proof) -> tuple[str, str, str]:
    return (proof.code, proof.test, proof.adapter or "")


def _proofs_of(item: Any, in_contract: Mapping[str, tuple[str, ...]]) -> Iterator[Proof]:
    path, *classes, name = item.nodeid.split("[", 1)[0].split("::")
    adapter = _adapter_of(item, classes)
    codes = [code for mark in item.iter_markers(MARKER) for code in mark.args]
    test = "::".join([path.removeprefix("tests/"), *classes, name])
    if _holds_the_contract(item):
        test = "::".join([CONTRACT, *(each.removeprefix("Test") for each in classes[1:]), name])
        codes += in_contract.get(test.removeprefix(f"{CONTRACT}::"), ())
    return (Proof(code, test, adapter) for code in codes)


def _adapter_of(item: Any, classes: list[str]) -> str | None:
    if _holds_the_contract(item):
        name = classes[0].removeprefix("Test")
        return _NAMES.get(name.lower(), name)
    parameters = getattr(item, "callspec", None)
    named = (
        [each for each in parameters.params.values() if isinstance(each, str)] if parameters else []
    )
    for name in (*named, *item.fixturenames):
        if name in _NAMES:
            return _NAMES[name]
    return None


def _holds_the_contract(item: Any) -> bool:
    module = getattr(item.function, "__module__", "")
    return bool(module.startswith("jobkit.testing.contract."))


def _without_xdist() -> dict[str, str]:
    """The environment of a run of its own: no worker of the run that asks."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
