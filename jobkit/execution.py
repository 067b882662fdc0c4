"""Run one job and say what must happen to it.

`attempt` runs it: middleware, arguments, callbacks, body. `judge` reads an error by the failure
rules, runs the hooks that belong to the verdict and returns an `Outcome`. `execute` is both. Only
a small `Runnable` is known here, so that the rules can be read and tested without jobs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from operator import index
from typing import Any, Final, NoReturn

from jobkit import events, middleware
from jobkit.backoff import policy_delay, policy_jitter, within_bounds
from jobkit.callbacks import surround
from jobkit.clock import Clock, as_seconds
from jobkit.errors import (
    Abort,
    BuryJob,
    DiscardJob,
    Interrupted,
    JobCancelled,
    RetryJob,
    SnoozeJob,
)
from jobkit.failure import failure_of, message_of
from jobkit.handlers import (
    BURY,
    DEFAULT,
    DISCARD,
    DiscardRule,
    Policy,
    RescueRule,
    RetryRule,
    find,
)
from jobkit.holding import current, is_cancelled, is_stopping, stop_signal
from jobkit.outcome import (
    SUCCEEDED,
    Abandoned,
    Buried,
    Discarded,
    Dropped,
    Outcome,
    Released,
    Retried,
    Snoozed,
    Succeeded,
)
from jobkit.payload import Payload
from jobkit.propagation import fresh_context, restore
from jobkit.runnable import Await, Runnable
from jobkit.settings import check_queue_name

__all__ = [
    "Await",
    "Runnable",
    "attempt",
    "buried",
    "current",
    "dropped",
    "execute",
    "is_stopping",
    "judge",
    "stop_signal",
]

MOST_RETRIES: Final = 25
"""Retries under the default policy: about 20 days."""


def execute(run: Runnable, *, clock: Clock, wait_for: Await) -> Outcome:
    """Run the job in a context of its own; whatever it raises becomes an outcome."""
    return fresh_context().run(_execute, run, clock, wait_for)


def _execute(run: Runnable, clock: Clock, wait_for: Await) -> Outcome:
    current.set(run.job)
    outcome: Outcome
    try:
        restore(run.payload)
        # Few jobs expire: the others need not ask what time it is.
        late = _expired(run, clock.time()) if "expires_at" in run.payload.fields else None
        outcome = late or _succeeded(attempt(run, wait_for))
    except Abort:
        outcome = Succeeded(halted=True)
    except Abandoned:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is the job's failure
        outcome = _decided(run, error) or judge(run, error, clock.time())
    try:
        if (steps := _steps_of(run)) is not None:
            steps.ended(outcome)
        return outcome
    finally:
        # Its error has a traceback, which has this frame and those that called it: whichever of
        # them still named the outcome would make a ring that only the garbage collector frees.
        del outcome


def _succeeded(result: Any) -> Outcome:
    return SUCCEEDED if result is None else Succeeded(result)


def attempt(run: Runnable, wait_for: Await) -> Any:
    """The result of one run. Raises what it raises, Abort when a before callback stopped it."""
    if not middleware.entries():
        return _within_callbacks(run, wait_for)
    return middleware.run_perform(run.job, lambda: _within_callbacks(run, wait_for))


def judge(run: Runnable, error: BaseException, now: float, *, by_policy: bool = True) -> Outcome:
    """What an error means for the job, hooks included.

    Control errors first, then the declared rules, then the class's policy. Without `by_policy` an
    error that no rule names is final: it is raised, once `after_discard` has run.
    """
    steps = _steps_of(run)
    if steps is not None:
        error = steps.judged(error)
    controlled = _controlled(run, error, now)
    if controlled is not None:
        return controlled
    met = find(run.rules, error)
    would_retry = met is None or isinstance(met[0], RetryRule)
    if steps is not None and would_retry and steps.goes_on_after(error):
        middleware.notify("on_error", run.job, error)
        failed: Outcome = steps.failed(error, now)
        return failed
    if met is None:
        return _by_policy(run, error, now) if by_policy else _given_up(run, error)
    rule, cause = met
    match rule:
        case RetryRule():
            return _by_retry_rule(run, rule, error, now)
        case DiscardRule():
            return _by_discard_rule(run, rule, cause)
        case RescueRule():
            return _rescued(run, rule, cause, now, by_policy=by_policy)


def buried(run: Runnable, error: BaseException, now: float) -> Outcome:
    """The job is not run again: it ends by `error` as if its attempts were used up."""
    return fresh_context().run(_buried, run, error, now)


def dropped(run: Runnable, why: DiscardJob) -> Outcome:
    """The job is not run: it is discarded for that reason."""
    return fresh_context().run(_dropped, run, why)


def _dropped(run: Runnable, error: DiscardJob) -> Outcome:
    current.set(run.job)
    _told(run, "restoring the context", partial(restore, run.payload))
    return _discarded(run, error)


def _buried(run: Runnable, error: BaseException, now: float) -> Outcome:
    current.set(run.job)
    _told(run, "restoring the context", partial(restore, run.payload))
    return _exhausted(run, error, now)


def _steps_of(run: Runnable) -> Any:
    """The `jobkit.steps.Steps` of a run that came to one; None for nearly all."""
    return getattr(run.job, "_steps", None)


def _expired(run: Runnable, now: float) -> Outcome | None:
    if not run.payload.has_expired(now):
        return None
    return _discarded(run, DiscardJob("expired before it was started"))


def _decided(run: Runnable, error: BaseException) -> Outcome | None:
    """The outcome of a run that its own transaction has decided already, or who cancelled it."""
    completion = getattr(run.job, "_completion", None)
    outcome: Outcome | None = None if completion is None else completion.outcome_after(error)
    if outcome is None and is_cancelled(run.job):
        cancelled = JobCancelled()
        cancelled.__cause__ = error
        return _discarded(run, cancelled)
    return outcome


def _within_callbacks(run: Runnable, wait_for: Await) -> Any:
    known = run.callbacks
    if not (known.before_perform or known.around_perform or known.after_perform):
        return _body(run, wait_for)
    return surround(
        run.job,
        lambda: _body(run, wait_for),
        before=known.before_perform,
        around=known.around_perform,
        after=known.after_perform,
    )


def _body(run: Runnable, wait_for: Await) -> Any:
    result = run.call()
    return wait_for(result) if inspect.iscoroutine(result) else result


def _controlled(run: Runnable, error: BaseException, now: float) -> Outcome | None:
    """What a control error asks for."""
    match error:
        case Interrupted():
            steps = _steps_of(run)
            return Released() if steps is None else steps.interrupted()
        case RetryJob(wait=wait):
            delay = _asked_delay(run, wait)
            counts = run.payload.exception_executions
            return Retried(delay, None, counts, *_asked_place(run, error))
        case SnoozeJob(wait=wait):
            return Snoozed(_asked_delay(run, wait))
        case DiscardJob():
            return _discarded(run, error)
        case BuryJob():
            return _ended(run, error, now, dead=True)
        case _:
            return None


def _asked_delay(run: Runnable, wait: Any) -> float:
    """The wait that a control error carries, the policy's where it is none or makes no sense."""
    default = policy_delay(max(run.executions - 1, 0))
    if wait is None:
        return default
    asked = partial(as_seconds, wait)
    return within_bounds(_guarded(run, "the wait asked for", asked, default))


def _asked_place(run: Runnable, error: RetryJob) -> tuple[str | None, int | None]:
    """Queue and priority that the error asks for; what no store could hold is passed over."""
    queue: Any = error.queue
    priority: Any = error.priority
    if queue is not None:
        queue = _guarded(run, "the queue asked for", partial(check_queue_name, queue), None)
    if priority is not None:
        priority = _guarded(run, "the priority asked for", partial(index, priority), None)
    return queue, priority


def _by_retry_rule(run: Runnable, rule: RetryRule, error: BaseException, now: float) -> Outcome:
    counts = dict(run.payload.exception_executions)
    failures = counts[rule.key] = counts.get(rule.key, 0) + 1
    if rule.attempts is not None and failures >= rule.attempts:
        return _exhausted_rule(run, rule, error, now, counts)
    middleware.notify("on_error", run.job, error)
    delay = _guarded(run, "wait", lambda: rule.backoff(failures), policy_delay(failures - 1))
    return Retried(delay, failure_of(error, now), counts, rule.queue, rule.priority)


def _exhausted_rule(
    run: Runnable, rule: RetryRule, error: BaseException, now: float, counts: dict[str, int]
) -> Outcome:
    events.emit("retry_stopped", job=run.job, error=error)
    handler = rule.on_exhausted
    if handler is None or not _told(run, "on_exhausted", lambda: handler(run.job, error)):
        return _exhausted(run, error, now, counts)
    middleware.notify("on_error", run.job, error)
    return _discarded(run, error)


def _by_discard_rule(run: Runnable, rule: DiscardRule, error: BaseException) -> Outcome:
    handler = rule.handler
    if handler is not None:
        _told(run, "the handler of discard_on", lambda: handler(run.job, error))
    return _discarded(run, error)


def _rescued(
    run: Runnable, rule: RescueRule, error: BaseException, now: float, *, by_policy: bool
) -> Outcome:
    try:
        return Succeeded(getattr(run.job, rule.method)(error))
    except BaseException as raised:  # noqa: BLE001 - as above
        # Not by the rules again: the method's own error could meet it for ever.
        controlled = _controlled(run, raised, now)
        if controlled is not None:
            return controlled
        return _by_policy(run, raised, now) if by_policy else _given_up(run, raised)


def _by_policy(run: Runnable, error: BaseException, now: float) -> Outcome:
    policy, payload = run.policy, run.payload
    if policy.retry is False:
        return _ended(run, error, now, dead=False)
    count = _policy_count(payload)
    if _used_up(policy, payload, count, now):
        events.emit("retry_stopped", job=run.job, error=error)
        return _exhausted(run, error, now)
    verdict = _retry_in(run, error, count)
    if verdict is DISCARD:
        middleware.notify("on_death", run.job, error)
        return _discarded(run, error)
    if verdict is BURY:
        return _exhausted(run, error, now)
    middleware.notify("on_error", run.job, error)
    return Retried(verdict, failure_of(error, now), payload.exception_executions)


def _policy_count(payload: Payload) -> int:
    """Failures so far that the policy answered for: all of them less those of declared rules."""
    failures = 0 if payload.retry_count is None else payload.retry_count + 1
    return max(0, failures - sum(payload.exception_executions.values()))


def _used_up(policy: Policy, payload: Payload, count: int, now: float) -> bool:
    if policy.retry_for is not None:
        # A dead job that is run again keeps the old moment, but has no failures any more.
        first = None if payload.retry_count is None else payload.failed_at
        return now - (now if first is None else first) >= policy.retry_for
    return count >= (MOST_RETRIES if policy.retry is True else policy.retry)


def _retry_in(run: Runnable, error: BaseException, count: int) -> Any:
    """The delay in seconds, or the verdict DISCARD or BURY."""
    asked = run.policy.retry_in
    if asked is None:
        return policy_delay(count)
    answer = _guarded(run, "retry_in", lambda: asked(run.executions, error), DEFAULT)
    if answer is DISCARD or answer is BURY:
        return answer
    if answer is None or answer is DEFAULT:
        return policy_delay(count)
    seconds = _guarded(run, "retry_in", partial(as_seconds, answer), 0.0)
    return within_bounds(seconds + policy_jitter(count)) if seconds > 0 else policy_delay(count)


def _exhausted(
    run: Runnable, error: BaseException, now: float, counts: dict[str, int] | None = None
) -> Outcome:
    """No attempts are left: the class is asked, then it is the end."""
    dead = run.policy.dead
    for name in run.callbacks.on_exhausted:
        answer = _guarded(run, name, partial(getattr(run.job, name), error), None)
        dead = dead and answer is not DISCARD
    return _ended(run, error, now, dead=dead, counts=counts)


def _ended(
    run: Runnable,
    error: BaseException,
    now: float,
    *,
    dead: bool,
    counts: dict[str, int] | None = None,
) -> Outcome:
    """The job failed for good: into the dead set, or gone."""
    middleware.notify("on_error", run.job, error)
    middleware.notify("on_death", run.job, error)
    _after_discard(run, error)
    failure = failure_of(error, now)
    if not dead:
        return Dropped(failure)
    return Buried(failure, run.payload.exception_executions if counts is None else counts)


def _given_up(run: Runnable, error: BaseException) -> NoReturn:
    """Nobody here answers for the error: the caller does."""
    _after_discard(run, error)
    raise error


def _discarded(run: Runnable, error: BaseException) -> Outcome:
    _after_discard(run, error)
    return Discarded(message_of(error) or type(error).__name__)


def _after_discard(run: Runnable, error: BaseException) -> None:
    for name in reversed(run.callbacks.after_discard):
        _told(run, name, partial(getattr(run.job, name), error))


def _told(run: Runnable, where: str, hook: Callable[[], object]) -> bool:
    """Run an application's hook; False when it raised, which is reported and harms nobody."""
    try:
        hook()
    except KeyboardInterrupt:
        raise
    except BaseException as failure:  # noqa: BLE001 - an application's hook may raise anything
        middleware.report(where, run.job, failure)
        return False
    return True


def _guarded(run: Runnable, where: str, asked: Callable[[], Any], fallback: Any) -> Any:
    """The answer of an application's callable, or the fallback when it raised."""
    try:
        return asked()
    except KeyboardInterrupt:
        raise
    except BaseException as failure:  # noqa: BLE001 - an application's hook may raise anything
        middleware.report(where, run.job, failure)
        return fallback
