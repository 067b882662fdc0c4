"""The pytest plugin of a collection: writes down which tests prove which behaviours."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.behaviours.contract import IN_CONTRACT
from tests.behaviours.proof import ANSWER, proofs_of


def pytest_collection_finish(session: pytest.Session) -> None:
    proofs = proofs_of(session.items, IN_CONTRACT)
    Path(os.environ[ANSWER]).write_text(json.dumps([asdict(each) for each in proofs]), "utf-8")
