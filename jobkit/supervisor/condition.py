"""How the supervisor and its children are, for whoever watches over the process from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from jobkit.supervisor.child import Child

__all__ = ["Condition", "Observer", "silent"]


@dataclass(frozen=True, slots=True)
class Condition:
    """As of one turn of the main loop, at `at` in monotonic seconds.

    `problems`: why it is not ready, for people, a line each; none when it is.
    """

    at: float
    problems: tuple[str, ...] = ()
    stopping: bool = False

    @property
    def ready(self) -> bool:
        """True when every process takes jobs, and the store answers."""
        return not self.problems


Observer = Callable[[Condition], object]
"""Is told of the condition at every turn of the main loop, on its thread."""


def silent(children: Iterable[Child], beaten: Mapping[str, float], now: float) -> list[str]:
    """The children for which nobody could beat for half of their lease, a line each.

    `beaten` holds when each worker's last beat that came through was sent.
    """
    lines: list[str] = []
    for child in children:
        if child.hello is None or child.told_to_stop or child.joined[-1].url is None:
            continue
        joined = child.joined[-1]
        since = now - max(child.ready_at, beaten.get(joined.worker, 0.0))
        if since > joined.lease / 2:
            lines.append(f"nobody could beat for the worker process {child.pid} for {since:.0f} s")
    return lines
