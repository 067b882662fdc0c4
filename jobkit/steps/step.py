"""One step, as its function is given it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar, overload

__all__ = ["Step"]

C = TypeVar("C")
T = TypeVar("T")


class Step(Generic[C]):
    """A step while it runs. `cursor` is how far it has come; `advance` says how far it is now.

    def import_rows(self, step: Step[int]) -> None:
        for row in self.rows_after(step.cursor):
            self.import_row(row)
            step.advance(row.id)
    """

    def __init__(
        self, name: str, cursor: C, moved: Callable[[C], None], checkpoint: Callable[[], None]
    ) -> None:
        self.name = name
        self._cursor = cursor
        self._moved = moved
        self._checkpoint = checkpoint

    @property
    def cursor(self) -> C:
        """What `advance` was last given, in this run or the one before; else `start`."""
        return self._cursor

    def advance(self, value: C) -> None:
        """What lies before `value` is done: another run of the job begins there.

        Call it behind the work. A checkpoint, too. Raises SerializationError for a value that
        cannot be stored.
        """
        self._moved(value)
        self._cursor = value
        self._checkpoint()

    def checkpoint(self) -> None:
        """Raise Interrupted when the job must not go on now.

        That is when the worker stops, when the job was cancelled or belongs to another worker by
        now, or when `max_run_time` is over.
        """
        self._checkpoint()

    @overload
    def each(self, items: AsyncIterable[T]) -> AsyncIterator[T]: ...
    @overload
    def each(self, items: Iterable[T]) -> Iterator[T]: ...
    def each(self, items: Any) -> Any:
        """The items behind the cursor, which counts them: an item is done when the next is asked.

        They must come in the same order in every run. Of a sequence the first ones are passed
        over at once, any other iterable is read from its beginning.
        """
        if isinstance(items, AsyncIterable):
            return self._each_async(items)
        return self._each(items)

    def _each(self, items: Iterable[T]) -> Iterator[T]:
        done = self._count()
        rest = (
            map(items.__getitem__, range(done, len(items)))
            if isinstance(items, Sequence)
            else islice(items, done, None)
        )
        for at, item in enumerate(rest, done + 1):
            yield item
            self.advance(at)  # type: ignore[arg-type] # of a step that counts

    async def _each_async(self, items: AsyncIterable[T]) -> AsyncIterator[T]:
        done, at = self._count(), 0
        async for item in items:
            at += 1
            if at > done:
                yield item
                self.advance(at)  # type: ignore[arg-type] # of a step that counts

    def _count(self) -> int:
        count: Any = self._cursor
        if count is None:
            return 0
        if type(count) is not int or count < 0:
            raise TypeError(
                f"each() counts items, and the cursor of step {self.name!a} is "
                f"{ascii(count)[:200]}, not a number of them"
            )
        return count
