"""Arguments of an encrypted class: nobody without a key reads them, nobody swaps them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from cryptography.fernet import Fernet

import jobkit
from jobkit import ConfigurationError, Job, encryption, retry_on, settings
from jobkit.backends import use
from jobkit.inspection import Inspector
from jobkit.jobs import check_classes
from jobkit.outcome import Buried, Outcome, Retried, Succeeded
from jobkit.payload import Payload
from jobkit.testing import ManualClock
from jobkit_inline import FakeAdapter, InlineAdapter, assert_enqueued
from tests.unit.core.support import Life, Store, outcome_of

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRET = "4111-1111-1111-1111"


class Charge(Job, encrypt=True):
    def perform(self, card: str, day: date, *, cents: int = 0) -> object:
        return card, day, cents


class Refund(Job, encrypt=True):
    def perform(self, card: str, day: date) -> object:
        return card, day


DAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def _keys() -> Iterator[None]:
    encryption._cipher.cache_clear()
    settings.configure(encryption_keys=[NEW, OLD])
    yield
    encryption._cipher.cache_clear()


def only_key(*keys: str) -> None:
    settings.reset()
    settings.configure(encryption_keys=keys)


def failure(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, Retried)
    assert outcome.failure is not None
    return outcome.failure.error_class.rpartition(".")[2], outcome.failure.message


class TestTheStore:
    def test_holds_no_argument(self, store: Store) -> None:
        Charge.perform_later(SECRET, DAY, cents=995)
        payload = store.only
        assert (payload.args, payload.kwargs) == ([], {})
        for secret in (SECRET, "2026", "995", "cents"):
            assert secret not in payload.replace(created_at=None, enqueued_at=None, jid="").text

    def test_holds_another_text_each_time(self, store: Store) -> None:
        for _ in range(2):
            Charge.perform_later(SECRET, DAY)
        first, second = store.stored
        assert first.encrypted != second.encrypted

    def test_holds_what_a_key_can_read(self, store: Store, clock: ManualClock) -> None:
        Charge.perform_later(SECRET, DAY, cents=995)
        assert outcome_of(store.only, clock) == Succeeded((SECRET, DAY, 995))

    def test_holds_no_message_that_may_quote_them(self, clock: ManualClock) -> None:
        class Fails(Job, encrypt=True):
            def perform(self, card: str) -> None:
                raise ValueError(f"{card} was declined")

        life = Life(clock, Fails, SECRET)
        outcome = life.run(times=2)
        assert failure(outcome)[1] == f"{SECRET} was declined"  # for hooks and logs
        assert SECRET not in life.payload.text
        assert life.payload.fields["error_message"] == "[redacted]"
        assert life.payload.fields["error_class"] == "ValueError"
        assert {each["error_message"] for each in life.payload.fields["history"]} == {"[redacted]"}

    def test_is_shown_without_them(self, store: Store) -> None:
        Charge.perform_later(SECRET, DAY, cents=995)
        [info] = Inspector(store).jobs("enqueued").items
        assert (info.args, info.kwargs) == (["[encrypted]"], {})
        assert SECRET not in str(info)
        assert store.only.encrypted is not None
        assert store.only.encrypted not in str(info)


class TestKeys:
    def test_the_first_encrypts_and_all_decrypt(self, store: Store, clock: ManualClock) -> None:
        only_key(OLD)
        Charge.perform_later(SECRET, DAY)
        before = store.only
        only_key(NEW, OLD)
        assert outcome_of(before, clock) == Succeeded((SECRET, DAY, 0))
        Charge.perform_later(SECRET, DAY)
        [after] = [each for each in store.stored if each != before]
        only_key(NEW)
        assert outcome_of(after, clock) == Succeeded((SECRET, DAY, 0))

    def test_a_key_that_was_taken_away_too_early_is_a_failure_that_says_so(
        self, store: Store, clock: ManualClock
    ) -> None:
        only_key(OLD)
        Charge.perform_later(SECRET, DAY)
        only_key(NEW)
        kind, message = failure(outcome_of(store.only, clock))
        assert kind == "DeserializationError"
        assert "none of the keys of configure(encryption_keys=…) fits" in message
        assert "A key must stay in the list" in message
        assert NEW not in message

    def test_put_back_they_let_the_retry_run(self, clock: ManualClock) -> None:
        only_key(OLD)
        life = Life(clock, Charge, SECRET, DAY)
        only_key(NEW)
        life.run(times=2)
        only_key(NEW, OLD)
        assert life.run() == Succeeded((SECRET, DAY, 0))

    def test_none_is_an_error_at_the_enqueue_that_says_how_to_make_one(self, store: Store) -> None:
        only_key()
        with pytest.raises(ConfigurationError) as error:
            Charge.perform_later(SECRET, DAY)
        assert str(error.value).startswith(
            f"{__name__}.Charge encrypts its arguments and there is no key: give encryption_keys "
            "(JOBKIT_ENCRYPTION_KEYS)"
        )
        assert "Fernet.generate_key()" in str(error.value)
        assert store.stored == []

    def test_none_is_a_failure_of_the_run_that_keeps_the_job(
        self, store: Store, clock: ManualClock
    ) -> None:
        Charge.perform_later(SECRET, DAY)
        only_key()
        assert failure(outcome_of(store.only, clock))[0] == "ConfigurationError"

    def test_none_is_found_by_the_check_of_the_classes(self) -> None:
        assert not [each for each in check_classes() if "Charge" in each]
        only_key()
        assert [each for each in check_classes() if "Charge encrypts its arguments" in each]

    def test_a_missing_package_is_an_error_that_names_the_extra(
        self, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Charge.perform_later(SECRET, DAY)
        encryption._cipher.cache_clear()
        monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
        remedy = r'pip install "jobkit\[crypto\]"'
        with pytest.raises(ConfigurationError, match=remedy):
            Charge.perform_later(SECRET, DAY)
        kind, message = failure(outcome_of(store.only, clock))
        assert kind == "ConfigurationError"
        assert "jobkit[crypto]" in message


class TestSwapping:
    def test_a_token_of_another_job_is_refused(self, store: Store, clock: ManualClock) -> None:
        Charge.perform_later("mine", DAY)
        Charge.perform_later("theirs", DAY)
        mine, theirs = store.stored
        kind, message = failure(outcome_of(mine.replace(encrypted=theirs.encrypted), clock))
        assert kind == "DeserializationError"
        assert "belong to another job" in message

    def test_a_token_of_another_class_is_refused(self, store: Store, clock: ManualClock) -> None:
        Charge.perform_later("card", DAY)
        swapped = store.only.replace(**{"class": f"{__name__}.Refund"})
        assert "belong to another job" in failure(outcome_of(swapped, clock))[1]

    @pytest.mark.parametrize("token", ["", "x", "é\ud800", "gAAAAA" * 30])
    def test_a_token_that_is_none_is_refused(
        self, store: Store, clock: ManualClock, token: str
    ) -> None:
        Charge.perform_later("card", DAY)
        payload = Payload.of({**store.only.fields, "encrypted": token})
        assert failure(outcome_of(payload, clock))[0] == "DeserializationError"

    def test_a_changed_token_is_refused(self, store: Store, clock: ManualClock) -> None:
        Charge.perform_later("card", DAY)
        token = store.only.encrypted or ""
        changed = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
        assert (
            "were changed" in failure(outcome_of(store.only.replace(encrypted=changed), clock))[1]
        )

    def test_a_class_that_was_renamed_reads_what_its_former_name_stored(
        self, clock: ManualClock
    ) -> None:
        life = Life(clock, Charge, "card", DAY)

        class Renamed(Job, encrypt=True, aliases=[f"{__name__}.Charge"]):
            def perform(self, card: str, day: date) -> str:
                return card

        assert life.run() == Succeeded("card")


class TestVerbs:
    def test_perform_now_takes_the_same_way(self, store: Store) -> None:
        assert Charge.perform_now(SECRET, DAY, cents=5) == (SECRET, DAY, 5)

    def test_a_retry_of_perform_now_is_encrypted_too(self, store: Store) -> None:
        @retry_on(ValueError)
        class Fails(Job, encrypt=True):
            def perform(self, card: str) -> None:
                raise ValueError(card)

        Fails.perform_now(SECRET)
        assert store.only.encrypted
        assert SECRET not in store.only.text

    def test_bulk_is_encrypted_too(self, store: Store, clock: ManualClock) -> None:
        Charge.perform_bulk([(f"card {number}", DAY) for number in range(3)])
        outcomes = [outcome_of(each, clock) for each in store.stored]
        assert outcomes == [Succeeded((f"card {number}", DAY, 0)) for number in range(3)]

    def test_inline_and_fake_read_what_they_store(self) -> None:
        with use(InlineAdapter()):
            Charge.perform_later(SECRET, DAY)
        with use(FakeAdapter()):
            Charge.perform_later(SECRET, DAY)
            assert_enqueued(Charge, args=[SECRET, DAY])

    def test_arguments_that_cannot_be_stored_are_refused_without_being_shown(self) -> None:
        with pytest.raises(jobkit.SerializationError) as error:
            Charge.perform_later(SECRET, "no day")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert "no day" not in str(error.value)
        assert "[redacted]" in str(error.value)

    def test_what_was_stored_before_the_option_still_runs(self, clock: ManualClock) -> None:
        class Before(Job, name="Option"):
            def perform(self, a: int) -> int:
                return a

        life = Life(clock, Before, 1)

        class After(Job, name="Option", encrypt=True):
            def perform(self, a: int) -> int:
                return a

        assert life.run() == Succeeded(1)

    def test_what_was_stored_with_the_option_runs_without_it(self, clock: ManualClock) -> None:
        class Before(Job, name="Option", encrypt=True):
            def perform(self, a: int) -> int:
                return a

        life = Life(clock, Before, 1)

        class After(Job, name="Option"):
            def perform(self, a: int) -> int:
                return a

        assert life.run() == Succeeded(1)

    def test_an_older_version_is_upgraded_after_it_was_decrypted(self, clock: ManualClock) -> None:
        class Before(Job, name="Versioned", encrypt=True):
            def perform(self, a: int) -> Any: ...

        life = Life(clock, Before, 1)

        class After(Job, name="Versioned", encrypt=True, version=2):
            def perform(self, a: int, b: int) -> Any:
                return a, b

            @classmethod
            def upgrade(cls, args: list[Any], kwargs: dict[str, Any], version: int) -> Any:
                return [*args, 2], kwargs

        assert life.run() == Succeeded((1, 2))


def test_a_job_that_brought_its_workers_down_is_buried_without_a_key(clock: ManualClock) -> None:
    from jobkit.execution import buried
    from jobkit.jobs import run_of

    life = Life(clock, Charge, SECRET, DAY)
    only_key()
    assert isinstance(buried(run_of(life.payload), RuntimeError(), clock.time()), Buried)


def test_importing_jobkit_does_not_load_cryptography() -> None:
    import subprocess

    code = "import sys, jobkit; jobkit.Job; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
