"""What statements read, as the server tells of each that it has executed."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import Diagnostic
from sqlalchemy import Engine, event, make_url

SETTINGS = {  # notices, by a module that comes with the server
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}


class Readings:
    """By statement the most that it read."""

    def __init__(self) -> None:
        self.most: dict[str, int] = {}

    def clear(self) -> None:
        self.most.clear()

    def beyond(self, most: int) -> dict[str, int]:
        """What read more than that, and how much."""
        return {statement: read for statement, read in self.most.items() if read > most}

    def note(self, told: Diagnostic) -> None:
        _, is_plan, text = (told.message_primary or "").partition("plan:\n")
        if is_plan:
            found = json.loads(text)
            statement = found["Query Text"]
            self.most[statement] = max(self.most.get(statement, 0), _read(found["Plan"]))


def telling(url: str, **settings: str) -> str:
    """The URL for connections on which the server tells of each plan what it took."""
    given = " ".join(f"-c {name}={value}" for name, value in {**SETTINGS, **settings}.items())
    try:
        psycopg.connect(make_url(url).set(query={}).render_as_string(False), options=given).close()
    except psycopg.Error as error:
        if "JOBKIT_TEST_POSTGRES_URL" not in os.environ:
            raise
        pytest.skip(f"somebody else's server does not tell what it reads: {error}")
    return make_url(url).update_query_dict({"options": given}).render_as_string(False)


@contextmanager
def readings() -> Generator[Readings]:
    """Of what is executed on connections that engines open meanwhile."""
    found = Readings()

    def listen(connection: psycopg.Connection, _: object) -> None:
        connection.add_notice_handler(found.note)

    event.listen(Engine, "connect", listen)
    try:
        yield found
    finally:
        event.remove(Engine, "connect", listen)


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The plan and those below it."""
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


def _read(plan: dict[str, Any]) -> int:
    """Pages, each as often as it was looked at, and pairs of rows that do not belong together."""
    pages: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return pages + round(sum(_not_joined(node) for node in nodes(plan)))


def _not_joined(node: dict[str, Any]) -> float:
    each: float = node.get("Rows Removed by Join Filter", 0)
    loops: float = node["Actual Loops"]
    return each * loops
