"""The contract suite as third parties meet it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jobkit.testing
from jobkit.testing import contract
from jobkit.testing.contract import AdapterContract, groups

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_an_adapter_without_capabilities_passes_with_a_reason_for_all_that_is_skipped() -> None:
    shown = run("-q", "-rs", str(HERE / "bare.py"), "-k", "TestBare")
    assert re.search(r"\d+ passed, \d+ skipped", shown), shown
    for reason in (
        "BareAdapter lacks the capability SupportsWait",
        "BareAdapter lacks the capability SupportsInspect",
        "BareAdapter lacks the capability SupportsManage",
        "BareAdapter lacks the capability SupportsPause",
        "BareAdapter has no priorities (features.priority)",
        "BareAdapter has no fences (features.fenced)",
        "BareAdapter cannot tell what a worker holds (held)",
        "the store of BareAdapter is not durable",
        "no fixture `keeping` tells how to make an adapter with a retention",
    ):
        assert reason in shown


@pytest.mark.timeout(180)
def test_an_adapter_is_fenced_and_modelled_without_being_inspected() -> None:
    shown = run("-q", "-rs", str(HERE / "bare.py"), "-k", "TestFenced")
    assert re.search(r"\d+ passed, \d+ skipped", shown), shown
    assert "features." not in shown
    assert "no fixture `opener` tells how other processes open the store" in shown


def test_a_class_without_an_adapter_is_told_what_it_needs() -> None:
    shown = run("-q", str(HERE / "bare.py"), "-k", "TestUnfinished and test_a_job_is_claimed_once")
    assert "the contract needs a fixture `adapter`: see jobkit.testing.contract" in shown


def test_an_assertion_of_the_contract_shows_its_values(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text(
        "import pytest\n"
        "from jobkit.testing.contract import AdapterContract\n"
        "from jobkit_inline import MemoryAdapter\n"
        "class Broken(MemoryAdapter):\n"
        "    def claim(self, queues, *, limit, worker):\n"
        "        return []\n"
        "class TestMine(AdapterContract):\n"
        "    @pytest.fixture\n"
        "    def adapter(self, clock): return Broken(clock=clock)\n"
    )
    shown = run("-q", str(tmp_path), "-k", "test_enqueueing_nothing or test_a_thousand")
    assert re.search(r"1 failed, 1 passed", shown), shown
    assert "assert [] == [" in shown


def test_the_kit_does_not_load_the_test_frameworks() -> None:
    code = "import sys, jobkit.testing; print({'pytest', 'hypothesis'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", [jobkit.testing, contract])
def test_what_a_package_lists_is_there(package: object) -> None:
    names: list[str] = getattr(package, "__all__")  # noqa: B009 - of any package
    assert all(hasattr(package, name) for name in names)


def test_every_group_is_in_the_contract() -> None:
    missing = [name for name in groups.__all__ if not hasattr(AdapterContract, f"Test{name}")]
    assert missing == []
