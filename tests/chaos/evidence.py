"""The journal of a run, read back and put in order."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from tests.chaos.journal import Entry

__all__ = ["Answer", "Closing", "Evidence", "Hurt", "Lend", "Run"]

CHARGED: Final = frozenset({"kill", "kill-all", "zombie", "starved", "store", "network"})
"""What may cost a worker its jobs: they run again, and are charged with a delivery."""

SUSPENDED: Final = frozenset({"zombie", "pause", "pause-all"})
STORE: Final = frozenset({"kill-store", "stop-store", "suspend-store"})
NETWORK: Final = frozenset({"cut", "black-hole", "delay", "drop-reply"})


@dataclass(frozen=True, slots=True)
class Hurt:
    """What was done to a process, from when to when."""

    kind: str
    began: float
    ended: float = math.inf


@dataclass(frozen=True, slots=True)
class Lend:
    """A job lent to a process; it may have been suspended between asking and hearing of it."""

    asked: float
    heard: float
    pid: int
    job: str
    attempt: int
    receipt: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Run:
    """A body that began, and ended unless its process died."""

    pid: int
    job: str
    attempt: int
    thread: int
    began: float
    ended: float = math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """What a settlement asked for, when, and what came of it: settled, stale, unsure or ask."""

    at: float
    pid: int
    job: str
    attempt: int
    receipt: str
    what: str
    came: str


@dataclass(frozen=True, slots=True)
class Closing:
    """What the store said in the end."""

    dead: dict[str, tuple[int, str]]
    """Executions and error class of the jobs in the dead set."""
    waiting: int
    """Jobs that are anywhere else in the store."""
    workers: int
    processed: int
    drained_in: float
    """Seconds from the last act until there was nothing more to do; infinite if it never was."""
    codes: Sequence[int | None] = ()
    """How the workers left when they were asked to at the end."""
    left_over: int = 0
    """Processes of the run that were still there afterwards."""


@dataclass
class Evidence:
    """Everything known about a run. Times are monotonic seconds."""

    lease: float
    entries: list[Entry]
    final: Closing
    kinds: dict[str, str] = field(default_factory=dict)
    intended: dict[str, float] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    lends: dict[str, list[Lend]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """When a job was taken from which process, by a watcher that held it for dead."""
    hurts: dict[int, list[Hurt]] = field(default_factory=lambda: defaultdict(list))
    gone: dict[int, int] = field(default_factory=dict)
    """How what was started ended, by process."""
    beats: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    reaps: list[tuple[str, float, float]] = field(default_factory=list)
    """Worker, asked, answered; of those that took its jobs."""

    @classmethod
    def of(cls, entries: Iterable[Entry], final: Closing, *, lease: float) -> Evidence:
        """Sort the entries out."""
        made = cls(lease, sorted(entries, key=lambda entry: entry.at), final)
        for entry in made.entries:
            made._take(entry)
        made._find_starved()
        return made

    def acts(self, *names: str) -> list[Entry]:
        """The acts of these kinds."""
        return [each for each in self.entries if each.word == "act" and each.rest[0] in names]

    def why_in_vain(self, run: Run) -> str | None:
        """What may have made the run count for nothing; None if it should have counted.

        A suspended process may run what it had been lent long before, so any earlier lend counts.
        """
        earlier = [
            lend for lend in self.lends[run.job] if lend.pid == run.pid and lend.heard <= run.began
        ]
        reasons = (self.why_lost(lend) for lend in reversed(earlier))
        return next((reason for reason in reasons if reason is not None), None)

    def ran_late(self, run: Run, other: Run) -> bool:
        """True when it ran what it had been lent, and had lost, before the other was lent it.

        Who was suspended between asking for a job and hearing of it begins it when it comes back.
        """
        asked = self._last_lend(other)
        mine = self._last_lend(run)
        if asked is None or mine is None or self.why_lost(mine, SUSPENDED | {"starved"}) is None:
            return False
        return mine.asked < asked.asked

    def _last_lend(self, run: Run) -> Lend | None:
        lends = [
            each for each in self.lends[run.job] if each.pid == run.pid and each.heard <= run.began
        ]
        return max(lends, key=lambda lend: lend.heard, default=None)

    def why_lost(self, lend: Lend, kinds: Iterable[str] = CHARGED) -> str | None:
        """What may have cost the process this claim before its settlement was answered."""
        answered = [
            answer.at
            for answer in self.answers[lend.job]
            if answer.receipt == lend.receipt and answer.came in {"settled", "stale"}
        ]
        until = min(answered, default=math.inf)
        # To the store and the network all are exposed: those stand under 0.
        for hurt in (*self.hurts[lend.pid], *self.hurts[0]):
            if hurt.kind in kinds and hurt.began <= until and lend.asked <= hurt.ended:
                return hurt.kind
        return None

    def losses(self, job: str, before: float) -> int:
        """How many processes lost the job until then, through what was done to them.

        Two accounts for each process, neither complete: one killed while it claims leaves no
        lend, and a supervisor takes jobs back without being watched.
        """
        taken = Counter(
            pid
            for at, pid in self.taken[job]
            if at <= before
            and any(hurt.kind in CHARGED and hurt.began <= at for hurt in self.hurts[pid])
        )
        lent = Counter(
            lend.pid
            for lend in self.lends[job]
            if lend.heard < before and self.why_lost(lend) is not None
        )
        return (taken | lent).total()

    def story(self, job: str) -> list[Entry]:
        """All entries of the job, and what happened to the processes that had it meanwhile."""
        own = [each for each in self.entries if job in each.rest]
        if not own:
            return []
        pids = {each.pid for each in own} | {0}
        began, ended = own[0].at - 2 * self.lease, own[-1].at + 2 * self.lease
        around = [
            each
            for each in self.entries
            if began <= each.at <= ended
            and (
                _pid(each.rest[0]) in pids
                if each.word == "reap"
                else each.pid in pids and each.word in {"act", "born", "gone", "fenced"}
            )
        ]
        return sorted(own + around, key=lambda entry: entry.at)

    def _take(self, entry: Entry) -> None:
        takers: dict[str, Callable[..., None]] = {
            **dict.fromkeys(("intend", "stored"), self._take_enqueue),
            **dict.fromkeys(("lend", "start", "finish"), self._take_run),
            **dict.fromkeys(("ask", "settled", "stale", "unsure"), self._take_answer),
            **dict.fromkeys(("beat", "fenced", "reap", "took"), self._take_lease),
            "act": self._take_act,
            "gone": self._take_end,
        }
        if (take := takers.get(entry.word)) is not None:
            take(entry, *entry.rest)

    def _take_enqueue(self, entry: Entry, job: str, kind: str = "") -> None:
        if entry.word == "intend":
            self.intended[job] = entry.at
            self.kinds[job] = kind
        else:
            self.stored.add(job)

    def _take_run(self, entry: Entry, job: str, attempt: int, *rest: Any) -> None:
        match entry.word:
            case "lend":
                receipt, deliveries, _, asked = rest
                self.lends[job].append(
                    Lend(asked, entry.at, entry.pid, job, attempt, receipt, deliveries)
                )
            case "start":
                self.runs[job].append(Run(entry.pid, job, attempt, *rest))
            case _:
                begun = Run(entry.pid, job, attempt, *rest)
                runs = self.runs[job]
                runs[runs.index(begun)] = replace(begun, ended=entry.at)

    def _take_answer(
        self, entry: Entry, job: str, attempt: int, receipt: str, what: str, *_: str
    ) -> None:
        answer = Answer(entry.at, entry.pid, job, attempt, receipt, what, entry.word)
        self.answers[job].append(answer)

    def _take_lease(self, entry: Entry, subject: str, *rest: Any) -> None:
        match entry.word:
            case "took":
                self.taken[subject].append((entry.at, _pid(rest[1])))
            case "reap":
                if rest[1]:
                    self.reaps.append((subject, rest[0], entry.at))
            case _:
                self.beats[subject].append((rest[0], entry.at))

    def _take_end(self, entry: Entry, code: int) -> None:
        self.gone[entry.pid] = code

    def _take_act(self, entry: Entry, kind: str, *_: bool) -> None:
        known = self.hurts[entry.pid]
        if kind in {"resume", "healed"}:
            known[-1] = replace(known[-1], ended=entry.at)
        elif kind in STORE | NETWORK:
            self.hurts[0].append(Hurt("store" if kind in STORE else "network", entry.at))
        else:
            known.append(Hurt(kind, entry.at))

    def _find_starved(self) -> None:
        """A process that got no turn for a lease has lost it as if it had been suspended.

        On a busy machine; and on SQLite when another is suspended with the file's lock in hand.
        """
        for worker, beats in self.beats.items():
            pid = _pid(worker)
            for (asked, _), (_, answered) in pairwise(beats):
                silent = answered - asked - self._suspended(pid, asked, answered)
                if silent > 0.9 * self.lease:
                    self.hurts[pid].append(Hurt("starved", asked, answered))
        # And who left before it could beat again: others had waited for a lease, and the account
        # of the living holds them to that.
        for worker, asked, answered in self.reaps:
            sent, heard = self.beats.get(worker, [(math.inf, math.inf)])[-1]
            silent = answered - sent - self._suspended(_pid(worker), sent, answered)
            if heard <= asked and silent > 0.9 * self.lease:
                self.hurts[_pid(worker)].append(Hurt("starved", sent, answered))

    def _suspended(self, pid: int, since: float, until: float) -> float:
        """For how many of these seconds it was made to stand still."""
        return sum(
            max(0.0, min(until, hurt.ended) - max(since, hurt.began))
            for hurt in self.hurts[pid]
            if hurt.kind in SUSPENDED
        )


def _pid(worker: str) -> int:
    return int(worker.split(":")[-2])
