"""`jobkit completion`, and what shells are told by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def offered(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    asked = {"COMP_WORDS": " ".join(("jobkit", *words)), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-m", "jobkit"],
        env={**os.environ, **asked, "_JOBKIT_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_completes_jobkit(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.code == 0
    assert f"_JOBKIT_COMPLETE={shell}_complete" in done.out
    assert done.err == ""


def test_without_a_name_it_is_the_shell_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert run("completion").out.startswith("#compdef jobkit")
    monkeypatch.setenv("SHELL", "/usr/bin/tcsh")
    done = run("completion")
    assert done.code == 2
    assert "name a shell: bash, zsh, fish" in done.err


def test_bash_takes_the_script(run: Run) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    script = f"{run('completion', 'bash').out}\ncomplete -p jobkit"
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_options_and_what_they_take_are_offered() -> None:
    assert offered("wor") == ["worker", "workers"]
    assert "--state" in offered("jobs", "list", "--s")
    assert offered("jobs", "list", "--state", "de") == ["dead"]


def test_backends_are_those_that_are_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jobkit.toml").write_text('[backends.bulk]\nurl = "sqlite:///bulk.db"')
    assert offered("stats", "--backend", "") == ["bulk", "default"]
    Path("jobkit.toml").write_text("nonsense")
    assert offered("stats", "--backend", "") == []
