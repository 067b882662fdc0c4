"""What type checkers accept of the public API, and what they refuse.

In `refused.py` each line that ends in `# refused` must be an error for mypy and for pyright; no
other line, and nothing in `accepted.py`, may be one for either.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from jobkit import backends, propagation
from jobkit.jobs import registry
from jobkit_inline import MemoryAdapter

HERE = Path(__file__).parent
SAMPLES = ("accepted.py", "refused.py")
MYPY = ("mypy", "--strict", "--python-version=3.11", "--no-error-summary", "--no-pretty")
MARK = "# refused"
PASSED_OVER = "# type: ignore"  # how refused.py hides from the project's own checks

Place = tuple[str, int]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the samples, which nothing there hides from the checkers."""
    directory = tmp_path_factory.mktemp("samples")
    for name in SAMPLES:
        lines = (HERE / name).read_text(encoding="utf-8").splitlines()
        lines[0] = "#" if lines[0].startswith(PASSED_OVER) else lines[0]
        (directory / name).write_text("\n".join(lines), encoding="utf-8")
    config = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnusedExpression": False,
        "reportUnusedCoroutine": False,
    }
    (directory / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def run(directory: Path, *command: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-m", *command, *SAMPLES],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode in (0, 1), completed.stdout + completed.stderr
    return completed.stdout


def mypy(directory: Path) -> dict[Place, str]:
    # The project's own cache, when there is one: what it holds of pydantic takes long to make.
    cache = HERE.parents[1] / ".mypy_cache" / "samples"
    output = run(directory, *MYPY, f"--cache-dir={cache}")
    found = re.findall(r"^(\w+\.py):(\d+): error: (.*)$", output, re.MULTILINE)
    return {(file, int(line)): message for file, line, message in found}


def pyright(directory: Path) -> dict[Place, str]:
    report = json.loads(run(directory, "pyright", f"--pythonpath={sys.executable}", "--outputjson"))
    assert report["summary"]["filesAnalyzed"] == len(SAMPLES)
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
        for each in report["generalDiagnostics"]
        if each["severity"] != "information"
    }


def marked(directory: Path) -> Iterable[Place]:
    for name in SAMPLES:
        text = (directory / name).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if line.endswith(MARK):
                yield name, number


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_exactly_the_marked_lines_are_refused(
    samples: Path, checker: Callable[[Path], dict[Place, str]]
) -> None:
    found, expected = checker(samples), set(marked(samples))
    assert len(expected) > 70
    assert sorted(expected - found.keys()) == [], "these lines were accepted"
    assert {place: found[place] for place in found.keys() - expected} == {}


def test_what_is_accepted_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(propagation, "_travellers", ())
    script = shutil.copy(HERE / "accepted.py", tmp_path)
    with backends.override(MemoryAdapter()):
        runpy.run_path(str(script), run_name="accepted")
