"""Receipts: whose hash a claim lies in, and under which field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from jobkit.adapter import Claim
from jobkit.errors import PayloadError
from jobkit.limits import MARK, limits_of
from jobkit.payload import Payload

__all__ = ["Field", "Receipt", "claim_of", "claims_of", "decoded"]

_DECODING: Final = ("utf-8", "surrogateescape")
_DISCARDED: Final = re.compile(r"[^:]*:[0-9a-f]{26,}x([0-9]+):")


class Field(NamedTuple):
    """What a claim's field says. `at` is when it was lent, in seconds."""

    at: float
    priority: str
    queue: str

    @classmethod
    def of(cls, text: str) -> Field:
        """Raises ValueError for other text."""
        at, _, priority, _, queue = text.split(":", 4)
        return cls(float(at), priority, queue)


class Receipt(NamedTuple):
    """`LENGTH:WORKER:FIELD`, as neither part forbids any character."""

    worker: str
    field: str

    @property
    def text(self) -> str:
        return f"{len(self.worker)}:{self.worker}:{self.field}"

    @classmethod
    def of(cls, text: str) -> Receipt:
        """One of another store names nobody's claim."""
        length, _, rest = text.partition(":")
        if not length.isdecimal() or rest[int(length) : int(length) + 1] != ":":
            return cls("", "")
        return cls(rest[: int(length)], rest[int(length) + 1 :])


def decoded(text: bytes) -> str:
    """Text as stored; what is no UTF-8 can be written back as it was."""
    return text.decode(*_DECODING)


def claims_of(worker: str, flat: Sequence[Any]) -> list[Claim]:
    """The claims of a worker from fields and payloads in turn."""
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [claim_of(worker, field, text) for field, text in pairs]


def claim_of(worker: str, written: bytes, stored: bytes) -> Claim:
    """The claim of a worker from its field and its payload."""
    field, text = written.decode(*_DECODING), stored.decode(*_DECODING)
    receipt = f"{len(worker)}:{worker}:{field}"  # `Receipt.text`
    payload = Payload(text)
    # Few jobs have lost a worker, few are under limits: only those are read here.
    deliveries = _deliveries(payload) if '"deliveries"' in text else 0
    return Claim(payload, receipt, deliveries, _full(payload, field) if MARK in text else None)


def _full(payload: Payload, field: str) -> str | None:
    """The key of the limit that discards the job, if one does."""
    found = _DISCARDED.match(field)
    limits = limits_of(payload)
    nth = int(found[1]) if found else 0
    return limits[nth - 1].key if 0 < nth <= len(limits) else None


def _deliveries(payload: Payload) -> int:
    try:
        return payload.deliveries
    except PayloadError:
        return 0
