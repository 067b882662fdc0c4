"""Removing jobs that are done."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

__all__ = ["NotAllHeldError", "acked"]

# By token, as one claim lends many: pairs of both would be looked for in all rows.
_REMOVE: Final = """
    DELETE FROM jobkit_jobs
    WHERE key IN (SELECT value FROM json_each(?)) AND receipt = ?
"""
_COUNT: Final = "UPDATE jobkit_stats SET processed = processed + ? WHERE day = ?"
_BEGIN_DAY: Final = "INSERT INTO jobkit_stats (day, processed, failed) VALUES (?, ?, 0)"


class NotAllHeldError(Exception):
    """The transaction is to be rolled back: it cannot tell which were not."""


def acked(connection: Connection, receipts: Sequence[str], today: str) -> set[int]:
    """See `Database.ack`. Raises NotAllHeldError."""
    by_token: defaultdict[str, set[int]] = defaultdict(set)
    for receipt in receipts:
        key, _, token = receipt.partition(".")
        by_token[token].add(int(key))
    for token, keys in by_token.items():
        removed = connection.exec_driver_sql(_REMOVE, (json.dumps([*keys]), token))
        if removed.rowcount != len(keys):
            raise NotAllHeldError
    if not connection.exec_driver_sql(_COUNT, (len(receipts), today)).rowcount:
        connection.exec_driver_sql(_BEGIN_DAY, (today, len(receipts)))
    held = {key for keys in by_token.values() for key in keys}
    if len(held) < len(receipts):
        raise NotAllHeldError
    return held
