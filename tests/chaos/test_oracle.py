"""The oracle, on journals written by hand: what it accepts, and what it calls wrong."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.evidence import Closing, Evidence
from tests.chaos.harness import Plan, Result
from tests.chaos.journal import Entry, Journal, Reader
from tests.chaos.nemesis import Act, shuffled
from tests.chaos.oracle import violations

ONE, OTHER = 1, 2


class Tale:
    """Writes a journal: who, what, and a moment later than the line before."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.at = 0.0

    def tell(self, pid: int, word: str, *rest: Any, after: float = 0.01) -> Tale:
        self.at += after
        self.entries.append(Entry(word, self.at, pid, rest))
        return self

    def enqueued(self, kind: str = "quick") -> Tale:
        return self.tell(0, "intend", "job", kind).tell(0, "stored", "job")

    def lent(self, pid: int, receipt: str, deliveries: int = 0, attempt: int = 1) -> Tale:
        asked = self.at
        return self.tell(pid, "lend", "job", attempt, receipt, deliveries, f"h:{pid}:x", asked)

    def began(self, pid: int, attempt: int = 1) -> Tale:
        self.tell(pid, "start", "job", attempt, 7, self.at + 0.01)
        return self

    def ended(self, pid: int, began: float, attempt: int = 1) -> Tale:
        return self.tell(pid, "finish", "job", attempt, 7, began)

    def settled(self, pid: int, receipt: str, *, what: str = "done", came: str = "settled") -> Tale:
        self.tell(pid, "ask", "job", 1, receipt, what)
        return self.tell(pid, came, "job", 1, receipt, what)

    def wrong(self, **closing: Any) -> set[int]:
        final: dict[str, Any] = {
            "dead": {}, "waiting": 0, "workers": 0, "processed": 1, "drained_in": 1.0, **closing
        }  # fmt: skip
        evidence = Evidence.of(self.entries, Closing(**final), lease=1.0)
        return {each.invariant for each in violations(evidence)}

    def result(self) -> Result:
        final = Closing(dead={}, waiting=0, workers=0, processed=1, drained_in=1.0)
        return Result(Plan(), Evidence.of(self.entries, final, lease=1.0), [], 1.0)


def once(tale: Tale, pid: int, receipt: str, deliveries: int = 0) -> Tale:
    tale.lent(pid, receipt, deliveries).began(pid)
    return tale.ended(pid, tale.at).settled(pid, receipt)


def test_a_job_that_runs_once_is_fine() -> None:
    assert not once(Tale().enqueued(), ONE, "r").wrong()


def test_a_job_of_a_killed_process_may_run_again_and_is_charged() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE).tell(ONE, "act", "kill")
    assert not once(tale, OTHER, "s", deliveries=1).wrong()


def test_a_job_of_nobody_hurt_may_not() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    assert once(tale, OTHER, "s").wrong() == {3, 4}


def test_a_process_that_was_asked_to_leave_may_not_lose_its_job() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE).tell(ONE, "act", "stop")
    assert once(tale, OTHER, "s").wrong() == {3, 4}


def test_a_kill_after_the_job_was_settled_explains_nothing() -> None:
    tale = once(Tale().enqueued(), ONE, "r").tell(ONE, "act", "kill")
    tale.lent(OTHER, "s").began(OTHER)
    assert 3 in tale.wrong()


def test_a_zombie_may_end_late_when_nobody_believes_it() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    began = tale.at
    tale.tell(ONE, "act", "zombie")
    once(tale, OTHER, "s", deliveries=1).tell(ONE, "act", "resume")
    assert not tale.ended(ONE, began).settled(ONE, "r", came="stale").wrong()


def test_a_zombie_that_is_believed_finishes_twice() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    began = tale.at
    tale.tell(ONE, "act", "zombie")
    once(tale, OTHER, "s", deliveries=1).tell(ONE, "act", "resume")
    assert tale.ended(ONE, began).settled(ONE, "r").wrong() == {2}


@pytest.mark.parametrize("before", ["resume", "stop"])
def test_a_process_without_a_turn_for_a_lease_lost_it(before: str) -> None:
    """Be it about to leave, too: it beats until all its jobs have ended."""
    tale = Tale().tell(ONE, "act", "zombie").tell(ONE, "act", "resume").enqueued()
    if before == "stop":
        tale.tell(ONE, "act", "stop")
    tale.tell(ONE, "beat", "h:1:x", tale.at).lent(ONE, "r").began(ONE)
    once(tale, OTHER, "s", deliveries=1)
    assert not tale.tell(ONE, "fenced", "h:1:x", 1.5, after=1.5).wrong()


def test_one_that_starved_and_left_before_it_could_beat_again_lost_its_lease() -> None:
    tale = Tale().enqueued().tell(ONE, "beat", f"h:{ONE}:x", 0.0)
    tale.lent(ONE, "r").began(ONE)
    began = tale.at
    asked = tale.tell(OTHER, "beat", f"h:{OTHER}:x", began + 1.2, after=1.3).at
    tale.tell(OTHER, "reap", f"h:{ONE}:x", asked, 1).tell(OTHER, "took", "job", "s", f"h:{ONE}:x")
    tale.ended(ONE, began).settled(ONE, "r", came="stale")
    assert not once(tale, OTHER, "t", deliveries=1).wrong()


def test_one_that_starved_right_after_it_was_resumed_lost_its_new_lease_too() -> None:
    """It may ask for one before the nemesis has written down that it goes on."""
    tale = Tale().tell(ONE, "act", "zombie").enqueued()
    asked = tale.at
    tale.tell(ONE, "act", "resume").tell(ONE, "beat", "h:1:y", asked).lent(ONE, "r").began(ONE)
    once(tale, OTHER, "s", deliveries=1)
    assert not tale.tell(ONE, "fenced", "h:1:y", 1.5, after=1.5).wrong()


def test_a_pause_within_the_lease_is_no_starving() -> None:
    tale = Tale().enqueued().tell(ONE, "beat", "h:1:x", 0.0).lent(ONE, "r").began(ONE)
    tale.tell(ONE, "act", "pause").tell(ONE, "act", "resume", after=0.9)
    tale.tell(ONE, "beat", "h:1:x", tale.at, after=0.2)
    assert 3 in once(tale, OTHER, "s", deliveries=1).wrong()


@pytest.mark.parametrize("processed", [0, 2])
def test_the_stores_own_count_must_agree(processed: int) -> None:
    assert once(Tale().enqueued(), ONE, "r").wrong(processed=processed) == {2}


def test_an_answer_that_nobody_heard_may_count_or_not() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    tale.ended(ONE, tale.at).tell(ONE, "ask", "job", 1, "r", "done").tell(ONE, "act", "kill")
    assert not tale.wrong(processed=1)


def test_what_is_neither_done_nor_dead_is_lost() -> None:
    assert Tale().enqueued().wrong(processed=0) == {1}


def test_what_was_settled_and_never_ran_to_its_end_is_lost() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE).tell(ONE, "act", "kill")
    assert 1 in tale.settled(ONE, "r").wrong()


def test_what_was_settled_before_it_ended_is_wrong() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    began = tale.at
    assert tale.settled(ONE, "r").ended(ONE, began).wrong() == {1}


def test_an_enqueue_nobody_is_sure_of_may_make_a_job_or_none() -> None:
    unsure = Tale().tell(0, "intend", "job", "quick").tell(0, "refused", "job", "EnqueueError")
    assert not unsure.wrong(processed=0)
    assert not once(unsure, ONE, "r").wrong()


def test_what_nobody_enqueued_must_not_run() -> None:
    assert 5 in once(Tale(), ONE, "r").wrong(processed=0)


def test_a_charge_without_a_loss_is_wrong() -> None:
    assert once(Tale().enqueued(), ONE, "r", deliveries=1).wrong() == {9}


def test_a_charge_may_be_older_than_the_question_that_it_answers() -> None:
    """Who asked first and was suspended is answered last, with the job of who came between."""
    tale = Tale().enqueued()
    asked = tale.at
    tale.lent(ONE, "r").began(ONE).tell(ONE, "act", "kill")
    tale.tell(OTHER, "lend", "job", 1, "s", 1, "h:2:x", asked).began(OTHER)
    assert not tale.ended(OTHER, tale.at).settled(OTHER, "s").wrong()


def test_who_was_killed_while_it_claimed_lost_the_job_too() -> None:
    """Nobody saw it lent: only who took it from the dead one tells."""
    tale = Tale().enqueued().lent(ONE, "r").began(ONE).tell(ONE, "act", "kill")
    tale.tell(3, "act", "kill-all").tell(OTHER, "took", "job", "t", "h:3:x")
    assert not once(tale, OTHER, "s", deliveries=2).wrong()
    assert once(tale, OTHER, "u", deliveries=3).wrong() >= {9}


def test_who_released_a_job_and_runs_it_now_is_busy() -> None:
    tale = Tale().enqueued().lent(ONE, "r").settled(ONE, "r", what="release")
    began = tale.lent(ONE, "s").began(ONE).at
    tale.tell(ONE, "aim", "kill", after=0.05)
    assert tale.result().busy == 1
    tale.ended(ONE, began).settled(ONE, "s").tell(ONE, "aim", "kill")
    assert tale.result().busy == 0.5


def test_death_needs_its_reason() -> None:
    lost = {"job": (1, "jobkit.errors.WorkerLost")}
    tale = Tale().enqueued().lent(ONE, "r").began(ONE)
    tale.ended(ONE, tale.at).settled(ONE, "r", what="dead")
    assert tale.wrong(dead=lost) == {9}
    assert tale.wrong(dead={"job": (1, "ValueError")}) == {9}


def test_a_worker_that_has_just_beaten_is_alive() -> None:
    tale = Tale().tell(ONE, "beat", "h:1:x", 0.0).tell(OTHER, "reap", "h:1:x", 0.5, 3, after=0.5)
    assert tale.wrong(processed=0) == {9}


@pytest.mark.parametrize(
    ("left", "invariant"),
    [
        ({"waiting": 1}, 8),
        ({"workers": 1}, 8),
        ({"left_over": 1}, 8),
        ({"codes": [0, None]}, 8),
        ({"drained_in": float("inf")}, 10),
    ],
)
def test_nothing_may_be_left(left: dict[str, Any], invariant: int) -> None:
    assert once(Tale().enqueued(), ONE, "r").wrong(**left) == {invariant}


@pytest.mark.parametrize(
    ("acts", "code", "wrong"),
    [
        (["kill"], -9, set[int]()),
        (["stop"], 0, set[int]()),
        (["stop"], -15, set[int]()),
        (["zombie", "resume", "kill"], -9, set[int]()),
        (["stop"], 1, {8}),
        (["zombie", "resume"], 0, {8}),
        ([], -11, {8}),
    ],
)
def test_a_process_ends_as_it_was_made_to(acts: list[str], code: int, wrong: set[int]) -> None:
    tale = Tale()
    for act in acts:
        tale.tell(ONE, "act", act)
    assert tale.tell(ONE, "gone", code).wrong(processed=0) == wrong


@pytest.mark.parametrize(("asked_first", "wrong"), [(True, set()), (False, {4})])
def test_a_zombie_may_begin_late_what_it_had_asked_for_before_the_other(
    asked_first: bool, wrong: set[int]
) -> None:
    tale = Tale().enqueued()
    asked = tale.at
    tale.tell(ONE, "act", "zombie")
    tale.lent(OTHER, "new").began(OTHER)
    other_began = tale.at
    tale.tell(ONE, "act", "resume", after=1.5)
    if not asked_first:
        asked = tale.at
    tale.tell(ONE, "lend", "job", 1, "old", 0, f"h:{ONE}:x", asked).began(ONE)
    tale.ended(ONE, tale.at).settled(ONE, "old", came="stale")
    tale.ended(OTHER, other_began).settled(OTHER, "new")
    assert tale.wrong() == wrong


def test_the_story_of_a_job_names_everything_that_happened_around_it() -> None:
    tale = Tale().enqueued().lent(ONE, "r").began(ONE).tell(ONE, "act", "kill")
    tale.tell(ONE, "gone", -9).tell(OTHER, "act", "zombie")
    final = Closing(dead={}, waiting=0, workers=0, processed=0, drained_in=1.0)
    evidence = Evidence.of(tale.entries, final, lease=1.0)
    assert [each.word for each in evidence.story("job")] == [
        "intend", "stored", "lend", "start", "act", "gone",
    ]  # fmt: skip
    assert "kill" in violations(evidence)[0].told(evidence)


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write("start", "one")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'\n["start", 1.0, 7, "tw')
    journal.write("start", "three")
    journal.close()
    assert [entry.rest[0] for entry in Reader(journal.path).read()] == ["one", "three"]


def test_the_order_of_the_acts_follows_from_the_seed() -> None:
    acts = {Act.KILL: 20, Act.ZOMBIE: 5}
    order = shuffled(acts, random.Random(7))
    assert order == shuffled(acts, random.Random(7)) != shuffled(acts, random.Random(8))
    assert (order.count(Act.KILL), order.count(Act.ZOMBIE)) == (20, 5)
