"""The thread that keeps the children's leases, and gives on the jobs of those that died."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from jobkit import backends
from jobkit.adapter import Adapter, Claim, Settlement
from jobkit.clock import Clock
from jobkit.errors import AdapterError, LeaseLost
from jobkit.supervisor.signals import blocked
from jobkit.worker.board import note_of
from jobkit.worker.desk import new_identity
from jobkit.worker.part import Patience
from jobkit.worker.recovery import after_death, after_overrun
from jobkit.worker.wire import Joining

__all__ = ["Gone", "Medic", "Station"]

_NEVER: Final = 3600.0

_log = logging.getLogger("jobkit.supervisor")


@dataclass(frozen=True, slots=True)
class Gone:
    """A child is dead and reaped: nothing it held runs any more.

    `joined` are all the workers it was. `reason` None: it left in good order, and nothing is
    charged; else what had started is, by its note on the board, or, where it had to be killed for
    the time limit of jobs, `overrun`: those.
    """

    joined: tuple[Joining, ...]
    started: frozenset[bytes] = frozenset()
    reason: str | None = None
    overrun: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class _Death:
    """A worker whose jobs are to be taken. `held` is what it held when that was `asked` for."""

    worker: str
    gone: Gone
    reason: str
    held: list[Claim] | None = None
    asked: bool = False


class Station:
    """The medic's place at one store: registered as a worker that nobody sees, and beating.

    What the store did not take yet stays to be done.
    """

    def __init__(self, adapter: Adapter, clock: Clock, beaten: dict[str, float]) -> None:
        """In `beaten` it keeps when each worker's last beat that came through was sent."""
        self._beaten = beaten
        self._adapter = adapter
        self._clock = clock
        self._patience = Patience("supervisor")
        self.trouble: str | None = None
        """Why the store could not be worked on just now, for people; None if it could."""
        self._identity: str | None = None
        self._leases: dict[str, float] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._unsettled: list[Settlement] = []
        self._lease = 0.0
        self._due = math.inf
        self._retry_at = clock.monotonic()

    @property
    def busy(self) -> bool:
        """True while something is still to be done for the dead."""
        return bool(self._todo or self._unsettled)

    def joined(self, worker: str, lease: float) -> None:
        """Beat for this worker from now on."""
        self._leases[worker] = lease
        self._lease = max(self._lease, lease)
        self._due = min(self._due, self._clock.monotonic() + lease / 6)

    def gone(self, worker: str, gone: Gone) -> None:
        """It is dead: take what it held, and give it on."""
        self._leases.pop(worker, None)
        self._beaten.pop(worker, None)
        if gone.reason is None:
            self._todo.append(lambda: self._give_back(worker))
        else:
            death = _Death(worker, gone, gone.reason)
            self._todo.append(lambda: self._recover(death))

    def work(self) -> float:
        """Do what is due; the seconds until the next is."""
        now = self._clock.monotonic()
        if now < self._retry_at:
            return self._retry_at - now
        try:
            self._register()
            self._tend()
            if now >= self._due:
                self._beat()
        except LeaseLost:
            self._identity = None  # and once more, under a new one
            return 0.0
        except AdapterError as error:
            # Never longer than until the next beat is due: it may be the last that saves a lease.
            wait = min(self._patience.failed(error), self._every or math.inf)
            self.trouble = f"the store failed: {error}"
            self._retry_at = now + wait
            return wait
        self._patience.worked()
        self.trouble = None
        return max(0.0, self._due - self._clock.monotonic())

    def leave(self) -> None:
        """Give back what could not be given on, and go."""
        try:
            if self._identity is not None:
                self._adapter.retire(self._identity)
        except AdapterError as error:
            _log.warning("could not leave the store, the lease will tell the others: %s", error)
        self._adapter.close()

    def _register(self) -> None:
        if self._identity is None:
            identity = new_identity()
            # Without presence: it takes no jobs, and is not listed among those who do.
            self._adapter.beat(identity, lease=self._lease, claims=[], register=True)
            self._identity = identity

    def _tend(self) -> None:
        while self._todo:
            self._todo[0]()
            self._todo.popleft()
        if self._unsettled:
            self._adapter.settle(self._unsettled)
            self._unsettled = []

    def _give_back(self, worker: str) -> None:
        returned = self._adapter.retire(worker)
        if returned:
            _log.info("%d jobs of %s were given back", returned, worker)

    def _recover(self, death: _Death) -> None:
        again = death.asked
        if not again:
            death.held = self._adapter.held(death.worker)
            death.asked = True
        claims = self._adapter.recover(death.worker, to=self._identity or "")
        if again and not claims:
            claims = self._unheard()
        self._unsettled += self._afterwards(claims, death)
        if claims:
            _log.warning("%d jobs of %s were recovered", len(claims), death.worker)

    def _afterwards(self, claims: list[Claim], death: _Death) -> list[Settlement]:
        """Where the jobs of the dead go, now that they are ours."""
        overrun = death.gone.overrun
        ran = _texts(death.held, overrun or death.gone.started)
        if overrun and ran is not None:
            return after_overrun(claims, ran, death.reason)
        return after_death(claims, ran, death.reason, self._clock.time())

    def _unheard(self) -> list[Claim]:
        """What it was lent by an answer that was lost: it holds nothing else but the unsettled."""
        known = {settlement.claim.receipt for settlement in self._unsettled}
        held = self._adapter.held(self._identity or "") or []
        return [claim for claim in held if claim.receipt not in known]

    def _beat(self) -> None:
        """For itself and for every living child, however busy that is."""
        own = self._adapter.beat(self._identity or "", lease=self._lease, claims=None)
        if not own.registered:
            raise LeaseLost("the supervisor was declared dead")
        for worker, lease in self._leases.items():
            sent = self._clock.monotonic()
            if self._adapter.beat(worker, lease=lease, claims=None).registered:
                self._beaten[worker] = sent
        self._due = self._clock.monotonic() + self._every

    @property
    def _every(self) -> float:
        return min([self._lease, *self._leases.values()]) / 6


def _texts(held: list[Claim] | None, notes: frozenset[bytes]) -> list[str] | None:
    """The texts of the jobs with these notes; None when the store cannot tell what was held."""
    if not notes:
        return []
    if held is None:
        return None
    return [claim.payload.text for claim in held if note_of(claim.receipt) in notes]


class Medic:
    """Works for all children, at whichever stores they are. The store library is loaded here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._news: SimpleQueue[Joining | Gone | None] = SimpleQueue()
        self._stations: dict[str, Station] = {}
        self.beaten: dict[str, float] = {}
        """When each worker's last beat that came through was sent, in monotonic seconds."""
        self._ending: float | None = None
        self._thread = threading.Thread(target=self._run, name="jobkit-medic", daemon=True)

    def start(self) -> None:
        """Begin, on a new thread."""
        with blocked():
            self._thread.start()

    def tell(self, news: Joining | Gone) -> None:
        """A child is about to join, or is gone; from any thread."""
        self._news.put(news)

    def troubles(self) -> list[str]:
        """What is wrong with the stores, a line each; from any thread."""
        troubles = [station.trouble for station in list(self._stations.values())]
        return [trouble for trouble in troubles if trouble is not None]

    def end(self, within: float) -> None:
        """Finish what is to be done, if the store takes it within so many seconds, and leave."""
        self._ending = self._clock.monotonic() + within
        self._news.put(None)
        self._thread.join(within + 1.0)
        if self._thread.is_alive():
            _log.warning("the store did not answer in time, the leases will tell the others")

    def _run(self) -> None:
        wait = 0.0
        while not self._over():
            self._hear(wait)
            wait = min([_NEVER, *(self._worked(station) for station in self._stations.values())])
        for station in self._stations.values():
            station.leave()

    def _over(self) -> bool:
        if self._ending is None or not self._news.empty():
            return False
        busy = any(station.busy for station in self._stations.values())
        return not busy or self._clock.monotonic() >= self._ending

    def _hear(self, wait: float) -> None:
        """Wait for news, and take in all there are."""
        if self._ending is not None:
            wait = min(wait, 0.1)
        try:
            self._take_in(self._news.get(timeout=wait) if wait > 0 else self._news.get_nowait())
            while True:
                self._take_in(self._news.get_nowait())
        except Empty:
            pass

    def _take_in(self, news: Joining | Gone | None) -> None:
        match news:
            case Joining(worker, str(url), lease):
                self._station(url).joined(worker, lease)
            case Gone(joined):
                for each in joined:
                    if each.url is not None:
                        self._station(each.url).gone(each.worker, news)
            case _:
                pass

    def _station(self, url: str) -> Station:
        if url not in self._stations:
            self._stations[url] = Station(backends.opened(url), self._clock, self.beaten)
        return self._stations[url]

    def _worked(self, station: Station) -> float:
        try:
            return station.work()
        except Exception:  # noqa: BLE001 - whatever it is, the other children's leases are kept
            _log.exception("the supervisor could not tend its store")
            return 1.0
