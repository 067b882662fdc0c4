"""Faults to be seeded into the memory adapter: what becomes what, and who must see it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FAULTS", "MODEL", "SOUND", "SUSPECTS", "Fault"]


@dataclass(frozen=True)
class Fault:
    """One line made wrong. `group` is the group of the contract that must catch it."""

    name: str
    group: str
    file: str
    right: str
    wrong: str


FAULTS = (
    # Enqueue
    Fault(
        "stores what came before the text that is no job",
        "Enqueueing",
        "adapter.py",
        "envelopes = [Envelope.of(payload) for payload in payloads]",
        "envelopes = (Envelope.of(payload) for payload in payloads)",
    ),
    Fault(
        "drops the last of a batch",
        "Enqueueing",
        "adapter.py",
        "for payload, envelope in zip(payloads, envelopes, strict=True):",
        "for payload, envelope in [*zip(payloads, envelopes)][: max(1, len(payloads) - 1)]:",
    ),
    Fault(
        "schedules what is due already",
        "Enqueueing",
        "store.py",
        "at = max(now, envelope.scheduled_at or now)",
        "at = envelope.scheduled_at + 3600 if envelope.scheduled_at else now",
    ),
    # Claim
    Fault(
        "lends one job more than the limit",
        "Claiming",
        "adapter.py",
        "islice(self._claimable(queues), limit)",
        "islice(self._claimable(queues), limit + 1)",
    ),
    Fault(
        "lends to workers that are not registered",
        "Claiming",
        "adapter.py",
        "            self._registered(worker)\n",
        "",
    ),
    Fault(
        "lends a job twice from a queue named twice",
        "Claiming",
        "adapter.py",
        "for name in dict.fromkeys(queues)",
        "for name in queues",
    ),
    Fault(
        "shares what was parsed between claims",
        "Claiming",
        "records.py",
        "Claim(Payload(self.text),",
        "Claim(globals().setdefault('seen', {}).setdefault(self.text, Payload(self.text)),",
    ),
    Fault(
        "serves queues by name",
        "Ordering",
        "adapter.py",
        "for name in dict.fromkeys(queues)",
        "for name in sorted(set(queues))",
    ),
    Fault(
        "serves the youngest first",
        "Ordering",
        "records.py",
        "return (self.envelope.priority, self.run_at, self.sequence)",
        "return (self.envelope.priority, -self.run_at, -self.sequence)",
    ),
    Fault(
        "ignores the priority",
        "Prioritizing",
        "records.py",
        "return (self.envelope.priority, self.run_at, self.sequence)",
        "return (0, self.run_at, self.sequence)",
    ),
    Fault(
        "takes the higher priority first",
        "Prioritizing",
        "records.py",
        "return (self.envelope.priority, self.run_at, self.sequence)",
        "return (-self.envelope.priority, self.run_at, self.sequence)",
    ),
    Fault(
        "lends without the lock",
        "Competing",
        "adapter.py",
        "        with self._lock:\n            self._registered(worker)",
        "        if True:\n            self._registered(worker)",
    ),
    # Time
    Fault(
        "promotes a second too early",
        "Scheduling",
        "upkeep.py",
        "job.at <= now, self._store.waiting()",
        "job.at <= now + 1, self._store.waiting()",
    ),
    Fault(
        "promotes too late",
        "Scheduling",
        "upkeep.py",
        "job.at <= now, self._store.waiting()",
        "job.at < now, self._store.waiting()",
    ),
    Fault(
        "promotes more than a slice",
        "Scheduling",
        "upkeep.py",
        "jobs = list(islice(due, limit))\n        for",
        "jobs = list(due)\n        for",
    ),
    Fault(
        "forgets who waits for a retry",
        "Scheduling",
        "store.py",
        "merge(*(self._places[state] for state in WAITING)",
        "merge(*(self._places[state] for state in WAITING[:1])",
    ),
    Fault(
        "puts a retry off and does not wait for it",
        "Requeueing",
        "adapter.py",
        "if settlement.state in WAITING:",
        "if settlement.state is State.SCHEDULED:",
    ),
    # Settle
    Fault(
        "has no fence: who names the job may settle it",
        "Fencing",
        "adapter.py",
        "self._store.claimed.get(settlement.claim.receipt)",
        "self._store.find(settlement.claim.payload.id)",
    ),
    Fault(
        "gives one job the same receipt each time",
        "Fencing",
        "store.py",
        "str(next(self._receipt))",
        "str(job.sequence)",
    ),
    Fault(
        "does not tell what was stale",
        "Fencing",
        "adapter.py",
        "return [each.claim for each in settlements if not self._settle(each)]",
        "return [each.claim for each in settlements if not self._settle(each)][:0]",
    ),
    Fault(
        "gives up at the first stale claim",
        "Fencing",
        "adapter.py",
        "return [each.claim for each in settlements if not self._settle(each)]",
        "return next(([each.claim] for each in settlements if not self._settle(each)), [])",
    ),
    Fault(
        "releases to the tail",
        "Settling",
        "adapter.py",
        "self._store.move(job, job.waiting(job.run_at))",
        "self._store.move(job, job.waiting(now))",
    ),
    Fault(
        "forgets the checkpoint",
        "Settling",
        "adapter.py",
        "self._store.move(job, job.rewritten(payload))\n",
        "self._store.move(job, job)\n",
    ),
    Fault(
        "ends the claim at a checkpoint",
        "Settling",
        "adapter.py",
        "self._store.move(job, job.rewritten(payload))\n",
        "self._store.move(job, job.rewritten(payload).waiting(job.run_at))\n",
    ),
    Fault(
        "runs buried jobs again",
        "Settling",
        "adapter.py",
        "job.rewritten(payload).ended(State.DEAD, now)",
        "job.rewritten(payload).waiting(now)",
    ),
    Fault(
        "requeues to the old queue",
        "Requeueing",
        "records.py",
        "            envelope = Envelope.of(payload)\n",
        "            envelope = self.envelope\n",
    ),
    Fault(
        "requeues the old text",
        "Requeueing",
        "records.py",
        "text=payload.text, envelope=envelope)",
        "envelope=envelope)",
    ),
    Fault(
        "requeues to the tail what belongs to the head",
        "Requeueing",
        "adapter.py",
        "job.run_at if settlement.head else now",
        "now",
    ),
    Fault(
        "requeues to the head what belongs to the tail",
        "Requeueing",
        "adapter.py",
        "job.run_at if settlement.head else now",
        "job.run_at",
    ),
    # Text
    Fault(
        "writes text again in its own way",
        "Preserving",
        "store.py",
        "payload.text, envelope, state",
        "__import__('json').dumps(payload.fields), envelope, state",
    ),
    Fault(
        "loses unknown fields",
        "Preserving",
        "records.py",
        "text=payload.text, envelope=envelope)",
        "text=payload.replace(future=None).text, envelope=envelope)",
    ),
    Fault(
        "cannot bury what is no job",
        "Settling",
        "records.py",
        "        except PayloadError:\n            envelope = self.envelope\n",
        "        except PayloadError:\n            raise\n",
    ),
    # Tallies
    Fault(
        "counts twice",
        "Tallying",
        "store.py",
        "processed=day.processed + 1",
        "processed=day.processed + 2",
    ),
    Fault(
        "counts what is stale",
        "Tallying",
        "adapter.py",
        "            return False\n        now",
        "            self._store.count(getattr(settlement, 'tally', None), self._clock.time())\n"
        "            return False\n        now",
    ),
    Fault(
        "does not count failures as processed",
        "Tallying",
        "store.py",
        "processed=day.processed + 1",
        "processed=day.processed + (tally is not Tally.FAILED)",
    ),
    # Workers
    Fault(
        "does not move the counter",
        "Leasing",
        "leases.py",
        "beat=known.beat + 1",
        "beat=known.beat",
    ),
    Fault(
        "registers whoever beats",
        "Leasing",
        "leases.py",
        "(Worker(lease) if register else None)",
        "Worker(lease)",
    ),
    Fault(
        "calls held what another worker holds",
        "Leasing",
        "leases.py",
        "held = {job.receipt for job in self._store.held(worker)}",
        "held = self._store.claimed",
    ),
    Fault(
        "retires to the tail",
        "Retiring",
        "leases.py",
        "self._store.move(job, job.waiting(job.run_at))",
        "self._store.move(job, job.waiting(self._clock.time()))",
    ),
    Fault(
        "retires and stays registered",
        "Retiring",
        "leases.py",
        "self._store.workers.pop(worker, None)",
        "self._store.workers.get(worker, None)",
    ),
    Fault(
        "holds what others hold",
        "Holding",
        "store.py",
        "for job in self._places[State.RUNNING] if job.worker == worker]",
        "for job in self._places[State.RUNNING]]",
    ),
    Fault(
        "forgets to compare the counter",
        "Recovering",
        "leases.py",
        "beat not in (None, lost.beat)",
        "False",
    ),
    Fault(
        "leaves the dead worker registered",
        "Recovering",
        "leases.py",
        "            del self._store.workers[worker]\n",
        "",
    ),
    Fault(
        "recovers for anybody",
        "Recovering",
        "leases.py",
        "            self._registered(to)\n",
        "",
    ),
    Fault(
        "enqueues what it should hand on",
        "Recovering",
        "leases.py",
        "return [self._store.lend(job, to, now).claim for job in self._store.held(worker)]",
        "return [(self._store.move(job, job.waiting(now)), job.claim)[1]"
        " for job in self._store.held(worker)]",
    ),
    Fault(
        "recovers without the lock",
        "Competing",
        "leases.py",
        "        with self._lock:\n            lost =",
        "        if True:\n            lost =",
    ),
    # Capabilities
    Fault(
        "ignores the pause",
        "Pausing",
        "adapter.py",
        "if name not in self._store.paused",
        "if name",
    ),
    Fault(
        "wakes nobody",
        "Waiting",
        "store.py",
        "            self.changed.notify_all()\n",
        "            pass\n",
    ),
    Fault(
        "waits without looking",
        "Waiting",
        "adapter.py",
        "self._lock.wait_for(lambda: any(self._claimable(queues)), timeout)",
        "self._lock.wait(timeout)",
    ),
    Fault(
        "tells the age of the most urgent, not of the oldest",
        "Inspecting",
        "inspection.py",
        "min(_oldest_by_priority(index), default=now)",
        "next(_oldest_by_priority(index), now)",
    ),
    Fault(
        "forgets a worker's presence when its supervisor beats",
        "Inspecting",
        "leases.py",
        "presence=presence or known.presence",
        "presence=presence",
    ),
    Fault(
        "does not find who died",
        "Finding",
        "adapter.py",
        "self._store.move(job, job.rewritten(payload).ended(State.DEAD, now))",
        "self._store.remove(job)",
    ),
    Fault(
        "skips a job between two pages",
        "Listing",
        "inspection.py",
        "_cursor(items[-1].key) if more",
        "_cursor(found[-1].key) if more",
    ),
    Fault(
        "lists the dead oldest first",
        "Listing",
        "store.py",
        "_NEWEST_FIRST: Final = (State.DEAD, State.COMPLETED)",
        "_NEWEST_FIRST: Final = (State.COMPLETED,)",
    ),
    Fault(
        "takes text for a pattern",
        "Filtering",
        "inspection.py",
        'and (where.text or "") in job.text',
        "and __import__('re').search(where.text or '', job.text)",
    ),
    Fault(
        "moves what is elsewhere by now",
        "Moving",
        "store.py",
        "return job if (job.state, job.text) == (seen.state, seen.payload.text) else None",
        "return job",
    ),
    Fault(
        "overwrites what ran and came back",
        "Moving",
        "store.py",
        "return job if (job.state, job.text) == (seen.state, seen.payload.text) else None",
        "return job if job.state is seen.state else None",
    ),
    Fault(
        "deletes what runs",
        "Deleting",
        "store.py",
        "if job is None or job.state is State.RUNNING:",
        "if job is None:",
    ),
    Fault(
        "clears a part of the queue",
        "Deleting",
        "management.py",
        "jobs = list(self._store.queue(queue))",
        "jobs = list(self._store.queue(queue))[:1]",
    ),
    Fault(
        "gives the worker's orders to its supervisor",
        "Commanding",
        "leases.py",
        "self._store.workers[worker] = beaten\n",
        "self._store.workers[worker] = replace(beaten, orders=frozenset())\n",
    ),
    Fault(
        "repeats its orders",
        "Commanding",
        "leases.py",
        "replace(beaten, lease=lease, orders=frozenset())",
        "replace(beaten, lease=lease)",
    ),
    Fault(
        "trims the newest dead",
        "Keeping",
        "upkeep.py",
        "for nth, job in enumerate(islice(dead, limit)):",
        "for nth, job in enumerate(islice(dead.descending(), limit)):",
    ),
    Fault(
        "keeps the dead for ever",
        "Keeping",
        "upkeep.py",
        "if nth < too_many or job.at <= too_old:",
        "if nth < too_many:",
    ),
    Fault(
        "keeps no finished job",
        "Keeping",
        "adapter.py",
        "if self._retention.keep_finished > 0:",
        "if self._retention.keep_finished > 1e9:",
    ),
)

MODEL = "Modelled"
SOUND = Fault("nothing is wrong", "Settling", "no file", "", "")

#: By the name of its test class; the sound one is tried as well.
SUSPECTS = {"Test_" + re.sub(r"\W+", "_", fault.name): fault for fault in (SOUND, *FAULTS)}
