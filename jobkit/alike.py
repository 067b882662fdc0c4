"""Payloads of one call that differ in their ids and arguments alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from jobkit.payload import Payload

__all__ = ["Alike"]


class Alike(Sequence[Payload]):
    """One payload or more whose envelopes say the same, but for ids that no others have.

    Their texts are as `dumps` makes them, each a line.

    A store that knows it need not look into each of them; to all others it is a sequence.
    """

    def __init__(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        self.ids = ids
        self.texts = texts
        self.first = Payload(texts[0])
        """What its envelope says holds for all."""

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Payload]:
        return map(Payload, self.texts)

    @overload
    def __getitem__(self, index: int) -> Payload: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Payload]: ...
    def __getitem__(self, index: int | slice) -> Payload | Sequence[Payload]:
        if isinstance(index, slice):
            return [Payload(text) for text in self.texts[index]]
        return Payload(self.texts[index])
