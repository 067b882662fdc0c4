"""Taking part in transactions of the application's, on connections of its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Engine, RootTransaction

from jobkit_sql.store import Store

__all__ = ["Joining"]


class Joining:
    """Tells which connections lead to the store, and makes them fit for its statements.

    Nothing is begun, committed or rolled back here: that is the application's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shared: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()
        self._has_schema = False
        self._altered: WeakSet[RootTransaction] = WeakSet()

    def shares(self, connection: Connection) -> bool:
        """See `SupportsTransactions.shares`. Asked once an engine."""
        known = self._shared.get(connection.engine)
        if known is None:
            with self._store.explained():
                known = self._store.dialect.leads_here(connection, self._store.reading)
            self._shared[connection.engine] = known
        return known

    @contextmanager
    def inside(self, connection: Connection) -> Generator[None]:
        """For statements on the connection: the schema is there, errors leave as `AdapterError`."""
        dialect = self._store.dialect
        with (
            self._store.explained(),
            _in_schema(connection, dialect.schema),
            dialect.naming.ruling(connection),
        ):
            self._fit(connection)
            yield

    def _fit(self, connection: Connection) -> None:
        if self._has_schema or self._store.is_ready:
            return
        schema = self._store.schema
        version = schema.version(connection)
        if version < schema.latest and self._store.dialect.embedded:
            # A savepoint makes one transaction of it even where the driver has begun none.
            with connection.begin_nested():
                schema.upgrade(connection)
                version = schema.version(connection)
            if (root := connection.get_transaction()) is not None:
                self._altered.add(root)
        self._store.demand(version)
        # What was made in a transaction that goes on may vanish with it.
        self._has_schema = connection.get_transaction() not in self._altered


@contextmanager
def _in_schema(connection: Connection, schema: str | None) -> Generator[None]:
    """Jobkit's tables are where they are, wherever the application has its own translated to."""
    before = connection.get_execution_options().get("schema_translate_map")
    ours = None if schema is None else {None: schema}
    if before == ours:
        yield
        return
    connection.execution_options(schema_translate_map=ours)
    try:
        yield
    finally:
        connection.execution_options(schema_translate_map=before)
