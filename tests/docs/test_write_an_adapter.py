"""The adapter of docs/howto/write-an-adapter.md holds the contract, and has its URL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobkit import batching, cancelling, capabilities, offering, restoring, results
from jobkit.adapter import Adapter

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "write-an-adapter.md").read_text("utf-8")
ABILITIES = (
    *capabilities.__all__,
    *restoring.__all__,
    *batching.__all__,
    *cancelling.__all__,
    *results.__all__,
    *offering.__all__,
)
SUPPORTED = {name for name in ABILITIES if name.startswith("Supports")}
PUBLIC = {"adapter", "capabilities", "clock", "errors", "payload"}


def block(language: str, number: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found[number])


ADAPTER, CONTRACT, ENTRY_POINT = block("python", 0), block("python", 1), block("toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of somebody else's, where nothing of ours is configured."""
    (tmp_path / "file_adapter.py").write_text(ADAPTER, "utf-8")
    (tmp_path / "test_file_adapter.py").write_text(CONTRACT, "utf-8")
    return tmp_path


def run(project: Path, *arguments: str) -> str:
    """What a program of that folder says; it must leave with 0."""
    ours = ("JOBKIT_", "PYTEST_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**clean, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_holds_the_contract(project: Path) -> None:
    *called, _ = block("sh").split()
    said = run(project, "-m", *called, "-q", "-p", "no:cacheprovider", "test_file_adapter.py")
    passed, skipped = re.findall(r"(\d+) (?:passed|skipped)", said)
    assert int(passed) > 300
    assert int(skipped) > 0
    reasons = set(re.findall(r"^SKIPPED \[\d+\] \S+?: (.*)$", said, re.MULTILINE))
    lacking = {f"FileAdapter lacks the capability {name}" for name in SUPPORTED}
    assert reasons - lacking == {
        "a JSON file keeps whatever text there is",
        "no fixture `keeping` tells how to make an adapter with a retention",
    }
    assert "FileAdapter lacks the capability SupportsPause" not in reasons


def test_it_trims_its_dead_set(project: Path) -> None:
    said = run(
        project,
        "-c",
        "from file_adapter import FileAdapter\n"
        "from jobkit.adapter import Bury, Retention\n"
        "from jobkit.payload import Payload\n"
        "from jobkit.testing import ManualClock\n"
        "clock = ManualClock()\n"
        "store = FileAdapter('jobs.json', clock=clock, retention=Retention(dead_max=2))\n"
        "store.beat('w', lease=30, claims=[], register=True)\n"
        "for nth in range(5):\n"
        "    store.enqueue([Payload.of({'class': 'A', 'jid': f'{nth}'})])\n"
        "    clock.advance(1)\n"
        "store.settle([Bury(claim, claim.payload)"
        " for claim in store.claim(['default'], limit=9, worker='w')])\n"
        "print([store.maintain(limit=2).trimmed for _ in range(3)])\n"
        "clock.advance(180 * 86_400)\n"
        "print(store.maintain(limit=9).trimmed)\n",
    )
    assert said.split("\n")[:2] == ["[2, 1, 0]", "2"]


def test_by_its_entry_point_it_has_a_url(project: Path) -> None:
    table, point = ENTRY_POINT.strip().splitlines()
    group = re.findall(r'"(.+)"', table)[0]
    installed = project / "file_adapter-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: file-adapter\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{point.replace(chr(34), '')}\n")
    (project / "app.py").write_text(
        "import jobkit\n@jobkit.job\ndef greet(name: str) -> None:\n    print('hello', name)\n"
    )
    url = f"file://{project}/jobs.json"
    enqueue = "import app; app.greet.perform_later('Ada')"
    run(project, "-c", f"import jobkit; jobkit.configure(url={url!r}); {enqueue}")
    said = run(project, "-m", "jobkit", "worker", "-A", "app", "--burst", "--url", url)
    assert said == "hello Ada\n"


def test_it_is_short_and_uses_what_is_public() -> None:
    assert len(ADAPTER.splitlines()) < 200
    assert set(re.findall(r"^from jobkit\.(\w+) import", ADAPTER, re.MULTILINE)) == PUBLIC


def test_every_verb_and_every_capability_is_explained() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert named == {*Adapter.__abstractmethods__, *SUPPORTED}
