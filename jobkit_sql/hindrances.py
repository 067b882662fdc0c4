"""What makes a store slow from outside, said in the log before somebody has to look for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from jobkit_sql.store import Store

__all__ = ["Hindrances"]

_EVERY: Final = 60.0
"""Seconds between two looks of a process."""

_log = logging.getLogger("jobkit.sql")


class Hindrances:
    """Looks once a minute, when it is asked to, and warns of what it finds."""

    def __init__(
        self,
        store: Store,
        *,
        every: float = _EVERY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._every = every
        self._monotonic = monotonic
        self._next = monotonic() + every

    def look(self) -> None:
        """Look, unless that was a moment ago. Raises AdapterError."""
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        with self._store.reading() as connection:
            found = self._store.dialect.hindrances(connection)
        for hindrance in found:
            _log.warning("%s", hindrance)
