"""Rows lent to workers, and the receipts that prove it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from sqlalchemy import Connection, bindparam, literal_column, select, update

from jobkit.adapter import Claim, State
from jobkit.payload import Payload
from jobkit_sql.dialect import Dialect
from jobkit_sql.tables import in_state, jobs

__all__ = ["BORROWED", "Borrowed", "Held", "Lending", "claim_of", "key_of", "new_token"]

Borrowed: TypeAlias = tuple[int, str, int]
Held: TypeAlias = tuple[int, str, int, str]
BORROWED: Final = (jobs.c.key, jobs.c.payload, jobs.c.deliveries)
"""The columns of a row that is to be lent."""

_MAX_DIGITS: Final = 18
"""Fewer than the largest key has, so that no receipt names a number the store cannot compare."""


def key_of(text: str) -> int:
    """The key a receipt or locator names; 0, which no row has, if it is none of ours."""
    key = text.partition(".")[0]
    return int(key) if key.isdecimal() and len(key) <= _MAX_DIGITS else 0


def new_token() -> str:
    """What makes the receipts of one loan differ from those of all others."""
    return secrets.token_hex(8)


def claim_of(key: int, token: str, text: str, loans: int) -> Claim:
    """The claim to a row that was lent under this token."""
    return Claim(Payload(text), f"{key}.{token}", loans)


# By their keys, and not found by that: a planner may walk all jobs to have some in this order.
_BY_KEY: Final = jobs.c.key + literal_column("0")


class Lending:
    """What is lent to whom. A receipt is `key.token`, its token new each time a row is lent."""

    def __init__(self, dialect: Dialect) -> None:
        named = dialect.one_of(jobs.c.key, "keys")
        running = in_state(State.RUNNING)
        self._lend = (
            update(jobs)
            .where(named)
            .values(
                state=State.RUNNING.value,
                at=bindparam("now"),
                worker=bindparam("borrower"),
                receipt=bindparam("token"),
            )
        )
        self._seen = (
            select(*BORROWED, jobs.c.receipt)
            .where(running, jobs.c.worker == bindparam("borrower"))
            .order_by(_BY_KEY)
        )
        self._held = self._seen.with_for_update()
        receipts = select(jobs.c.key, jobs.c.receipt)
        self._receipts_of = receipts.where(running, jobs.c.worker == bindparam("borrower"))
        # Not by state: few running rows would tempt a planner to read them all.
        self._receipts_for = (
            receipts.where(named, jobs.c.receipt.is_not(None)).order_by(_BY_KEY).with_for_update()
        )
        self._give_back = (
            update(jobs)
            .where(named)
            .values(state=State.ENQUEUED.value, at=jobs.c.run_at, worker=None, receipt=None)
        )

    def lend(
        self,
        connection: Connection,
        rows: Sequence[Borrowed],
        worker: str,
        now: float,
        token: str | None = None,
    ) -> list[Claim]:
        """Lend the rows (columns `BORROWED`) to the worker; earlier receipts for them are void."""
        if not rows:
            return []
        token = token or new_token()
        keys = [key for key, _, _ in rows]
        parameters = {"keys": keys, "borrower": worker, "token": token, "now": now}
        connection.execute(self._lend, parameters)
        return [claim_of(key, token, text, loans) for key, text, loans in rows]

    def held(self, connection: Connection, worker: str) -> Sequence[Held]:
        """The rows (columns `BORROWED` and the token) the worker holds, oldest first.

        They stay as they are until the transaction ends.
        """
        return connection.execute(self._held, {"borrower": worker}).all()

    def seen(self, connection: Connection, worker: str) -> Sequence[Held]:
        """The same only to look: a job may be being settled in a long transaction of its own."""
        return connection.execute(self._seen, {"borrower": worker}).all()

    def receipts_of(self, connection: Connection, worker: str) -> set[str]:
        """The receipts for all the worker holds."""
        rows = connection.execute(self._receipts_of, {"borrower": worker})
        return {f"{key}.{token}" for key, token in rows}

    def receipts_for(self, connection: Connection, keys: Collection[int]) -> set[str]:
        """The valid receipts for these keys; the rows stay as they are until the transaction ends.

        Locked in the order of their keys, so that two batches never wait for each other.
        """
        rows = connection.execute(self._receipts_for, {"keys": list(keys)})
        return {f"{key}.{token}" for key, token in rows}

    def give_back(self, connection: Connection, keys: Sequence[int]) -> None:
        """To the head: a row keeps its age."""
        if keys:
            connection.execute(self._give_back, {"keys": keys})
