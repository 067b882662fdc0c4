"""The alert of docs/howto/watch-and-operate.md rings when it must, and only then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobkit import backends
from jobkit.testing import ManualClock
from jobkit.testing.contract.support import enqueue
from jobkit_inline import MemoryAdapter

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "watch-and-operate.md"
(ALERT,) = re.findall(r"```python\n([^`]*def late_queues[^`]*)```", PAGE.read_text("utf-8"))


def test_it_has_no_more_than_ten_lines() -> None:
    assert len([line for line in ALERT.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize(
    ("seconds", "paused", "printed"),
    [
        (30, False, ""),
        (61, False, "mailers: 2 jobs wait, the oldest for 61 s\n"),
        (61, True, ""),
    ],
)
def test_it_tells_of_queues_that_fall_behind(
    seconds: int, paused: bool, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()
    adapter = MemoryAdapter(clock=clock)
    for _ in range(2):
        enqueue(adapter, queue="mailers")
    clock.advance(seconds)
    enqueue(adapter, queue="quick")
    if paused:
        adapter.pause("mailers")
    with backends.override(adapter):
        exec(compile(ALERT, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == printed
