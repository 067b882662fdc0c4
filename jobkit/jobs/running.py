"""Running jobs: the `Runnable` of a payload for workers, and `perform_now`."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from jobkit import backends
from jobkit.callbacks import Callbacks
from jobkit.clock import SYSTEM
from jobkit.errors import Abort, UnknownJob, UnknownVersion
from jobkit.execution import Await, attempt, current, judge
from jobkit.handlers import Policy, Rule
from jobkit.holding import amended
from jobkit.jobs import registry
from jobkit.jobs.enqueueing import adapter_of, put
from jobkit.jobs.instances import loaded
from jobkit.jobs.plan import Plan, plan_by_name, plan_of, policy_for
from jobkit.jobs.writing import payload_of
from jobkit.outcome import Discarded, Retried, Snoozed, Succeeded
from jobkit.payload import Payload
from jobkit.propagation import fresh_context, restore
from jobkit.settlement import with_retry, with_snooze

__all__ = ["Run", "aperform_now", "perform_now", "run_of"]


class Run:
    """One run of one job, as `jobkit.execution` sees it."""

    __slots__ = ("_plan", "began", "job", "payload")

    began: float | None
    """When its body did, in monotonic seconds; None as long as it has not."""

    def __init__(self, job: Any, plan: Plan, payload: Payload) -> None:
        self.began = None
        self.job = job
        self.payload = payload
        self._plan = plan

    @property
    def executions(self) -> int:
        return self.payload.executions + 1

    @property
    def timeout(self) -> float | None:
        """Seconds that the body may take, as the payload says, else the class; None is no limit."""
        said = "timeout" in self.payload.fields
        return self.payload.timeout if said else self._plan.options.timeout

    @property
    def isolated(self) -> bool:
        """True when the run is to have a process of its own."""
        return self._plan.options.isolation == "process"

    @property
    def max_memory(self) -> int | None:
        """Megabytes that the process of an isolated run may take."""
        return self._plan.options.max_memory

    @property
    def store_result(self) -> float | None:
        """Seconds that the result is kept; None, it is not."""
        return self._plan.options.store_result

    @property
    def module(self) -> str:
        """The module whose import registers the class."""
        return registry.importable_module(type(self.job).__module__)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._plan.rules

    @property
    def policy(self) -> Policy:
        return policy_for(self._plan.options, self.payload)

    @property
    def callbacks(self) -> Callbacks:
        return self._plan.callbacks

    def call(self) -> Any:
        self.began = monotonic()
        args, kwargs = self.job._loaded()
        return self.job.perform(*args, **kwargs)


class UnknownRun(Run):
    """The run of a job whose class, or its version, is not here: it fails by the default policy."""

    __slots__ = ("_error",)

    def __init__(self, job: Any, plan: Plan, payload: Payload, error: UnknownJob) -> None:
        super().__init__(job, plan, payload)
        self._error = error

    def call(self) -> Any:
        raise self._error


def run_of(payload: Payload, base: Any) -> Run:
    """The run of a payload; `base` stands in for a class that is not registered here.

    Raises PayloadError when the payload is malformed.
    """
    name = payload.job_class
    try:
        job_class = registry.lookup(name)
    except UnknownJob as error:
        plan = plan_by_name(name)
        return UnknownRun(loaded(base, plan, payload), plan, payload, error)
    plan = plan_of(job_class)
    if payload.version > plan.version:
        return _not_yet(payload, base, plan.version)
    return Run(loaded(job_class, plan, payload), plan, payload)


def _not_yet(payload: Payload, base: Any, known: int) -> Run:
    """The run of a job that only a newer class can run: like one whose class is not here."""
    name = payload.job_class
    plan = plan_by_name(name)
    error = _too_new(name, payload.version, known) if known else _bodiless(name)
    return UnknownRun(loaded(base, plan, payload), plan, payload, error)


def _too_new(name: str, stored: int, known: int) -> UnknownVersion:
    return UnknownVersion(
        f"the job was stored with version {stored} of the arguments of {name}, the class "
        f"here has version {known}: deploy the newer one; the job is kept and tried again"
    )


def _bodiless(name: str) -> UnknownJob:
    return UnknownJob(
        f"the class {name} has no perform here: deploy the code in which it has one; the job is "
        "kept and tried again"
    )


def perform_now(job: Any) -> Any:
    """Run an instance here; see `Job.perform_now`."""
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    if inspect.iscoroutinefunction(type(job).perform) and _inside_a_loop():
        raise RuntimeError(
            f"{job._plan.name}.perform_now() cannot wait for a coroutine inside a running event "
            "loop: use `await aperform_now(...)`"
        )
    return _perform_now(job, asyncio.run)


async def aperform_now(job: Any) -> Any:
    """`perform_now` beside a running loop: the body runs on it, the rest in a thread."""
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    loop = asyncio.get_running_loop()

    def wait_for(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    return await asyncio.to_thread(_perform_now, job, wait_for)


def _perform_now(job: Any, wait_for: Await) -> Any:
    # As text, so that what the body does to its arguments changes neither a retry nor the caller's.
    payload = Payload(payload_of(job, SYSTEM.time()).text)
    run = Run(_running(job, payload), job._plan, payload)
    return fresh_context().run(_performed, run, wait_for)


def _performed(run: Run, wait_for: Await) -> Any:
    current.set(run.job)
    try:
        restore(run.payload)
        return attempt(run, wait_for)
    except Abort:
        return None
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise  # meant for the caller's program, not for the job
    except BaseException as error:  # noqa: BLE001 - judged, and raised again where it must be
        return _handled(run, error)


def _running(job: Any, payload: Payload) -> Any:
    """The instance again, as a worker would see it: fresh arguments, one execution."""
    running = loaded(type(job), job._plan, payload)
    running._given = job._given
    return running


def _handled(run: Run, error: BaseException) -> Any:
    outcome = judge(run, error, SYSTEM.time(), by_policy=False)
    match outcome:
        case Succeeded(result=result):
            return result
        case Retried() | Snoozed():
            _again(run, outcome)
        case Discarded():
            pass
        case _:
            raise error
    return None


def _again(run: Run, outcome: Retried | Snoozed) -> None:
    adapter = adapter_of(run.job)
    now = backends.now(adapter)
    payload = amended(run.job, run.payload)
    if isinstance(outcome, Retried):
        payload = with_retry(payload, outcome, now)
    else:
        payload = with_snooze(payload, outcome, now)
    put(adapter, [payload])


def _inside_a_loop() -> bool:
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
