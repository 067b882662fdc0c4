"""Preserving: text comes out of the store as it went in, byte for byte, whatever its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobkit.adapter import Ack, Adapter, Bury, Checkpoint, Release, Requeue, State
from jobkit.capabilities import SupportsInspect
from jobkit.payload import Payload, new_id
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import (
    claim,
    claim_one,
    enqueue,
    payload,
    promote,
    unstamped,
)

__all__ = ["Preserving"]

_LARGEST: Final = 1024 * 1024
_QUOTES: Final = "'; DROP TABLE jobs; -- \\ \" ` $1 %s %(x)s :name ? {0} \x1b[0m"
_FLOATS: Final = [-0.0, 1e-300, 5e-324, 0.1 + 0.2, 1.7976931348623157e308]
_EMPTY: Final[list[Any]] = [None, False, 0, "", [], {}, [[]], [{}], {"": {}}]
_SPACED: Final = '  {"jid" :\t"JID",\r\n "class": "contract.Job" , "args":[ 1,2 ]}\n'


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = {"a": [value, {}]}
    return value


def _args(*args: Any, **fields: Any) -> Callable[[str], Payload]:
    """Text as the core writes it."""
    return lambda jid: Payload(payload(jid=jid, args=args, **fields).text)


def _raw(members: str) -> Callable[[str], Payload]:
    """Text as nobody here would write it."""
    head = '{"jid":"JID","class":"contract.Job","queue":"default",'
    return lambda jid: Payload((head + members + "}").replace("JID", jid))


TEXTS: Final[dict[str, Callable[[str], Payload]]] = {
    "latin": _args("Grüße, Ça va? ½ ÿ"),
    "four bytes": _args("🦆🏳️‍🌈 \U0001d54f \U0010ffff"),
    "right to left": _args(
        "\u202b\u05e9\u05dc\u05d5\u05dd \u202e\u0645\u0631\u062d\u0628\u0627\u202c"
    ),
    "composed and not": _args("\u00e9", "e\u0301", "\ufb01", "\ufeff"),
    "line ends": _args("a\u2028b\u2029c\u0085d\re\nf\tg\u007f"),
    "quotes": _args(_QUOTES),
    "large numbers": _args(2**53 + 1, 2**63, 2**70, -(2**70)),
    "small numbers": _args(*_FLOATS),
    "empty values": _args(*_EMPTY),
    "no arguments": _args(kwargs={}, tags=[]),
    "order of keys": _args({"b": 1, "a": 2, "B": 3, "10": 4, "9": 5}),
    "deep": _args(_nested(60)),
    "dunder names": _args({"__proto__": 1, "__class__": "os.system", "$ref": "#"}),
    "unknown fields": _args(1, future={"x": [1, {}]}, Zukunft="ü", _private=0),
    "spacing": lambda jid: Payload(_SPACED.replace("JID", jid)),
    "escapes": _raw(r'"args":["\u00e9\u0000\/\ud83e\udd86\ud800","\u003c\u2028"]'),
    "numbers as written": _raw('"args":[1.0,1.50,1E5,1e+2,-0,100000000000000000000.10]'),
    "the same key twice": _raw('"args":[{"a":1,"a":2}],"twice":1,"twice":2'),
}

_VALUES: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("aé🦆"), inner, max_size=4),
    max_leaves=10,
)


class Preserving:
    """Every way a text can take."""

    @pytest.fixture(params=[*TEXTS.values()], ids=[*TEXTS])
    def written(self, request: pytest.FixtureRequest) -> Payload:
        """A hard text."""
        made: Payload = request.param(new_id())
        return made

    def test_through_a_claim_and_a_release(
        self, adapter: Adapter, worker: str, other: str, written: Payload
    ) -> None:
        adapter.enqueue([written])
        held = claim_one(adapter, worker)
        assert held.payload.text == written.text
        adapter.settle([Release(held)])
        assert claim_one(adapter, other).payload.text == written.text

    def test_through_a_wait(
        self, adapter: Adapter, clock: ManualClock, worker: str, written: Payload
    ) -> None:
        scheduled = written.replace(scheduled_at=clock.time() + 1)
        adapter.enqueue([scheduled])
        clock.advance(1)
        promote(adapter)
        assert unstamped(claim_one(adapter, worker).payload) == unstamped(scheduled)

    def test_through_a_requeue(self, adapter: Adapter, worker: str, written: Payload) -> None:
        enqueue(adapter, jid=written.id)
        held = claim_one(adapter, worker)
        adapter.settle([Requeue(held, written, State.ENQUEUED)])
        assert claim_one(adapter, worker).payload.text == written.text

    def test_through_a_checkpoint_and_a_recovery(
        self, adapter: Adapter, worker: str, other: str, written: Payload
    ) -> None:
        enqueue(adapter, jid=written.id)
        held = claim_one(adapter, worker)
        adapter.settle([Checkpoint(held, written)])
        (recovered,) = adapter.recover(worker, to=other)
        assert recovered.payload.text == written.text

    def test_into_the_dead_set(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str, written: Payload
    ) -> None:
        enqueue(adapter, jid=written.id)
        held = claim_one(adapter, worker)
        adapter.settle([Bury(held, written)])
        (dead,) = inspector.jobs(State.DEAD).items
        assert dead.payload.text == written.text

    def test_text_that_is_no_job_into_the_dead_set(
        self, adapter: Adapter, inspector: SupportsInspect, worker: str
    ) -> None:
        enqueue(adapter)
        adapter.settle([Bury(claim_one(adapter, worker), Payload('{"class": "cut o'))])
        (dead,) = inspector.jobs(State.DEAD).items
        assert dead.payload.text == '{"class": "cut o'

    def test_as_large_as_the_adapter_allows(self, adapter: Adapter, worker: str) -> None:
        largest = min(_LARGEST, adapter.features.max_payload or _LARGEST)
        empty = payload(args=[""])
        room = largest - len(empty.text.encode())
        large = empty.replace(args=["é" * (room // 2) + "x" * (room % 2)])
        assert len(large.text.encode()) == largest
        adapter.enqueue([large])
        assert claim_one(adapter, worker).payload.text == large.text

    def test_whatever_json_there_is(self, adapter: Adapter, worker: str) -> None:
        @settings(
            max_examples=50,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(_VALUES, max_size=5))
        def comes_back(values: list[Any]) -> None:
            jobs = [payload(args=[value]) for value in values]
            adapter.enqueue(jobs)
            claims = claim(adapter, worker)
            adapter.settle([Ack(each) for each in claims])
            assert [each.payload.text for each in claims] == [job.text for job in jobs]

        comes_back()
