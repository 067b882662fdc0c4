"""The behaviours that are offered: a code and a sentence each, in groups.

A test names those it proves by the marker `behaviour("A1", "C3")`; a test of the contract suite,
which travels without our markers, is named in `tests/behaviours/contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["AWAITED", "COMPLETE", "GROUPS", "SENTENCES", "Group"]


@dataclass(frozen=True, slots=True)
class Group:
    """Behaviours of one part, by code."""

    letter: str
    title: str
    sentences: Mapping[str, str]


COMPLETE: Final = frozenset("ABCDHIJKL")
"""The groups of which every behaviour must have a test."""

AWAITED: Final[Mapping[str, str]] = MappingProxyType({})
"""Behaviours of complete groups that have no test yet, and why."""

GROUPS: Final = (
    Group(
        "A",
        "Jobs and enqueueing",
        {
            "A1": "Running a job in place gives what `perform` returned.",
            "A2": "Enqueueing gives the job itself: its id, its arguments and, if it is delayed, "
            "the time it is due.",
            "A3": "A store that cannot be reached raises `EnqueueError` and the job does not "
            "pretend to be stored; every other error reaches the caller as it is.",
            "A6": "An abort before the enqueue gives back a job that was not stored and skips what "
            "would follow; an abort before the run skips the body, and the job counts as done.",
            "A7": "Callbacks run before, around in, body, around out, after, and the value that "
            "`perform` returned passes through them.",
            "A8": "Many jobs of mixed classes go to each backend together, each with its own "
            "delay and its own verdict; one event is told and no enqueue callback runs.",
            "A9": "The queue is a name, a callable of the job, or what the call says, which wins.",
            "A10": "The priority is 0 unless class or call give another whole number.",
            "A11": "Options given through `set` hold for that call and never for the class.",
            "A12": "A class may use another backend while its parent keeps its own.",
            "A13": "Jobs enqueued inside a transaction share its fate: a commit stores them, a "
            "rollback drops them, and their callbacks fire when they are really stored.",
            "A15": "Every enqueue and every run is told once, with its job and adapter; an aborted "
            "enqueue says so, and a failure is told with its error.",
        },
    ),
    Group(
        "B",
        "Arguments and payloads",
        {
            "B1": "Every value that can be stored comes back equal and of the same type.",
            "B2": "Keys that are not text are refused unless the annotation says what they are.",
            "B3": "A value that cannot be stored raises at the enqueue, naming its class, and "
            "nothing is stored.",
            "B4": "A record that is gone raises `RecordNotFound`; whatever else cannot be loaded "
            "raises `DeserializationError`.",
            "B5": "A class that is not known raises `UnknownJob`, and the store keeps the payload.",
            "B6": "Arguments of a payload that is changed around them stay byte for byte.",
            "B7": "A registered serializer wins over the built-in way for its own class, the "
            "latest one over those before.",
            "B8": "Where no annotation stands only JSON's own types are taken: neither their "
            "subclasses nor keys that are not text.",
            "B9": "Payloads of earlier versions load: counters may be missing, times be seconds "
            "or milliseconds.",
        },
    ),
    Group(
        "C",
        "Failing, retrying, discarding",
        {
            "C1": "By default a rule runs the job 5 times in all and then buries it; no other "
            "policy retries it after that.",
            "C2": "Errors named in one declaration share a counter, declarations have their own, "
            "and the wait goes by the declaration's counter.",
            "C3": "The topmost declaration that the error is an instance of wins; an error that "
            "is hidden as a cause is found.",
            "C4": "Polynomial waits are 3, 18, 83 and 258 seconds without jitter, and at most "
            "`jitter` times n⁴ longer with it.",
            "C5": "A jitter of None or 0 adds nothing, one below 0 is taken off, one above 1 may "
            "add more than the wait; a callable's wait is exact; a wrong one fails at once.",
            "C6": "A rule without a number of attempts is never exhausted.",
            "C7": "An exhausted rule ends the job by its `on_exhausted`, or else buries it; "
            "`after_discard` runs once either way.",
            "C8": "`discard_on` tells its handler, is told as an event, runs `after_discard`, and "
            "is no failure to the store.",
            "C9": "A retry keeps the id, counts one more execution, goes to the queue and priority "
            "of its rule, and leaves the instance as it was.",
            "C11": "Failures are counted from 0 and stamped; a message is cut at 10,000 "
            "characters and made valid text, even if reading it raises.",
            "C12": "The backtrace holds the job's own last frames and unpacks to what was packed.",
            "C13": "`retry=False` drops a failed job and `retry=0` buries it, a number is a number "
            "of retries, `retry_for` goes by age alone; handlers of deaths are told each time.",
            "C14": "`retry_in` gives the delay as a number or a duration; nothing or 0 is the "
            "default, and so is an error, which is reported.",
            "C15": "A job that is discarded or buried on purpose ends so, and tells the hooks that "
            "the documentation names.",
            "C16": "`on_exhausted` is called with job and error after the last attempt, not "
            "before it and not on success.",
            "C17": "A class may do without the dead set and its deaths are still told; the dead "
            "set is trimmed by number and by age.",
            "C18": "A shutdown during a job is no failure: no counter changes and the job is back "
            "in the store.",
            "C19": "A handler of deaths that raises does not keep the next one from being told.",
            "C20": "Text that is no job goes to the dead set, and the worker goes on.",
        },
    ),
    Group(
        "D",
        "Calls in many, in time, and middleware",
        {
            "D1": "A name, arguments, options or a time of the wrong shape are refused in words "
            "that help.",
            "D2": "Enqueue middleware may change, replace or stop a job; a stopped one says so, "
            "and of many the others are stored.",
            "D3": "Bulk calls take rows lazily in slices of 1,000, spread them inside the window, "
            "and refuse one key for several jobs.",
            "D4": "A delayed job says when it is due and not that it was enqueued; a time that has "
            "passed means now.",
            "D5": "Perform middleware runs from the outermost in; one that does not call on stops "
            "the job, which counts as done; adding one twice does not double it.",
            "D6": "Enqueue middleware runs once, at the enqueue: not when a delayed or retried job "
            "falls due.",
            "D7": "A first use by many threads at once makes things once.",
        },
    ),
    Group(
        "E",
        "The worker",
        {
            "E1": "Strict queues are drained in order and weighted ones served in about their "
            "ratio; with all of them paused the worker waits without an error.",
            "E2": "Never more jobs run than there are threads, and an error costs no thread.",
            "E3": "A job is acknowledged when middleware and body have ended, and not after that "
            "by a worker that was stopped.",
            "E4": "What the body does to its arguments does not change what a retry is given.",
            "E5": "Upkeep promotes everything that is due and nothing that is not, and stops at "
            "once when it is told to.",
            "E7": "A worker is listed when it starts, beats while it lives, is gone when it leaves "
            "and after its lease when it is killed.",
            "E8": "A quiet worker takes nothing more and finishes what runs; quiet and stop reach "
            "it from outside.",
            "E9": "At a stop, jobs that end in time are settled and the rest go back to the head "
            "of their queue.",
            "E10": "Each hook of the worker's life is called once, those of its end from the "
            "innermost out; one that raises is reported and passed over.",
            "E11": "Starting and stopping many times leaves no thread, task or connection behind.",
            "E12": "A job of an unknown class is recorded as failed and its thread is free.",
            "E13": "A job whose wake-up was lost is picked up by the next poll.",
        },
    ),
    Group(
        "F",
        "After a crash",
        {
            "F1": "The jobs of a killed worker are run again elsewhere within the promised time, "
            "and no others.",
            "F2": "Worker processes whose supervisor was killed stop by themselves.",
            "F3": "However a worker is told to stop, each job ends up finished, given back or "
            "failed, and none is lost.",
            "F4": "A worker that was declared dead and lives can finish nothing, release nothing "
            "twice, and finds out.",
            "F5": "A recovery touches neither a job that ended meanwhile nor one that was claimed "
            "anew.",
            "F6": "A job that cost three workers is buried with a reason of its own; an ordinary "
            "ending resets the count.",
            "F7": "Recovery works in slices, smaller ones after a time-out.",
            "F8": "An old and a new version of the claim side by side run no job twice.",
            "F9": "N jobs and M claimers at once make N runs.",
            "F10": "A store that is away for some seconds costs no job and doubles none.",
        },
    ),
    Group(
        "G",
        "SQL stores",
        {
            "G1": "Claims go by the list of queues, then priority, then age, and pass over paused "
            "queues.",
            "G2": "A claim takes no more than there are free threads, and an empty queue costs one "
            "statement a poll.",
            "G3": "Scheduled rows become enqueued once, in slices, and wake the queues concerned.",
            "G4": "A job inserted by a transaction that was rolled back is never seen; by one that "
            "was committed, once.",
            "G5": "A batch of settlements leaves each row in its right state; what can be tried "
            "again is, what cannot is surfaced, and meanwhile nothing more is claimed.",
            "G6": "A row that was deleted meanwhile does not break a batch of settlements.",
            "G7": "Trimming removes only rows beyond the age of their own state, in slices.",
            "G8": "Moving and deleting, one or by filter, work in every state that allows it and "
            "leave the others alone.",
            "G9": "A snooze uses no attempt, and one shorter than the upkeep's period is ready at "
            "once.",
        },
    ),
    Group(
        "H",
        "Uniqueness, limits, schedules",
        {
            "H1": "What makes a job unique is its arguments, some of them, queue, class, period or "
            "state; empty arguments are not missing ones.",
            "H2": "Inserts of one unique job from many processes make one row, and the losers are "
            "told which.",
            "H3": "When the winner rolls back a later insert succeeds, and no loser was told "
            "otherwise.",
            "H4": "Bulk calls obey uniqueness; running a duplicate again is a conflict and no "
            "crash.",
            "H5": "Never more than n jobs of a limit run at once, whatever ends them, and those "
            "that wait go on by priority.",
            "H6": "Releasing many at once cannot raise a limit above itself.",
            "H7": "A job discarded by a conflict leaves the caller's transaction usable and says "
            "that it was not enqueued.",
            "H8": "A key that is None is no limit.",
            "H9": "Cron expressions mean what their table says, through gaps and overlaps of "
            "daylight saving.",
            "H10": "Any number of schedulers make one job a tick, none at creation, and a late "
            "tick only inside its grace.",
            "H11": "Removing an entry from the file removes it, entries made at run time stay, and "
            "an edit holds from the next poll.",
        },
    ),
    Group(
        "I",
        "Iterations and steps",
        {
            "I1": "An interrupted iteration goes on at its cursor: every item is seen, none is "
            "skipped.",
            "I2": "An error after progress keeps the cursor; one without progress is an ordinary "
            "failure.",
            "I3": "Steps that are done are skipped in order; unexpected, repeated, nested or "
            "mistyped ones raise.",
            "I4": "An isolated step shares no run with another.",
            "I5": "Too many resumptions end in an error of their own.",
            "I6": "The hooks of start, resume, stop, cancel and completion fire in order.",
            "I7": "Cancelling and the longest run time end after the current item, and the call's "
            "options survive.",
            "I8": "A cursor of any type that can be stored comes back; one that cannot be loaded "
            "goes to the job's own rules.",
        },
    ),
    Group(
        "J",
        "Batches",
        {
            "J1": "A batch's callback fires once, as a job, however many members end at once.",
            "J2": "There are callbacks for success, failure and the end; an empty batch fires "
            "them; a member that fails and then succeeds has succeeded.",
            "J3": "Members added by a member delay the callback; adding to a finished batch "
            "raises.",
            "J4": "A crash between insert and count, or between the last end and the callback, is "
            "repaired.",
            "J5": "Running discarded members again arms the callback again.",
        },
    ),
    Group(
        "K",
        "The test kit",
        {
            "K1": "Each rule of the helpers holds, and a failure says what was looked for and what "
            "was there.",
            "K2": "The fake touches no store, stores jobs as JSON, and keeps delays without "
            "waiting for them.",
            "K3": "Draining runs what jobs enqueue, and clearing a class empties only that class.",
            "K4": "`use_adapter` holds for this thread or task and the tasks it starts, the "
            "fixtures for the process; both are undone after an error.",
            "K5": "Inline runs enqueue and perform middleware, retries by rules at once, and never "
            "by the class's policy.",
            "K7": "The assertions about stored jobs work inside a transaction that is not "
            "committed.",
        },
    ),
    Group(
        "L",
        "Inspection and the dashboard",
        {
            "L1": "Sizes and latencies are right, and a walk over a set that shrinks meanwhile "
            "visits every entry.",
            "L2": "Jobs are added, run, buried, discarded and rescheduled, one, many or all; one "
            "that is gone is no error.",
            "L3": "Malformed payloads are shown raw, what is secret is hidden, and everything is "
            "escaped.",
            "L4": "Dead processes vanish from the list, totals of threads and memory are right, "
            "and an embedded worker refuses to be stopped from afar.",
            "L5": "An unsafe request without proof of its origin gets 403; every page renders "
            "empty, out of range and for absurd values.",
            "L6": "Filters and pages keep their parameters, and the statistics as JSON are stable.",
        },
    ),
)

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {code: text for group in GROUPS for code, text in group.sentences.items()}
)
"""Every sentence by its code."""
