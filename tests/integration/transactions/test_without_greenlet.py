"""A program that uses no asyncio may be without greenlet, as SQLAlchemy 2.1 installs it."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
sys.modules["greenlet"] = None  # as where it is not installed

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

import jobkit
from jobkit_inline import FakeAdapter, enqueued_jobs, use_adapter

class Note(jobkit.Job, name="note"):
    def perform(self, number: int) -> None: ...

engine = create_engine("sqlite://")
with use_adapter(FakeAdapter()), Session(engine) as session, jobkit.enqueue_in(session):
    Note.perform_later(1)
    session.commit()
    print(len(enqueued_jobs()))
try:
    jobkit.enqueue_in(engine)
except TypeError as error:
    print(error)
"""


def test_a_transaction_needs_no_greenlet_where_nothing_is_awaited() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )
    stored, refused = done.stdout.splitlines() or [done.stderr, ""]
    assert stored == "1", done.stderr
    assert "an engine has no transaction" in refused
