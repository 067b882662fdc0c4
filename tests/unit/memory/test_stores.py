"""Which memory adapters share a store."""

import pytest

from jobkit.adapter import Retention, State
from jobkit.errors import ConfigurationError
from jobkit.payload import Payload, new_id
from jobkit.testing import ManualClock
from jobkit_inline import MemoryAdapter


@pytest.fixture
def job() -> Payload:
    return Payload.of({"class": "J", "args": [], "jid": new_id()})


@pytest.fixture
def url() -> str:
    return f"memory://{new_id()}"


def test_the_same_url_is_the_same_store(url: str, job: Payload) -> None:
    MemoryAdapter.from_url(url).enqueue([job])
    (found,) = MemoryAdapter.from_url(url).find([job.id])
    assert found.payload == job


def test_another_name_is_another_store(url: str, job: Payload) -> None:
    MemoryAdapter.from_url(url).enqueue([job])
    assert MemoryAdapter.from_url(f"{url}-other").find([job.id]) == []
    assert MemoryAdapter.from_url("memory://").find([job.id]) == []


def test_no_name_is_a_name(job: Payload) -> None:
    nameless = MemoryAdapter.from_url("memory://")
    nameless.enqueue([job])
    assert len(MemoryAdapter.from_url("memory://").find([job.id])) == 1
    nameless.delete(nameless.find([job.id]))


def test_a_path_is_part_of_the_name(url: str, job: Payload) -> None:
    MemoryAdapter.from_url(f"{url}/a").enqueue([job])
    assert MemoryAdapter.from_url(f"{url}/b").find([job.id]) == []
    assert len(MemoryAdapter.from_url(f"{url}/a").find([job.id])) == 1


def test_the_store_outlives_its_adapters(url: str, job: Payload) -> None:
    adapter = MemoryAdapter.from_url(url)
    adapter.enqueue([job])
    adapter.close()
    del adapter
    assert len(MemoryAdapter.from_url(url).find([job.id])) == 1


def test_an_adapter_made_by_hand_has_a_store_of_its_own(job: Payload) -> None:
    MemoryAdapter().enqueue([job])
    assert MemoryAdapter().find([job.id]) == []


def test_clock_and_retention_are_the_adapters_own(url: str, job: Payload) -> None:
    clock = ManualClock(start=5_000.0)
    retention = Retention(dead_max=0)
    adapter = MemoryAdapter.from_url(url, clock=clock, retention=retention)
    adapter.enqueue([job])
    (found,) = MemoryAdapter.from_url(url).find([job.id])
    assert (found.state, found.at) == (State.ENQUEUED, 5_000.0)


@pytest.mark.parametrize("url", ["memory://a?namespace=b", "memory://a#b"])
def test_options_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="memory://NAME"):
        MemoryAdapter.from_url(url)


def test_the_same_id_twice_is_one_job(job: Payload) -> None:
    adapter = MemoryAdapter()
    adapter.enqueue([job, job])
    adapter.enqueue([job.replace(args=["other"])])
    assert [each.payload for each in adapter.jobs(State.ENQUEUED).items] == [job]


def test_jobs_without_an_id_are_as_many_jobs() -> None:
    adapter = MemoryAdapter()
    foreign = Payload('{"class":"Foreign","args":[1]}')
    adapter.enqueue([foreign, foreign])
    adapter.beat("worker", lease=30.0, claims=[], register=True)
    claims = adapter.claim(["default"], limit=10, worker="worker")
    assert [claim.payload.text for claim in claims] == [foreign.text] * 2


def test_nobody_recovers_himself() -> None:
    adapter = MemoryAdapter()
    adapter.beat("worker", lease=30.0, claims=[], register=True)
    assert adapter.recover("worker", to="worker") == []
    assert adapter.beat("worker", lease=30.0, claims=[]).registered
