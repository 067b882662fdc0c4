"""Batches: a hash for each, and sets of its members; see `lua/parts/batch.lua`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, Final

from jobkit.batching import (
    ABANDONED,
    KEPT,
    KEPT_FAILED,
    BatchInfo,
    BatchPage,
    Members,
    NewBatch,
    batch_of,
)
from jobkit.clock import as_datetime
from jobkit.payload import Payload
from jobkit_redis.errors import Refused
from jobkit_redis.keys import encoded
from jobkit_redis.placing import place_of
from jobkit_redis.receipts import decoded
from jobkit_redis.store import Store
from jobkit_redis.unique import EnqueueUnique

__all__ = ["Batches"]

_FIELDS: Final = (
    "description",
    "total",
    "created_at",
    "finished_at",
    "cancelled",
    "parent",
)
_EVERY: Final = 60.0
"""Seconds between two looks of a process for what is to be forgotten."""

_LIMIT: Final = 100
"""Batches that are forgotten together."""


class Batches:
    """See `SupportsBatches`."""

    def __init__(self, store: Store, unique: EnqueueUnique) -> None:
        self._store = store
        self._unique = unique
        self._look_at = 0.0

    def enqueue(
        self, batch: str, payloads: Sequence[Payload], *, opens: NewBatch | None, closes: bool
    ) -> list[str | None]:
        """See `SupportsBatches.enqueue_batch`."""
        try:
            fields = [] if opens is None else [encoded(str(each)) for each in _fields(opens)]
            head = [encoded(batch), int(closes), len(fields), *fields]
        except UnicodeEncodeError as error:
            raise Refused(f"the store keeps no half characters: {error}") from error
        return self._unique(payloads, head)

    def find(self, batch_id: str) -> BatchInfo | None:
        """See `SupportsBatches.batch`."""
        return next(iter(self._infos([batch_id])), None)

    def page(self, limit: int, after: str | None) -> BatchPage:
        """See `SupportsBatches.batches`."""
        start = "+" if after is None else encoded(f"({after}")
        key = self._store.keys.batches
        command = ("ZRANGE", key, start, "-", "BYLEX", "REV", "LIMIT", 0, limit + 1)
        (names,) = self._store.here.pool.ask(command)
        ids = [decoded(name) for name in names]
        following = ids[limit - 1] if len(ids) > limit else None
        return BatchPage(self._infos(ids[:limit]), following)

    def members(self, batch_id: str, *, failed: bool, limit: int, after: str | None) -> Members:
        """See `SupportsBatches.members`."""
        key = self._store.keys.of_batch(batch_id)[2 if failed else 1]
        cursor = int(after) if after is not None and after.isdecimal() else 0
        (answer,) = self._store.here.pool.ask(("SSCAN", key, cursor, "COUNT", limit))
        following, names = decoded(answer[0]), [decoded(name) for name in answer[1]]
        return Members.of(names, None if following == "0" else following)

    def cancel(self, batch_id: str, *, forget: bool) -> bool:
        """See `SupportsBatches.cancel_batch`."""
        return bool(self._run("cancel_batch", [], encoded(batch_id), int(forget)))

    def upkeep(self) -> None:
        """Forget what was kept long enough, once in a while."""
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + _EVERY
        keys = self._store.keys
        self._run("trim_batches", [keys.over_batches, keys.open_batches], _LIMIT, ABANDONED)

    def _run(self, name: str, more: Sequence[str], *arguments: Any) -> Any:
        keys = self._store.keys
        head = [self._store.now, keys.channel]
        return self._store.run(name, [keys.queues, keys.sequence, *more], [*head, *arguments])

    def _infos(self, ids: Sequence[str]) -> list[BatchInfo]:
        """Those that are there."""
        if not ids:
            return []
        named = [self._store.keys.of_batch(each) for each in ids]
        answers = self._store.here.pool.ask(
            *(
                command
                for batch, pending, failed in named
                for command in (
                    ("HMGET", batch, *_FIELDS),
                    ("SCARD", pending),
                    ("SCARD", failed),
                )
            )
        )
        parts = zip(ids, answers[::3], answers[1::3], answers[2::3], strict=True)
        return [_info(*each) for each in parts if each[1][1] is not None]


def _fields(new: NewBatch) -> Iterator[Any]:
    """Names and values of the hash of a batch."""
    yield from ("description", new.description, "kept", KEPT, "kept_failed", KEPT_FAILED)
    if new.parent is not None:
        yield from ("parent", new.parent)
    for event, payload in new.callbacks.items():
        place = place_of(payload)
        yield from (event, payload.text, f"{event}:job", payload.id)
        yield from (f"{event}:queue", place.queue, f"{event}:priority", place.priority)
        if batch := batch_of(payload):
            yield from (f"{event}:batch", batch)


def _info(batch_id: str, fields: Sequence[bytes | None], pending: int, failed: int) -> BatchInfo:
    description, total, created_at, finished_at, cancelled, parent = fields
    number = int(total or 0)
    return BatchInfo(
        id=batch_id,
        description=decoded(description or b""),
        total=number,
        pending=pending,
        succeeded=number - pending - failed,
        failed=failed,
        created_at=as_datetime(float(created_at or 0)),
        finished_at=None if finished_at is None else as_datetime(float(finished_at)),
        cancelled=cancelled is not None,
        parent=None if parent is None else decoded(parent),
    )
