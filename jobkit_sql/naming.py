"""What jobkit's tables are called: a prefix of one's own in the place of `jobkit_`.

Statements and migrations are written with `jobkit_`. Where the prefix is another one, their text
is changed when they are executed, so that statements stay constants and whoever has the usual
prefix pays nothing.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from jobkit.errors import ConfigurationError
from jobkit_sql.tables import metadata

__all__ = ["USUAL", "Naming"]

_USUAL_PREFIX: Final = "jobkit_"
_TABLES: Final = tuple(name.removeprefix(_USUAL_PREFIX) for name in metadata.tables)
# Tables, and the indexes of theirs. Nothing else is taken for a name: schemas may begin alike.
_NAMES: Final = re.compile(rf"(?<![a-z0-9_]){_USUAL_PREFIX}(?=(?:{'|'.join(_TABLES)})(?![a-z0-9]))")
_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_KEPT: Final = 512
"""Texts of statements whose changed form is remembered."""


class Naming:
    """The names behind one prefix. Raises ConfigurationError for one that cannot be used."""

    def __init__(self, prefix: str = _USUAL_PREFIX) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                f"prefix={prefix[:80]!a} is no beginning of a table's name: use small letters,"
                " digits and _, at most 32"
            )
        # Read again, a name must stay as it is; nor may it be that of another prefix's index.
        if prefix != _USUAL_PREFIX and _NAMES.search(f"{prefix}jobs"):
            raise ConfigurationError(f"prefix={prefix!a} is the name of a table of jobkit's")
        self.prefix = prefix
        self.is_usual = prefix == _USUAL_PREFIX
        self._changed = lru_cache(_KEPT)(lambda text: _NAMES.sub(prefix, text))

    @property
    def tables(self) -> frozenset[str]:
        """The names of all tables."""
        return frozenset(self(name) for name in metadata.tables)

    def __call__(self, text: str) -> str:
        """A name, or the text of statements, with the prefix."""
        return text if self.is_usual else self._changed(text)

    def rule(self, engine: Engine) -> None:
        """Have every statement of the engine use the names."""
        if not self.is_usual:
            event.listen(engine, "before_cursor_execute", self._renamed, retval=True)

    @contextmanager
    def ruling(self, connection: Connection) -> Generator[None]:
        """Have the statements of the block use the names, on a connection of somebody else's."""
        if self.is_usual:
            yield
            return
        event.listen(connection, "before_cursor_execute", self._renamed, retval=True)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", self._renamed)

    def _renamed(
        self, _: Connection, __: object, statement: str, parameters: Any, *___: object
    ) -> tuple[str, Any]:
        return self._changed(statement), parameters


USUAL: Final = Naming()
"""The names as they are written."""
