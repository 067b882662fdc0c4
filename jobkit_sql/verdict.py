"""What limits say of the jobs that could be lent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobkit.limits import Limit
from jobkit_sql.lending import Borrowed

__all__ = ["Verdict"]


@dataclass(slots=True)
class Verdict:
    """Which of the rows may be lent; `full` says which of them are to be discarded, and why."""

    granted: list[Borrowed] = field(default_factory=list)
    full: dict[int, str] = field(default_factory=dict)
    blocked: dict[int, str] = field(default_factory=dict)
    limited: dict[int, tuple[Limit, ...]] = field(default_factory=dict)
    seen: int = 0

    def weigh(self, row: Borrowed, under: Sequence[Limit], used: Counter[str]) -> None:
        """Say whether the row may be lent, whose job is under these limits; `used` are places."""
        refusing = next((limit for limit in under if used[limit.place] >= limit.to), None)
        if refusing is None:
            used.update(limit.place for limit in under)
            self.granted.append(row)
        elif refusing.discard:
            self.full[row[0]] = refusing.key
            self.granted.append(row)
        else:
            self.blocked[row[0]] = refusing.place
