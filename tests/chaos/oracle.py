"""What must hold after a run, whatever was done to it. An invariant bears its number.

1 nothing is lost, 2 nothing is finished twice, 3 what ran again had a reason, 4 no job ran twice
at once without one, 5 an enqueue nobody is sure of made one job or none, 8 nothing is left over,
9 nobody is charged for what was not his fault, 10 it all comes to an end soon.
"""

from __future__ import annotations

import math
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tests.chaos.application import ATTEMPTS
from tests.chaos.evidence import Evidence, Run

__all__ = ["Violation", "violations"]

ENDINGS: Final = frozenset({"done", "dead", "retry"})
_KILLS: Final = frozenset({"kill", "kill-all", "kill-supervisor"})
_STOPS: Final = frozenset({"stop", "stop-any"})
_LOSSES: Final = 3
_WORKER_LOST: Final = "jobkit.errors.WorkerLost"
_LONGEST_STORY: Final = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold; `job` if it is about one."""

    invariant: int
    what: str
    job: str | None = None

    def told(self, evidence: Evidence) -> str:
        """With the story of its job."""
        if self.job is None:
            return f"I{self.invariant}: {self.what}"
        story = evidence.story(self.job)
        lines = [f"    {entry}" for entry in story[:_LONGEST_STORY]]
        cut = [f"    … and {len(story) - len(lines)} more"] if len(story) > len(lines) else []
        kind = evidence.kinds.get(self.job)
        head = f"I{self.invariant}: {self.what}; the story of {self.job} ({kind}):"
        return "\n".join([head, *lines, *cut])


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong, invariant by invariant."""
    found: list[Violation] = []
    for check in (
        _nothing_is_lost,
        _nothing_is_finished_twice,
        _what_ran_again_had_a_reason,
        _nothing_overlaps,
        _nothing_comes_from_nowhere,
        _nothing_is_left,
        _nobody_dies_by_itself,
        _nobody_is_charged_wrongly,
        _the_living_keep_their_jobs,
        _it_ends,
    ):
        found += check(evidence)
    return found


def _ends(evidence: Evidence, job: str, *came: str) -> Counter[int]:
    """How many settlements ended each attempt of the job, of those that came out like that."""
    return Counter(
        answer.attempt
        for answer in evidence.answers[job]
        if answer.what in ENDINGS and answer.came in came
    )


def _nothing_is_lost(evidence: Evidence) -> Iterator[Violation]:
    dead = evidence.final.dead
    for job in evidence.stored:
        done = [each for each in evidence.answers[job] if each.what == "done"]
        last = ATTEMPTS if evidence.kinds[job] == "cured" else 1
        if evidence.kinds[job] == "doomed" and done:
            yield Violation(1, "lost: done, though it always fails", job)
        elif any(each.attempt != last for each in done):
            yield Violation(1, f"lost: done before attempt {last}", job)
        settled = [each for each in done if each.came == "settled"]
        # Asked and not answered: its process died in between, or its connection did.
        if job in dead and settled:
            yield Violation(1, "done, and among the dead", job)
        elif job not in dead and not [each for each in done if each.came != "stale"]:
            yield Violation(1, "lost: neither done nor dead", job)
        elif done and job not in dead:
            yield from _was_really_done(evidence, job, min(each.at for each in done))


def _was_really_done(evidence: Evidence, job: str, settled: float) -> Iterator[Violation]:
    ends = [run.ended for run in evidence.runs[job] if run.ended < math.inf]
    if not ends:
        yield Violation(1, "lost: done, and no run of it ever ended", job)
    elif settled < min(ends):
        yield Violation(1, "settled as done before its body had ended", job)


def _nothing_is_finished_twice(evidence: Evidence) -> Iterator[Violation]:
    least = most = 0
    for job in evidence.intended:
        sure = _ends(evidence, job, "settled")
        least += sum(sure.values())
        most += len(set(sure) | set(_ends(evidence, job, "ask")))
        for attempt, times in sure.items():
            if times > 1:
                yield Violation(2, f"attempt {attempt} was finished {times} times", job)
    counted = evidence.final.processed
    if not least <= counted <= most:
        yield Violation(2, f"the store counts {counted} ends, the workers {least} to {most}")


def _what_ran_again_had_a_reason(evidence: Evidence) -> Iterator[Violation]:
    for job, runs in evidence.runs.items():
        by_process: dict[tuple[int, int], list[Run]] = defaultdict(list)
        for run in runs:
            by_process[run.attempt, run.pid].append(run)
        for (attempt, pid), tries in by_process.items():
            unexplained = [run for run in tries if evidence.why_in_vain(run) is None]
            ended = sum(
                1
                for answer in evidence.answers[job]
                if (answer.pid, answer.attempt, answer.came) == (pid, attempt, "settled")
                and answer.what in ENDINGS
            )
            if len(unexplained) > ended:
                yield Violation(
                    3, f"attempt {attempt} ran in process {pid} for nothing, unhurt", job
                )


def _nothing_overlaps(evidence: Evidence) -> Iterator[Violation]:
    for job, runs in evidence.runs.items():
        for first, second in pairwise(sorted(runs, key=lambda run: run.began)):
            if second.began >= first.ended or evidence.why_in_vain(first) is not None:
                continue
            if not evidence.ran_late(second, first):
                yield Violation(4, "ran twice at once", job)


def _nothing_comes_from_nowhere(evidence: Evidence) -> Iterator[Violation]:
    for job in set(evidence.runs) - set(evidence.intended):
        yield Violation(5, "ran, and nobody had enqueued it", job)


def _nothing_is_left(evidence: Evidence) -> Iterator[Violation]:
    final = evidence.final
    if final.waiting:
        yield Violation(8, f"{final.waiting} jobs are left in the store")
    if final.workers:
        yield Violation(8, f"{final.workers} workers are registered that have left")
    if final.left_over:
        yield Violation(8, f"{final.left_over} processes outlived their stop")
    if any(code != 0 for code in final.codes):
        yield Violation(8, f"workers that were asked to leave answered {list(final.codes)}")


def _nobody_dies_by_itself(evidence: Evidence) -> Iterator[Violation]:
    for pid, code in evidence.gone.items():
        done = {hurt.kind for hurt in evidence.hurts[pid]}
        # One that had not come so far as to listen is ended by the signal itself.
        fair = {-signal.SIGKILL} if done & _KILLS else {0, -signal.SIGTERM} if done & _STOPS else ()
        if code not in fair:
            yield Violation(8, f"process {pid} ended with {code} after {sorted(done) or 'nothing'}")


def _nobody_is_charged_wrongly(evidence: Evidence) -> Iterator[Violation]:
    for job, lends in evidence.lends.items():
        for lend in lends:
            losses = evidence.losses(job, lend.heard)
            if lend.deliveries > losses:
                yield Violation(9, f"{lend.deliveries} deliveries after {losses} losses", job)
                break
        yield from _attempts_are_its_own(evidence, job)


def _attempts_are_its_own(evidence: Evidence, job: str) -> Iterator[Violation]:
    kind = evidence.kinds.get(job)
    most = ATTEMPTS if kind in {"cured", "doomed"} else 1
    used = max((run.attempt for run in evidence.runs[job]), default=0)
    if used > most:
        yield Violation(9, f"took {used} attempts", job)
    if job not in evidence.final.dead:
        return
    executions, error = evidence.final.dead[job]
    losses = evidence.losses(job, math.inf)
    if error == _WORKER_LOST and losses < _LOSSES:
        yield Violation(9, f"set aside after {losses} losses of its worker", job)
    elif error != _WORKER_LOST and (kind, executions) != ("doomed", ATTEMPTS):
        yield Violation(9, f"died of {error} after {executions} attempts", job)


def _the_living_keep_their_jobs(evidence: Evidence) -> Iterator[Violation]:
    """Who has beaten within the lease is not dead."""
    for worker, asked, answered in evidence.reaps:
        before = [(sent, heard) for sent, heard in evidence.beats[worker] if heard <= asked]
        if before and answered - before[-1][0] < evidence.lease:
            age = asked - before[-1][0]
            yield Violation(9, f"{worker} lost its jobs {age:.2f} s after it had beaten")


def _it_ends(evidence: Evidence) -> Iterator[Violation]:
    took = evidence.final.drained_in
    if took == math.inf:
        yield Violation(10, "work was left when the time was over")
