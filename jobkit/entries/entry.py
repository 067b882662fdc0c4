"""One recurring entry: when, which job, with what; and the text in which a store keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

from jobkit.cron import Schedule
from jobkit.settings import check_queue_name

__all__ = ["GRACE", "CatchUp", "Entry"]

CatchUp = Literal["none", "last", "all"]

GRACE: Final = 60.0
"""Seconds that the last tick of a gap may be late."""

_CATCH_UPS: Final = ("none", "last", "all")
_LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`job` is enqueued at every tick of `cron` in `timezone`, with arguments as JSON values.

    `queue` None leaves it to the class. `envelope` is what else of the payload the class decides,
    for a process that does not know the class. `catch_up` says which ticks are made up for after
    a gap in which nobody looked: none, the last one unless it is later than `grace` seconds, or
    all (the latest 100). Raises ValueError for values that cannot be.
    """

    name: str
    cron: str
    job: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    timezone: str = "UTC"
    catch_up: CatchUp = "last"
    grace: float = GRACE
    envelope: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name(self.name)
        self.schedule()
        if self.queue is not None:
            check_queue_name(self.queue)
        if self.catch_up not in _CATCH_UPS:
            raise ValueError(f'catch_up is {self.catch_up!a}: give "none", "last" or "all"')
        if not self.grace >= 0:
            raise ValueError(f"grace is {self.grace!a}: give seconds, 0 or more")

    def schedule(self) -> Schedule:
        """When it ticks."""
        return Schedule(self.cron, self.timezone)

    @property
    def text(self) -> str:
        """As a store keeps it; equal entries have equal texts."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Entry:
        """The entry of a text; what a later version added is left out. Raises ValueError."""
        stored = json.loads(text)
        if not isinstance(stored, dict):
            raise ValueError("an entry is stored as a JSON object")  # noqa: TRY004 - of the text
        known: dict[str, Any] = {
            each.name: stored[each.name] for each in fields(cls) if each.name in stored
        }
        known["args"] = tuple(known.get("args", ()))
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"the stored entry lacks something: {error}") from error


def _check_name(name: object) -> None:
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
        raise ValueError(f"{str(name)[:200]!a} is no name of an entry: give printable text")
