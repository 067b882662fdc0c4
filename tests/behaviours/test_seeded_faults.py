"""The proofs are proved: each fault seeded into the code must turn a test of its behaviour red."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.behaviours.catalogue import AWAITED, COMPLETE, SENTENCES
from tests.behaviours.faults import FAULTS, Fault
from tests.behaviours.planted import plant, spoiled
from tests.behaviours.proof import ROOT

FAULT = Fault("A1", "is wrong", "a_module", "return 1", "return 2")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_seeded_fault_is_seen_by_a_test_of_its_behaviour() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.behaviours.seeded_faults"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(FAULTS)} faults, 0 wrong verdicts" in done.stdout, said
    assert done.returncode == 0


def test_every_behaviour_of_the_complete_groups_has_a_fault() -> None:
    complete = {code for code in SENTENCES if code[0] in COMPLETE and code not in AWAITED}
    assert {fault.behaviour for fault in FAULTS} == complete


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.behaviour} {fault.name}")
def test_a_fault_still_fits_its_module(fault: Fault) -> None:
    spec = find_spec(fault.module)
    assert spec is not None
    assert spec.origin is not None
    compile(spoiled(fault, Path(spec.origin).read_text("utf-8")), fault.module, "exec")


def test_the_right_place_becomes_the_wrong_one() -> None:
    assert spoiled(FAULT, "def f():\n    return 1\n") == "def f():\n    return 2\n"


@pytest.mark.parametrize("source", ["return 3", "return 1; return 1"])
def test_a_fault_fits_in_one_place_only(source: str) -> None:
    with pytest.raises(ValueError, match="'is wrong' no longer fits a_module"):
        spoiled(FAULT, source)


def test_a_planted_module_is_imported_with_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_module.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    plant(FAULT)
    assert __import__("a_module").f() == 2
    with pytest.raises(ValueError, match="a_module has been imported already"):
        plant(FAULT)
    monkeypatch.delitem(sys.modules, "a_module")
