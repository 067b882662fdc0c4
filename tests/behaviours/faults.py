"""Faults to be seeded into the core and the test kit: which behaviour's tests must see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One place of a module made wrong."""

    behaviour: str
    name: str
    module: str
    right: str
    wrong: str


FAULTS: Final = (
    # A
    Fault(
        "A1",
        "gives nothing back",
        "jobkit.jobs.running",
        "        return attempt(run, wait_for)\n",
        "        attempt(run, wait_for)\n",
    ),
    Fault(
        "A2",
        "says that a job is due when it was made",
        "jobkit.jobs.told",
        "        seconds = super()._read(payload)\n",
        "        seconds = payload.created_at\n",
    ),
    Fault(
        "A9",
        "asks the class for the queue before the call",
        "jobkit.jobs.instances",
        'given.get("queue") or options.queue',
        'options.queue or given.get("queue")',
    ),
    Fault(
        "A10",
        "passes over the call's priority",
        "jobkit.jobs.instances",
        'given.get("priority", options.priority)',
        "options.priority",
    ),
    Fault(
        "A12",
        "stores every class where its base belongs",
        "jobkit.jobs.enqueueing",
        'job._given.get("backend", job._plan.options.backend)',
        'job._given.get("backend", type(job).__base__._options.backend)',
    ),
    Fault(
        "A13",
        "sends what a rollback should drop",
        "jobkit.transactions.sessions",
        "            drop(kept)\n",
        "            beside_the_loop(send, kept)\n",
    ),
    Fault(
        "A3",
        "pretends that a lost job was stored",
        "jobkit.jobs.enqueueing",
        '        raise EnqueueError(f"the job was not stored: {error}") from error\n',
        "        return\n",
    ),
    Fault(
        "A6",
        "forgets that the run was aborted",
        "jobkit.execution",
        "outcome = Succeeded(halted=True)",
        "outcome = Succeeded()",
    ),
    Fault(
        "A7",
        "calls the after callbacks before the around ones are left",
        "jobkit.callbacks",
        "        returned.append(body())\n",
        "        returned.append(body())\n"
        "        [getattr(job, name)() for name in reversed(after)]\n"
        "        after = ()\n",
    ),
    Fault(
        "A8",
        "stores all jobs of a call where the first one belongs",
        "jobkit.jobs.enqueueing",
        "groups[adapter].append((job, payload))",
        "groups[adapters[names[0]]].append((job, payload))",
    ),
    Fault(
        "A11",
        "keeps the options of a call for the next one",
        "jobkit.jobs.verbs",
        "return Configured(self._job_class, settings_of({**self._options, **options}))",
        "self._options.update(settings_of({**self._options, **options})); return self",
    ),
    Fault(
        "A15",
        "does not say that an enqueue was aborted",
        "jobkit.jobs.enqueueing",
        "aborted = not job.successfully_enqueued",
        "aborted = False",
    ),
    # B
    Fault(
        "B2",
        "takes any key",
        "jobkit.arguments.exact",
        "if type(key) is not str:",
        "if False:",
    ),
    Fault(
        "B3",
        "stores the look of what it cannot store",
        "jobkit.arguments.parameters",
        "        except Unstorable as refusal:\n",
        "        except Unstorable as refusal:\n            return str(value)\n",
    ),
    Fault(
        "B5",
        "takes a job of an unknown class for done",
        "jobkit.jobs.running",
        "        raise self._error\n",
        "        return None\n",
    ),
    Fault(
        "B7",
        "keeps the first registration",
        "jobkit.arguments.serializers",
        "{**_serializers, type: serializer}",
        "{type: serializer, **_serializers}",
    ),
    Fault(
        "B1",
        "stores what comes back different",
        "jobkit.arguments.codecs",
        "        if type(loaded[0]) is not type(valid):\n            return False\n",
        "        return True\n",
    ),
    Fault(
        "B4",
        "hides a record that is gone among other failures",
        "jobkit.arguments.parameters",
        "        except JobkitError:\n            raise\n        except Exception as error:",
        "        except Exception as error:",
    ),
    Fault(
        "B6",
        "writes the whole payload anew when a field changes",
        "jobkit.payload",
        'return Payload("{" + ",".join(members.values()) + "}")',
        'return Payload.of(_parse("{" + ",".join(members.values()) + "}"))',
    ),
    Fault(
        "B8",
        "takes subclasses of JSON's own types",
        "jobkit.arguments.exact",
        "    kind = type(value)\n    if value is None",
        "    kind = next((k for k in (bool, int, str, list, dict) if isinstance(value, k)),"
        " type(value))\n    if value is None",
    ),
    Fault(
        "B9",
        "reads milliseconds as seconds",
        "jobkit.payload",
        "number / 1000 if type(fields[name]) is int else number",
        "number",
    ),
    # C
    Fault(
        "C1",
        "tries once more by default",
        "jobkit.handlers",
        "    attempts: int | None = 5,",
        "    attempts: int | None = 6,",
    ),
    Fault(
        "C5",
        "takes a negative jitter for none",
        "jobkit.backoff",
        "random.random() * spread * seconds",
        "random.random() * max(spread, 0.0) * seconds",
    ),
    Fault(
        "C6",
        "gives up after a hundred attempts",
        "jobkit.execution",
        "if rule.attempts is not None and failures >= rule.attempts:",
        "if failures >= (rule.attempts or 100):",
    ),
    Fault(
        "C8",
        "takes a discarded job for a failure",
        "jobkit.settlement",
        "        case Succeeded() | Discarded():\n",
        "        case Discarded():\n"
        "            return Ack(claim, Tally.FAILED)\n"
        "        case Succeeded():\n",
    ),
    Fault(
        "C9",
        "forgets the executions before",
        "jobkit.settlement",
        "executions=payload.executions + 1",
        "executions=1",
    ),
    Fault(
        "C11",
        "counts failures from 1",
        "jobkit.settlement",
        "retry_count=0 if before is None",
        "retry_count=1 if before is None",
    ),
    Fault(
        "C12",
        "loses a line of the backtrace",
        "jobkit.failure",
        "json.dumps(lines)",
        "json.dumps(lines[1:])",
    ),
    Fault(
        "C14",
        "takes 0 for a delay",
        "jobkit.execution",
        "within_bounds(seconds + policy_jitter(count)) if seconds > 0",
        "within_bounds(seconds + policy_jitter(count)) if seconds > -1",
    ),
    Fault(
        "C15",
        "asks the class whether to bury what the job says",
        "jobkit.execution",
        "            return _ended(run, error, now, dead=True)",
        "            return _ended(run, error, now, dead=run.policy.dead)",
    ),
    Fault(
        "C16",
        "tells of the exhaustion at every failure",
        "jobkit.execution",
        "    return Retried(verdict, failure_of(error, now)",
        "    [getattr(run.job, name)(error) for name in run.callbacks.on_exhausted]\n"
        "    return Retried(verdict, failure_of(error, now)",
    ),
    Fault(
        "C17",
        "keeps the dead of every class",
        "jobkit.execution",
        "    dead = run.policy.dead\n",
        "    dead = True\n",
    ),
    Fault(
        "C18",
        "charges a job for a shutdown",
        "jobkit.execution",
        "return Released() if steps is None else",
        "return Retried(0.0, failure_of(error, now)) if steps is None else",
    ),
    Fault(
        "C20",
        "drops text that is no job",
        "jobkit.worker.performing",
        "            return Bury(claim, claim.payload)\n",
        '            return __import__("jobkit").adapter.Ack(claim)\n',
    ),
    Fault(
        "C2",
        "counts the failures of all declarations together",
        "jobkit.execution",
        "counts[rule.key] = counts.get(rule.key, 0) + 1",
        "counts[rule.key] = sum(counts.values()) + 1",
    ),
    Fault(
        "C3",
        "puts the lower decorator first",
        "jobkit.jobs.plan",
        "(rule, *cls.__dict__.get(OWN_RULES, ()))",
        "(*cls.__dict__.get(OWN_RULES, ()), rule)",
    ),
    Fault(
        "C4",
        "adds the jitter to the two seconds as well, and more of it",
        "jobkit.backoff",
        "n**4 + 2 + _jittered(n**4, spread)",
        "n**4 + 2 + 2 * _jittered(n**4 + 2, spread)",
    ),
    Fault(
        "C7",
        "hands an exhausted rule on to the class's policy",
        "jobkit.execution",
        "        return _exhausted(run, error, now, counts)\n"
        '    middleware.notify("on_error", run.job, error)\n    return _discarded',
        "        return _by_policy(run, error, now)\n"
        '    middleware.notify("on_error", run.job, error)\n    return _discarded',
    ),
    Fault(
        "C13",
        "drops a job without retries instead of burying it",
        "jobkit.execution",
        "if policy.retry is False:",
        "if not policy.retry:",
    ),
    Fault(
        "C19",
        "tells nobody after a handler that raised",
        "jobkit.middleware",
        "            report(event, job, failure)\n",
        "            report(event, job, failure)\n            return\n",
    ),
    # D
    Fault(
        "D1",
        "lets a wrong type of time pass to where it breaks",
        "jobkit.jobs.options",
        "    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):\n"
        '        raise TypeError(f"{name} is {ascii',
        '    if isinstance(value, bool):\n        raise TypeError(f"{name} is {ascii',
    ),
    Fault(
        "D7",
        "makes an adapter for each thread that asks",
        "jobkit.backends",
        "    with _lock:\n        if (name, url) not in _made:",
        "    if True:\n        if (name, url) not in _made:",
    ),
    Fault(
        "D2",
        "counts a job that was stopped as stored",
        "jobkit.jobs.enqueueing",
        "    job.successfully_enqueued = False\n    return payload",
        "    job.successfully_enqueued = True\n    return payload",
    ),
    Fault(
        "D3",
        "spreads beyond the window",
        "jobkit.jobs.bulk",
        "random.random() * window",
        "random.random() * window * 2",
    ),
    Fault(
        "D4",
        "schedules what is due already",
        "jobkit.jobs.instances",
        "return moment if moment > now else None",
        "return moment",
    ),
    Fault(
        "D5",
        "runs the innermost middleware first",
        "jobkit.middleware",
        "    call = body\n    for entry in reversed(_entries):",
        "    call = body\n    for entry in _entries:",
    ),
    Fault(
        "D6",
        "asks the middleware again when a job falls due",
        "jobkit_inline.stage",
        "        started = self._started(claim)\n",
        "        started = self._started(claim)\n"
        "        __import__('jobkit').middleware.run_enqueue(claim.payload)\n",
    ),
    # H
    Fault(
        "H1",
        "passes over the queue that was named",
        "jobkit.jobs.unique",
        "            found[name] = job.queue\n",
        "            found[name] = None\n",
    ),
    Fault(
        "H2",
        "tells a loser its own id",
        "jobkit.jobs.enqueueing",
        "    job.duplicate_of = winner\n",
        "    job.duplicate_of = job.id\n",
    ),
    Fault(
        "H3",
        "holds the lock of a transaction that rolled back",
        "jobkit.jobs.enqueueing",
        "through = None if scope is None else scope.connection_to(adapter)",
        "through = None",
    ),
    Fault(
        "H4",
        "counts those of a bulk call that lost",
        "jobkit.jobs.enqueueing",
        "    return sum(job.successfully_enqueued is not False for job in jobs)\n",
        "    return len([*jobs])\n",
    ),
    Fault(
        "H5",
        "runs one more than the limit says",
        "jobkit_inline.memory.quotas",
        "return self.limit.to - len(self.taken)",
        "return self.limit.to + 1 - len(self.taken)",
    ),
    Fault(
        "H6",
        "forgets within a claim what it has lent",
        "jobkit_sql.verdict",
        "            used.update(limit.place for limit in under)\n",
        "            used.update(())\n",
    ),
    Fault(
        "H7",
        "says of a loser that it was enqueued",
        "jobkit.jobs.enqueueing",
        "    job.duplicate_of = winner\n",
        "    job.duplicate_of = winner\n    job.successfully_enqueued = True\n",
    ),
    Fault(
        "H8",
        "takes None for a key",
        "jobkit.jobs.limits",
        "    if found is None:\n        return None\n",
        "",
    ),
    Fault(
        "H9",
        "ticks at a skipped time as if it were not",
        "jobkit.cron",
        "        if not _at_times_of_day(self._fields):\n",
        "        if True:\n",
    ),
    Fault(
        "H10",
        "makes up for what is later than the grace",
        "jobkit.entries.due",
        "else max(grace, ON_TIME)",
        "else max(grace, 86_400.0)",
    ),
    Fault(
        "H11",
        "removes what was added at run time",
        "jobkit.entries.recurring",
        "if each.owner == owner and each.name not in entries:",
        "if each.name not in entries:",
    ),
    # I
    Fault(
        "I1",
        "passes over the item behind an interruption",
        "jobkit.steps.step",
        "enumerate(rest, done + 1)",
        "enumerate(rest, done + 2)",
    ),
    Fault(
        "I2",
        "charges an error after progress",
        "jobkit.steps.progress",
        "return self.advanced and self._holder is not None",
        "return not self.advanced and self._holder is not None",
    ),
    Fault(
        "I3",
        "does again what is done",
        "jobkit.steps.progress",
        "            self._expect(self._done[place], name)\n            return False\n",
        "            self._expect(self._done[place], name)\n            return True\n",
    ),
    Fault(
        "I4",
        "lets the next step into the run of an isolated one",
        "jobkit.steps.progress",
        "if isolated or self._alone:",
        "if isolated:",
    ),
    Fault(
        "I5",
        "resumes once more than it may",
        "jobkit.steps.progress",
        "self._stored.resumed < most",
        "self._stored.resumed <= most",
    ),
    Fault(
        "I6",
        "takes every run for the first",
        "jobkit.steps.progress",
        "resumes = self._stored != Stored()",
        "resumes = False",
    ),
    Fault(
        "I7",
        "lets a run go on when it was long enough",
        "jobkit.steps.progress",
        '            self._interrupt("max_run_time")\n',
        "            pass\n",
    ),
    Fault(
        "I8",
        "gives a list for a tuple",
        "jobkit.steps.cursors",
        "return tuple(_read(each) for each in value)",
        "return [_read(each) for each in value]",
    ),
    # J
    Fault(
        "J1",
        "has no callback come",
        "jobkit.batching",
        "Following(tuple(events), finished)",
        "Following((), finished)",
    ),
    Fault(
        "J2",
        "takes what fails for what succeeds",
        "jobkit.batching",
        "finished and not standing.failed and not standing.cancelled",
        "finished and not standing.cancelled",
    ),
    Fault(
        "J3",
        "does not wait for what is pending",
        "jobkit.batching",
        "finished = standing.closed and not standing.pending",
        "finished = standing.closed",
    ),
    Fault(
        "J4",
        "stores a block that was left by an error",
        "jobkit.jobs.batches",
        "return opening.drop if failed else opening.commit",
        "return opening.commit",
    ),
    Fault(
        "J5",
        "leaves the dead members where they are",
        "jobkit.jobs.members",
        "if job.state is State.DEAD]",
        "if job.state is State.RETRY]",
    ),
    # K
    Fault(
        "K1",
        "takes a time for equal that is two seconds off",
        "jobkit_inline.helpers.criteria",
        "timedelta(seconds=1)",
        "timedelta(seconds=2)",
    ),
    Fault(
        "K2",
        "lets jobs fall due by themselves",
        "jobkit_inline.fake",
        "            placed = [\n",
        "            self._verbs.maintain(limit=MOST_RUNS)\n            placed = [\n",
    ),
    Fault(
        "K3",
        "drains only what waited when it began",
        "jobkit_inline.fake",
        "while (job_id := self._next(NEVER if until is None else until, recur)) is not None:",
        "for job_id in [job.payload.id for job in self.waiting()]:",
    ),
    Fault(
        "K4",
        "leaves an adapter in use behind its block",
        "jobkit.backends",
        "        _local.reset(token)\n",
        "        pass\n",
    ),
    Fault(
        "K5",
        "lets the class's policy retry inline",
        "jobkit_inline.inline",
        "self._add([payload.replace(retry=False, limits=None)])",
        "self._add([payload.replace(limits=None)])",
    ),
    Fault(
        "K7",
        "waits for the commit of the transaction that a test's session has joined",
        "jobkit.transactions.sessions",
        "        if transaction is not None:\n            self._committed",
        '        if type(session.bind).__name__ == "Engine":\n            self._committed',
    ),
    # L
    Fault(
        "L1",
        "visits every other entry",
        "jobkit.inspection.inspector",
        "            yield page.items\n",
        "            yield page.items[::2]\n",
    ),
    Fault(
        "L2",
        "reschedules to another moment",
        "jobkit.inspection.inspector",
        "lambda job: _to_wait(job, at)",
        "lambda job: _to_wait(job, at + 60)",
    ),
    Fault(
        "L3",
        "writes what jobs hold into pages as it is",
        "jobkit.dashboard.site",
        "        autoescape=True,\n",
        "        autoescape=False,\n",
    ),
    Fault(
        "L3",
        "hides text that is no job",
        "jobkit.inspection.info",
        "args=[REDACTED if is_private(stored.payload) else stored.payload.text],",
        "args=[REDACTED],",
    ),
    Fault(
        "L4",
        "has an embedded worker stopped from afar",
        "jobkit.inspection.inspector",
        "if any(each.embedded for each in self.workers() if each.id == worker_id):",
        "if False:",
    ),
    Fault(
        "L5",
        "takes a sister site's requests for its own",
        "jobkit.dashboard.guard",
        'return site == "same-origin"',
        'return site != "cross-site"',
    ),
    Fault(
        "L6",
        "forgets the filter on the next page",
        "jobkit.dashboard.pages",
        '            "queue": self.queue,\n            "job": self.job,\n',
        '            "queue": self.queue,\n            "job": None,\n',
    ),
)
