"""One run: a store, producers, workers, what is done to them, and the account of it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, cast

from jobkit.adapter import Adapter, State
from jobkit.capabilities import Move, SupportsInspect, SupportsManage
from jobkit.settings import url_scheme
from tests.chaos.application import JOURNAL
from tests.chaos.evidence import Closing, Evidence, Lend, Run
from tests.chaos.fleet import ROOT, Fleet, Form
from tests.chaos.journal import Journal, Reader
from tests.chaos.nemesis import PROXY_ACTS, STORE_ACTS, Act, Nemesis
from tests.chaos.oracle import Violation, violations
from tests.chaos.processes import Guard, hears, members
from tests.chaos.stores import STORES, Server
from tests.faults.proxy import Proxy

__all__ = ["Inspected", "Plan", "Result", "dead_of", "run", "waiting_in"]

_STATES: Final = (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.RUNNING)
_LEAVE_WITHIN: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen. `warm`, `lease` and `drain_within` are seconds.

    `warm` is how long there is work before the first act; the last act begins `drain_within`.
    """

    store: str = "sqlite"
    acts: Mapping[Act, int] = field(default_factory=dict)
    seed: int = 1
    form: Form = Form.PLAIN
    size: int = 4
    threads: int = 4
    producers: int = 2
    backlog: int = 200
    lease: float = 1.0
    warm: float = 0.0
    pace: tuple[float, float] = (0.1, 0.4)
    drain_within: float = 60.0
    mutation: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What was seen."""

    plan: Plan
    evidence: Evidence
    violations: list[Violation]
    seconds: float

    @property
    def jobs(self) -> int:
        return len(self.evidence.stored)

    @property
    def busy(self) -> float:
        """The share of aimed acts that hit a process with a job begun and not settled.

        All of them, where there were none to be: stores and networks are not aimed at.
        """
        aims = [each for each in self.evidence.entries if each.word == "aim"]
        if not aims and not self.plan.acts.keys() - STORE_ACTS - PROXY_ACTS:
            return 1.0
        return sum(self._was_busy(aim.pid, aim.at) for aim in aims) / max(1, len(aims))

    def again(self) -> Counter[str]:
        """The runs beyond the one that each attempt needs, by what had made them vain."""
        reasons: Counter[str] = Counter()
        for runs in self.evidence.runs.values():
            for attempt, times in Counter(one.attempt for one in runs).items():
                tries = [one for one in runs if one.attempt == attempt]
                why = [self.evidence.why_in_vain(one) for one in tries]
                known = [reason for reason in why if reason][: times - 1]
                reasons.update([*known, *["no reason"] * (times - 1 - len(known))])
        return reasons

    def charged_for_nothing(self) -> list[Lend]:
        """The lends of jobs that were charged though no worker of theirs had lost them.

        Who gets no turn for a lease, on a busy machine, has lost its jobs like one that is dead.
        """
        evidence = self.evidence
        lends = [lend for lends in evidence.lends.values() for lend in lends]
        return [each for each in lends if each.deliveries > evidence.losses(each.job, each.heard)]

    def told(self, most: int = 5) -> str:
        """The first violations with their stories."""
        stories = [each.told(self.evidence) for each in self.violations[:most]]
        more = len(self.violations) - most
        return "\n".join([*stories, *([f"… and {more} more violations"] if more > 0 else [])])

    def _was_busy(self, pid: int, at: float) -> bool:
        evidence = self.evidence
        return any(
            run.pid == pid and run.began <= at and not _settled(evidence, run, at)
            for runs in evidence.runs.values()
            for run in runs
        )


def _settled(evidence: Evidence, run: Run, before: float) -> bool:
    """What the process was answered before the run began, a release perhaps, is another matter."""
    return any(
        each.pid == run.pid and each.came in {"settled", "stale"} and run.began < each.at < before
        for each in evidence.answers[run.job]
    )


def run(plan: Plan, folder: Path) -> Result:
    """Do it, in a folder of its own. Every process it started has ended when it returns."""
    began = time.monotonic()
    with closing(Journal(folder / "journal")) as journal, Guard() as guard:
        final = _Run(plan, folder, journal, guard).lived()
        entries = list(Reader(journal.path).read())
    evidence = Evidence.of(entries, final, lease=plan.lease)
    return Result(plan, evidence, violations(evidence), time.monotonic() - began)


class _Run:
    """The steps of a run, in order."""

    def __init__(self, plan: Plan, folder: Path, journal: Journal, guard: Guard) -> None:
        self._plan = plan
        self._folder = folder
        self._journal = journal
        self._guard = guard
        self._store = STORES[plan.store](folder)

    def lived(self) -> Closing:
        """What the store says in the end."""
        with ExitStack() as stack:
            stack.callback(self._store.close)
            self._store.start()
            if isinstance(self._store, Server):
                self._guard.adopt(self._store.pid)
            proxy = self._proxy(stack)
            url = self._store.url if proxy is None else self._through(proxy)
            fleet = self._fleet(url)
            nemesis = Nemesis(
                fleet, self._store, self._journal,
                seed=self._plan.seed, proxy=proxy, pace=self._plan.pace,
            )  # fmt: skip
            fleet.tend()
            with self._producers(url):
                nemesis.watch(self._plan.warm)
                nemesis.rage(self._plan.acts)
            drained_in = self._drain(fleet)
            self._come_to_rest(fleet)
            codes = fleet.stop(_LEAVE_WITHIN)
            return self._account(drained_in, codes)

    def _proxy(self, stack: ExitStack) -> Proxy | None:
        """Only where it is needed: it costs time."""
        if not PROXY_ACTS & set(self._plan.acts):
            return None
        assert isinstance(self._store, Server), f"{self._plan.store} has no socket"
        return stack.enter_context(Proxy(self._store.address))

    def _through(self, proxy: Proxy) -> str:
        assert isinstance(self._store, Server)
        return self._store.url_through(proxy.address)

    def _fleet(self, url: str) -> Fleet:
        plan = self._plan
        return Fleet(
            url, self._guard, self._journal, self._folder,
            form=plan.form, size=plan.size, threads=plan.threads, lease=plan.lease,
            mutation=plan.mutation,
        )  # fmt: skip

    @contextmanager
    def _producers(self, url: str) -> Generator[None]:
        environment = {**self._guard.environment, "JOBKIT_URL": url}
        environment.pop(JOURNAL, None)
        started: list[subprocess.Popen[bytes]] = []
        plan = self._plan
        try:
            for number in range(plan.producers):
                options = (plan.seed * 1_000 + number, plan.backlog, plan.lease, self._journal.path)
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.chaos.produce", *map(str, options)],
                        cwd=ROOT,
                        env=environment,
                        start_new_session=True,
                    )
                )
            yield
        finally:
            for producer in started:
                while not hears(producer.pid, signal.SIGTERM) and producer.poll() is None:
                    time.sleep(0.01)
                producer.send_signal(signal.SIGTERM)
            codes = [producer.wait(_LEAVE_WITHIN) for producer in started]
        assert not any(codes), f"the producers ended with {codes}"

    def _drain(self, fleet: Fleet) -> float:
        """Wait until there is nothing to do; the seconds it took, infinite if it never was."""
        began = time.monotonic()
        with _reaching(self._store.url) as adapter:
            while time.monotonic() - began < self._plan.drain_within:
                fleet.tend()
                _spare_the_wait(adapter)
                if not waiting_in(adapter):
                    return time.monotonic() - began
                time.sleep(0.05)
        return math.inf

    def _come_to_rest(self, fleet: Fleet) -> None:
        """Wait until all that was begun is over: a start, a leave, the lease of a dead one.

        Who does not listen yet is ended by the signal itself, and the dead are found by the living.
        """
        deadline = time.monotonic() + self._plan.drain_within
        with _reaching(self._store.url) as adapter:
            while not fleet.is_all({each.pid for each in adapter.workers()}):
                if time.monotonic() > deadline:
                    return  # of which the account will tell
                fleet.tend()
                time.sleep(0.05)

    def _left_over(self) -> int:
        """Processes that are still there; who has just left the store may need a moment more."""
        deadline = time.monotonic() + _LEAVE_WITHIN
        while (left := members(self._guard.token)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(left)

    def _account(self, drained_in: float, codes: list[int | None]) -> Closing:
        with _reaching(self._store.url) as adapter:
            stats = adapter.stats()
            return Closing(
                dead=dead_of(adapter),
                waiting=waiting_in(adapter),
                workers=stats.workers,
                processed=stats.processed,
                drained_in=drained_in,
                codes=codes,
                left_over=self._left_over(),
            )


class Inspected(Adapter, SupportsInspect, SupportsManage):
    """What every store under test is. Never made."""


@contextmanager
def _reaching(url: str) -> Generator[Inspected]:
    """The store as an operator reaches it, from this process."""
    [point] = entry_points(group="jobkit.adapters", name=url_scheme(url))
    with closing(point.load().from_url(url)) as adapter:
        yield cast("Inspected", adapter)


def waiting_in(adapter: Inspected) -> int:
    """Jobs that are neither done nor dead."""
    stats = adapter.stats()
    return stats.enqueued + stats.scheduled + stats.retry + stats.running


def _spare_the_wait(adapter: Inspected) -> None:
    """Have jobs that lost their worker twice run now: they wait up to 15 s."""
    page = adapter.jobs(State.SCHEDULED)
    lost = [job for job in page.items if job.payload.deliveries]
    adapter.move([Move(job, job.payload, State.ENQUEUED) for job in lost])


def dead_of(adapter: Inspected) -> dict[str, tuple[int, str]]:
    """The dead set: executions and error class of each job."""
    dead: dict[str, tuple[int, str]] = {}
    after = None
    while True:
        page = adapter.jobs(State.DEAD, limit=500, after=after)
        for job in page.items:
            fields = job.payload.fields
            dead[job.payload.id] = (job.payload.executions, str(fields.get("error_class")))
        after = page.next
        if after is None:
            return dead
