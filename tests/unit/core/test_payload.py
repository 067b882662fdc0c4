from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from types import MemberDescriptorType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import Job
from jobkit.errors import PayloadError
from jobkit.outcome import Buried, Retried
from jobkit.payload import Payload, dumps, new_id
from jobkit.testing import ManualClock
from tests.unit.core.support import Life, raising

READERS = [
    name
    for name, member in vars(Payload).items()
    if isinstance(member, (property, MemberDescriptorType))
]

FIELDS = [
    *("class", "jid", "args", "kwargs", "queue", "priority", "retry", "timeout", "tags"),
    *("created_at", "enqueued_at", "scheduled_at", "expires_at", "failed_at"),
    *("executions", "exception_executions", "retry_count", "deliveries"),
]

SIDEKIQ_7 = """{"retry":true,"queue":"default","class":"HardJob","args":["bob",5],
"jid":"b4a577edbccf1d805744efa9","created_at":1700000000.25,"enqueued_at":1700000000.5,
"cattr":{"request_id":"x"}}"""

SIDEKIQ_8 = """{"retry":5,"queue":"low","class":"HardJob","args":[],
"jid":"b4a577edbccf1d805744efa9","created_at":1700000000250,"enqueued_at":1700000000500,
"retry_count":3,"failed_at":1700000001000,"retried_at":1700000002000,
"error_class":"RuntimeError","error_message":"oops"}"""


def read_everything(payload: Payload) -> dict[str, Any]:
    return {name: getattr(payload, name) for name in READERS}


class TestReading:
    def test_text_is_not_parsed_before_it_is_read(self) -> None:
        payload = Payload("no JSON at all")
        assert payload.text == "no JSON at all"
        with pytest.raises(PayloadError, match="not JSON"):
            payload.fields  # noqa: B018 - reading is the test

    @pytest.mark.behaviour("B9")
    def test_what_is_missing_has_a_default(self) -> None:
        payload = Payload('{"class":"A"}')
        assert read_everything(payload) == {
            "text": '{"class":"A"}',
            "fields": {"class": "A"},
            "id": "",
            "job_class": "A",
            "args": [],
            "kwargs": {},
            "queue": "default",
            "priority": 0,
            "retry": True,
            "created_at": None,
            "enqueued_at": None,
            "scheduled_at": None,
            "expires_at": None,
            "failed_at": None,
            "timeout": None,
            "executions": 0,
            "exception_executions": {},
            "retry_count": None,
            "deliveries": 0,
            "tags": (),
            "version": 1,
            "encrypted": None,
            "redact": False,
            "context": {},
        }

    def test_a_payload_without_a_class_is_malformed(self) -> None:
        with pytest.raises(PayloadError, match="'class' is null, not text"):
            Payload("{}").job_class  # noqa: B018

    @pytest.mark.behaviour("B9")
    def test_sidekiq_7_writes_seconds(self) -> None:
        payload = Payload(SIDEKIQ_7)
        assert (payload.created_at, payload.enqueued_at) == (1_700_000_000.25, 1_700_000_000.5)
        assert (payload.id, payload.args) == ("b4a577edbccf1d805744efa9", ["bob", 5])
        assert (payload.executions, payload.retry_count) == (0, None)

    @pytest.mark.behaviour("B9")
    def test_sidekiq_8_writes_milliseconds(self) -> None:
        payload = Payload(SIDEKIQ_8)
        assert (payload.created_at, payload.enqueued_at) == (1_700_000_000.25, 1_700_000_000.5)
        assert payload.failed_at == 1_700_000_001
        assert (payload.retry, payload.retry_count, payload.queue) == (5, 3, "low")

    @pytest.mark.parametrize("text", [SIDEKIQ_7, SIDEKIQ_8])
    def test_a_job_of_sidekiqs_runs_and_keeps_what_jobkit_does_not_know(
        self, clock: ManualClock, text: str
    ) -> None:
        class HardJob(Job, name="HardJob"):
            def perform(self, *args: Any) -> list[Any]:
                raise ValueError(f"{len(args)} arguments")

        before = Payload(text)
        life = Life(clock, HardJob)
        life.payload = before
        assert isinstance(life.run(), Retried)
        assert life.payload.executions == 1
        changed = {"retry_count", "error_class", "error_message", "error_backtrace", "history"}
        changed |= {"executions", "scheduled_at", "failed_at", "retried_at"}
        kept = {name: value for name, value in before.fields.items() if name not in changed}
        assert kept.items() <= life.payload.fields.items()

    def test_sidekiqs_counters_are_gone_on_with(self, clock: ManualClock, no_jitter: None) -> None:
        life = Life(clock, raising(ValueError("again")))
        sidekiqs = Payload(SIDEKIQ_8).replace(**{"class": life.payload.job_class})
        life.payload = sidekiqs
        outcome = life.run()
        assert isinstance(outcome, Retried)
        assert outcome.delay == 4**4 + 15  # the fifth failure: retry_count was 3
        assert life.payload.retry_count == 4
        assert life.payload.failed_at == 1_700_000_001
        assert '"failed_at":1700000001000' in life.payload.text  # as Sidekiq wrote it
        assert life.payload.fields["retried_at"] == 1_700_000_000.0
        assert isinstance(life.run(), Buried)

    @pytest.mark.parametrize("failed_at", ["1700000000000", "1700000000.0"])
    def test_the_age_of_a_failure_is_read_in_both_encodings(
        self, clock: ManualClock, failed_at: str
    ) -> None:
        class Brief(Job, retry_for=60):
            def perform(self) -> None:
                raise ValueError

        for wait, ended in ((59, Retried), (60, Buried)):
            life = Life(clock, Brief)
            text = f'{{"class":"{life.payload.job_class}","retry_count":0,"failed_at":{failed_at}}}'
            life.payload = Payload(text)
            clock.step(1_700_000_000 + wait - clock.time())
            assert isinstance(life.run(), ended)

    def test_tags_that_are_no_text_are_passed_over(self) -> None:
        assert Payload('{"tags":["a",1,null,"b"]}').tags == ("a", "b")
        assert Payload('{"tags":"a"}').tags == ()

    def test_whole_numbers_beyond_53_bits_survive(self) -> None:
        assert Payload(dumps({"args": [2**63 + 1]})).args == [2**63 + 1]

    def test_payloads_with_the_same_text_are_equal(self) -> None:
        assert Payload('{"a":1}') == Payload.of({"a": 1})
        assert hash(Payload('{"a":1}')) == hash(Payload.of({"a": 1}))
        assert Payload('{"a":1}') != Payload('{"a": 1}')
        assert Payload("{}") != "{}"

    def test_the_repr_is_cut(self) -> None:
        assert len(repr(Payload("x" * 10_000))) < 300


class TestMalformed:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "null",
            "[]",
            "5",
            '"text"',
            "{",
            '{"class":"A"',
            '{"class":"A"}x',
            '{"class":"A",}',
            '{"class" "A"}',
            '{"class":"A" "jid":"x"}',
            "{'class':'A'}",
            '{x"class":"A"}',
            '\ufeff{"class":"A"}',
            '{"class":"A","args":' + "[" * 100_000 + "]" * 100_000 + "}",
            '{"args":[' + "9" * 5_000 + "]}",
            '{"class":"\x01\n"}',
        ],
        ids=lambda text: ascii(text)[:20],
    )
    def test_text_that_is_no_object_is_a_payload_error_to_read_and_to_change(
        self, text: str
    ) -> None:
        with pytest.raises(PayloadError):
            Payload(text).fields  # noqa: B018
        with pytest.raises(PayloadError):
            Payload(text).replace(queue="low")

    @pytest.mark.parametrize(
        ("reader", "field", "value"),
        [
            ("id", "jid", 5),
            ("job_class", "class", ["A"]),
            ("args", "args", {"a": 1}),
            ("args", "args", None),
            ("kwargs", "kwargs", [1]),
            ("queue", "queue", None),
            ("priority", "priority", "high"),
            ("priority", "priority", True),
            ("priority", "priority", 1.0),
            ("executions", "executions", "1"),
            ("retry_count", "retry_count", []),
            ("deliveries", "deliveries", {}),
            ("timeout", "timeout", "60"),
            ("timeout", "timeout", 10**400),
            ("created_at", "created_at", "now"),
            ("enqueued_at", "enqueued_at", True),
            ("scheduled_at", "scheduled_at", 10**400),
            ("scheduled_at", "scheduled_at", 1e300),
            ("expires_at", "expires_at", [1]),
            ("failed_at", "failed_at", {}),
            ("exception_executions", "exception_executions", {"a": "1"}),
            ("exception_executions", "exception_executions", [1]),
        ],
    )
    def test_a_field_of_the_wrong_shape_is_named(
        self, reader: str, field: str, value: object
    ) -> None:
        with pytest.raises(PayloadError, match=f"'{field}'"):
            getattr(Payload(json.dumps({field: value})), reader)

    @pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN"])
    def test_a_moment_outside_of_the_calendar_is_malformed(self, text: str) -> None:
        with pytest.raises(PayloadError, match="no moment"):
            Payload(f'{{"scheduled_at":{text}}}').scheduled_at  # noqa: B018

    @given(st.text())
    def test_no_text_raises_anything_else(self, text: str) -> None:
        for read in (read_everything, lambda payload: payload.replace(queue="x")):
            with contextlib.suppress(PayloadError):
                read(Payload(text))

    @given(st.data())
    def test_nor_does_text_with_a_fault_in_it(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(SIDEKIQ_8)))
        put = data.draw(st.sampled_from(["", "{", "}", "[", "]", '"', ":", ",", "\\", "1", "-"]))
        text = SIDEKIQ_8[:at] + put + SIDEKIQ_8[at + data.draw(st.integers(0, 2)) :]
        with contextlib.suppress(PayloadError):
            read_everything(Payload(text))
        with contextlib.suppress(PayloadError):
            assert Payload(text).replace(queue="x").queue == "x"

    @given(
        st.dictionaries(
            st.sampled_from(FIELDS),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
        )
    )
    def test_no_object_raises_anything_else(self, fields: dict[str, object]) -> None:
        text = json.dumps(fields)
        for name in READERS:
            with contextlib.suppress(PayloadError):
                getattr(Payload(text), name)


class TestReplacing:
    def test_a_changed_field_is_read_back(self) -> None:
        assert Payload('{"queue":"a","jid":"x"}').replace(queue="b").queue == "b"

    def test_the_original_is_left_alone(self) -> None:
        payload = Payload('{"queue":"a"}')
        payload.replace(queue="b")
        assert payload.queue == "a"

    def test_none_removes_a_field(self) -> None:
        assert Payload('{"queue":"a","jid":"x"}').replace(queue=None).text == '{"jid":"x"}'

    def test_removing_what_is_not_there_changes_nothing(self) -> None:
        assert Payload('{"jid":"x"}').replace(queue=None).text == '{"jid":"x"}'

    def test_an_empty_object_takes_fields(self) -> None:
        assert Payload(" { } ").replace(queue="a").text == '{"queue":"a"}'

    @pytest.mark.behaviour("B6")
    @pytest.mark.parametrize(
        "member",
        [
            r'"args":[1,  2 ,"\u0041\/"]',
            r'"kwargs":{"a" : {"b":[ ]}, "a":2}',
            '"huge":1e400',
            '"tiny":1E-400',
            '"exact":1.0000000000000000000000001',
            '"long":123456789012345678901234567890',
            '"unknown":{"x":null}',
            r'"\u006eame":"escaped"',
            r'"lone\ud800":"\udfff"',
            '"spaced"  :\t"value"',
            '"":""',
            '"nan":NaN',
            '"é":"ü"',
        ],
    )
    def test_every_other_field_keeps_its_text(self, member: str) -> None:
        changed = Payload(f'{{ "queue":"a" ,\n{member} }}').replace(queue="b", jid="x")
        assert changed.text == f'{{"queue":"b",{member},"jid":"x"}}'

    def test_of_equal_names_the_last_counts(self) -> None:
        payload = Payload('{"queue":"a","args":[1],"queue":"b","args":[2]}')
        assert payload.queue == "b"
        assert payload.replace(jid="x").text == '{"queue":"b","args":[2],"jid":"x"}'

    @given(
        st.dictionaries(
            st.text(st.characters(codec="utf-8")),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=8,
            ),
        ),
        st.sampled_from([None, 1, 2]),
        st.booleans(),
    )
    def test_what_is_not_changed_means_the_same(
        self, fields: dict[str, object], indent: int | None, ensure_ascii: bool
    ) -> None:
        text = json.dumps(fields, indent=indent, ensure_ascii=ensure_ascii)
        changed = Payload(text).replace(queue="low")
        assert changed.fields == {**fields, "queue": "low"}
        assert json.loads(changed.text) == changed.fields


class TestWriting:
    def test_fields_that_are_none_are_left_out(self) -> None:
        assert Payload.of({"class": "A", "kwargs": None}).text == '{"class":"A"}'

    def test_text_is_compact_and_keeps_every_character(self) -> None:
        assert Payload.of({"args": ["é", 1]}).text == '{"args":["é",1]}'

    @pytest.mark.parametrize("name", ["created_at", "scheduled_at", "expires_at", "retried_at"])
    def test_moments_always_have_a_decimal_point(self, name: str) -> None:
        assert Payload.of({name: 1_800_000_000}).text == f'{{"{name}":1800000000.0}}'
        assert Payload("{}").replace(**{name: 5}).text == f'{{"{name}":5.0}}'

    def test_a_moment_comes_back_as_it_was(self) -> None:
        moment = datetime(2030, 1, 2, 3, 4, 5, 678901, UTC).timestamp()
        assert Payload(Payload.of({"scheduled_at": moment}).text).scheduled_at == moment


class TestIds:
    def test_an_id_is_32_hex_digits(self) -> None:
        assert len(new_id()) == 32
        assert int(new_id(), 16)

    def test_ids_sort_by_the_time_they_were_made(self) -> None:
        ids = [new_id() for _ in range(10_000)]
        assert ids == sorted(ids)

    def test_ids_are_never_equal(self) -> None:
        assert len({new_id() for _ in range(10_000)}) == 10_000
