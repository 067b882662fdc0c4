"""The store works, and will not keep what some jobs became."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from jobkit import Job, events
from jobkit.adapter import Ack, Bury, Claim, Release, Settlement, State
from jobkit.errors import SettlementRefused
from jobkit.payload import Payload
from jobkit_inline import MemoryAdapter
from tests.unit.worker.conftest import StartWorker
from tests.unit.worker.helpers import until

pytestmark = pytest.mark.usefixtures("unhurried")

BAD = "bad"


class Plain(Job):
    def perform(self, name: str) -> None:
        pass


class Refusing(MemoryAdapter):
    """Refuses the settlements that `refuses` names, and applies all others."""

    def __init__(self, refuses: Callable[[Settlement], bool]) -> None:
        super().__init__()
        self._refuses = refuses
        self.tried: list[type[Settlement]] = []

    def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
        self.tried.extend(type(each) for each in settlements if is_bad(each))
        refused = [each for each in settlements if self._refuses(each)]
        stale = super().settle([each for each in settlements if each not in refused])
        if not refused:
            return stale
        raise SettlementRefused("it quotes \0 itself", refused=refused, stale=stale)


def is_bad(settlement: Settlement) -> bool:
    return settlement.claim.payload.args == [BAD]


def put(store: MemoryAdapter, *names: str) -> None:
    plain = {"class": Plain._name, "queue": "default"}
    store.enqueue([Payload.of({"args": [name], "jid": name, **plain}) for name in names])


def test_a_job_whose_outcome_is_refused_is_buried_as_it_was_claimed(
    start_worker: StartWorker,
) -> None:
    store = Refusing(lambda each: is_bad(each) and isinstance(each, Ack))
    put(store, "one", BAD, "two")
    worker = start_worker(store)
    until(lambda: not worker.desk.held and store.stats().dead == 1)
    [dead] = store.find([BAD])
    assert dead.state is State.DEAD
    assert dead.payload.args == [BAD]
    assert dead.payload.fields["error_class"].endswith("SettlementRefused")
    assert "\0" not in dead.payload.fields["error_message"]
    assert store.stats().enqueued == 0
    assert store.tried == [Ack, Bury]


def test_one_that_cannot_be_buried_either_is_released_and_loudly_so(
    start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    store = Refusing(lambda each: is_bad(each) and not isinstance(each, Release))
    put(store, BAD)
    worker = start_worker(store, max_jobs=1)
    assert worker.next_message() == "done"
    assert store.tried == [Ack, Bury, Release]
    assert store.stats().enqueued == 1
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)


def test_one_that_the_store_refuses_in_every_form_holds_up_nothing(
    start_worker: StartWorker,
) -> None:
    store = Refusing(is_bad)
    put(store, BAD)
    worker = start_worker(store)
    until(lambda: store.tried == [Ack, Bury, Release] and not worker.desk.held)
    assert not worker._settler.behind
    put(store, "next")
    until(lambda: store.stats().processed == 1)
    assert store.tried == [Ack, Bury, Release]


def test_what_was_lost_beside_a_refusal_is_reported(start_worker: StartWorker) -> None:
    class Losing(Refusing):
        def settle(self, settlements: Sequence[Settlement]) -> list[Claim]:
            try:
                return super().settle(settlements)
            except SettlementRefused as error:
                lost = error.refused[0].claim
                raise SettlementRefused("", refused=error.refused, stale=[lost]) from None

    heard: list[str] = []

    def listen(event: events.Event) -> None:
        heard.append(event.name)

    store = Losing(lambda each: is_bad(each) and isinstance(each, Ack))
    put(store, BAD)
    events.subscribe(listen)
    try:
        start_worker(store)
        until(lambda: "claim_lost" in heard)
    finally:
        events.unsubscribe(listen)
