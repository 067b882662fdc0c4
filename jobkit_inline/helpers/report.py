"""The text of a failed assertion: what was looked for, and what was there instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from jobkit_inline.helpers.criteria import Criteria, describe
from jobkit_inline.helpers.seen import Seen

__all__ = ["Report"]

_MOST: Final = 10
"""Jobs that are listed."""


@dataclass(frozen=True, slots=True)
class Report:
    """Reports of one search. `verb` is "enqueued" or "performed", `where` "" or " in the block"."""

    criteria: Criteria
    verb: str
    where: str

    def too_few_or_many(
        self, matches: Sequence[Seen], there: Sequence[Seen], count: int | None
    ) -> str:
        """Not as many were found as were expected."""
        head = self._head("a job" if count is None else f"exactly {_jobs(count)}")
        of_class = [seen for seen in there if self.criteria.is_of_class(seen)]
        differing = [seen for seen in of_class if self.criteria.differences(seen)]
        if matches:
            found = [*self._found(matches), *self._differing("and", differing)]
        elif of_class:
            found = [*self._differing("but", differing)]
        else:
            found = self._none_of_class(there)
        return "\n".join([head, *found])

    def unwanted(self, matches: Sequence[Seen]) -> str:
        """Some were found where none was expected."""
        return "\n".join([self._head("no job"), *self._found(matches)])

    def _head(self, expected: str) -> str:
        which = f": {self.criteria}" if self.criteria else ""
        return f"expected {expected} to be {self.verb}{self.where}{which}"

    def _found(self, matches: Sequence[Seen]) -> list[str]:
        were = "was" if len(matches) == 1 else "were"
        return [f"but {len(matches)} {were}:", *_listed([describe(seen)] for seen in matches)]

    def _differing(self, link: str, differing: Sequence[Seen]) -> list[str]:
        if not differing:
            return []
        of_class = "" if self.criteria.kind is None else " of this class"
        lines = ([describe(seen), *self.criteria.differences(seen)] for seen in differing)
        return [
            f"{link} those{of_class} that were {self.verb}{self.where} differ:",
            *_listed(lines),
        ]

    def _none_of_class(self, there: Sequence[Seen]) -> list[str]:
        if not there:
            return [f"but no job was {self.verb}{self.where}"]
        counted = Counter(seen.name for seen in there)
        lines = ([f"{count} x {name}"] for name, count in sorted(counted.items()))
        return [f"but none of this class was {self.verb}{self.where}; there were:", *_listed(lines)]


def _listed(entries: Iterable[Sequence[str]]) -> Iterator[str]:
    """Each entry's first line, its others below it; the rest of a long list as their number."""
    remaining = iter(entries)
    shown = islice(remaining, _MOST)
    yield from chain.from_iterable(
        (f"  {first}", *(f"    {line}" for line in others)) for first, *others in shown
    )
    left = sum(1 for _ in remaining)
    if left:
        yield f"  and {left} more"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
