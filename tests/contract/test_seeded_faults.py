"""The contract itself is tested: each fault seeded into an adapter must turn it red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_seeded_fault_is_caught() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.seeded_faults"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "83 faults, 0 wrong verdicts" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.returncode == 0
