"""A test class for each seeded fault, collected by `seeded_faults.py` and by nobody else."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, settings

import jobkit_inline.memory
from jobkit.adapter import Adapter, Retention
from jobkit.testing import ManualClock
from jobkit.testing.contract import AdapterContract, groups
from jobkit.testing.contract.groups import waiting
from tests.contract.faults import MODEL, SUSPECTS, Fault

#: As the contract's own, but guilty is enough: nobody asks for the shortest proof.
_NO_SHRINKING = settings(
    max_examples=60, stateful_step_count=30, derandomize=True, phases=[Phase.generate]
)
_ORIGINAL = jobkit_inline.memory.__name__
_SOURCE = Path(next(iter(jobkit_inline.memory.__path__)))

# Nobody comes for most who wait here: let them find out soon.
waiting._FOR_EVER, waiting._SOON = 1.0, 0.5


def plant(fault: Fault, name: str, garden: Path) -> Callable[..., Adapter]:
    """The adapter with the fault: a copy of its package, with one place changed."""
    shutil.copytree(_SOURCE, garden / name)
    for file in (garden / name).glob("*.py"):
        text = file.read_text()
        if file.name == fault.file:
            assert text.count(fault.right) == 1, f"{fault.name!r} no longer fits {fault.file}"
            text = text.replace(fault.right, fault.wrong)
        file.write_text(text.replace(_ORIGINAL, name))
    made: Callable[..., Adapter] = importlib.import_module(name).MemoryAdapter
    return made


def suspect(fault: Fault, make: Callable[..., Adapter]) -> type[AdapterContract]:
    """The contract over that adapter, cut down to those who must catch the fault."""

    class Suspect(AdapterContract):
        @pytest.fixture
        def adapter(self, clock: ManualClock) -> Adapter:
            return make(clock=clock)

        @pytest.fixture
        def keeping(self, clock: ManualClock) -> Callable[[Retention], Adapter]:
            return lambda retention: make(clock=clock, retention=retention)

        @pytest.fixture
        def model_settings(self) -> settings:
            return _NO_SHRINKING

    for group in groups.__all__:
        if group != fault.group and not (fault.model and group == MODEL):
            setattr(Suspect, f"Test{group}", None)
    return Suspect


with TemporaryDirectory(prefix="jobkit-faults-") as _garden:
    sys.path.insert(0, _garden)
    for _name, _fault in SUSPECTS.items():
        globals()[_name] = suspect(_fault, plant(_fault, _name.lower(), Path(_garden)))
    sys.path.remove(_garden)
