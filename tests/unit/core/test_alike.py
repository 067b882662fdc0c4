"""Payloads that differ in ids and arguments alone are a sequence to whoever does not know them."""

from __future__ import annotations

from jobkit.alike import Alike
from jobkit.payload import Payload, new_id

JOBS = [
    Payload.of({"class": "app.Job", "args": [nth], "jid": new_id(), "queue": "low"})
    for nth in range(5)
]
ALIKE = Alike([each.id for each in JOBS], [each.text for each in JOBS])


def test_it_has_a_payload_for_each() -> None:
    assert len(ALIKE) == 5
    assert list(ALIKE) == JOBS
    assert [each.fields for each in ALIKE] == [each.fields for each in JOBS]


def test_each_and_some_can_be_taken() -> None:
    assert (ALIKE[0], ALIKE[-1]) == (JOBS[0], JOBS[-1])
    assert ALIKE[1:4] == JOBS[1:4]


def test_the_first_tells_of_all() -> None:
    assert (ALIKE.first, ALIKE.first.queue) == (JOBS[0], "low")
