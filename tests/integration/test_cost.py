"""What a job does not use costs it next to nothing: at most five calls of a function, in all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.valkey import VALKEY, running

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "redis":
        with running(tmp_path, binary=VALKEY) as server:
            yield server.url()
    else:
        yield {"memory": "memory://cost", "sqlite": f"sqlite:///{tmp_path}/jobs.db"}[request.param]


def test_a_job_that_uses_no_feature_costs_five_calls_more_at_most(url: str) -> None:
    command = [sys.executable, "-m", "tests.integration.costing", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    assert cost.pop("all") > 10, "nothing was counted"
    assert sum(cost.values()) <= 5, cost
