"""Django in a process of its own, since it is set up once: the tests are those of `suite`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.timeout(600)  # a suite of its own
def test_jobkit_is_at_home_in_django(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "suite"],
        cwd=HERE,
        env={**os.environ, "SUITE_FOLDER": str(tmp_path), "JOBKIT_DJANGO_SUITE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
