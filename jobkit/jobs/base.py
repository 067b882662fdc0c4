"""`Job`, the class that every job inherits."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar, Unpack, overload

from jobkit import execution, holding
from jobkit.callbacks import KINDS, collect, refuse_async
from jobkit.errors import DeserializationError
from jobkit.handlers import Rule, rescues_of, rules_of
from jobkit.jobs import enqueueing, plan, registry
from jobkit.jobs.instances import NO_OPTIONS, made
from jobkit.jobs.options import (
    JobOptions,
    Options,
    Seconds,
    SetOptions,
    When,
    check_name,
    merged,
    refuse_attributes,
)
from jobkit.jobs.resulting import Resulting
from jobkit.jobs.stored import Upgraded, stored_arguments
from jobkit.jobs.told import moment, told
from jobkit.jobs.verbs import Configured, Performs, Row
from jobkit.payload import Payload
from jobkit.transactions import Completing, Completion, completing

if TYPE_CHECKING:
    from jobkit.adapter import Claim
    from jobkit.jobs.batches import Batch
    from jobkit.steps import Steps
    from jobkit.transactions.subjects import Transactional

__all__ = ["Job"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
J = TypeVar("J")


class Job(Resulting):
    """A kind of background job: define `perform`, give options as class keywords.

        class WelcomeEmail(Job, queue="mailers", retry=5):
            def perform(self, user_id: int, *, locale: str = "en") -> None: ...

        WelcomeEmail.perform_later(1)

    An instance is one job: enqueued (what the verbs return) or running (`self` in `perform`).
    """

    id: str = told()
    """32 hex digits; made where the job is enqueued."""
    queue: str = told()
    priority: int = told()
    tags: tuple[str, ...] = told()
    executions: int = 0
    """Runs so far: 0 before the first, 1 during it."""
    created_at: datetime | None = moment()
    enqueued_at: datetime | None = moment()
    scheduled_at: datetime | None = moment()
    """When it is due; None for now."""
    successfully_enqueued: bool | None
    """True once it is stored; False when a callback or middleware stopped it, or an equal job."""
    duplicate_of: str | None = None
    """The id of the stored job that this unique one was skipped for."""

    _options: ClassVar[Options] = Options()
    _name: ClassVar[str] = "jobkit.Job"
    _localns: ClassVar[dict[str, Any] | None] = None

    # Of one instance, set where it is made (`jobkit.jobs.instances`).
    _plan: plan.Plan
    _given: SetOptions
    _payload: Payload | None = None
    _arguments: tuple[list[Any], dict[str, Any]] | None = None
    _dumped: tuple[list[Any], dict[str, Any]] | None = None
    """The stored form of the arguments, where they wait for a commit."""
    _completion: Completion | None = None
    """Of a run by a worker."""
    _claim: Claim | None = None
    """Of a run by whoever holds the job; None where nobody does (`perform_now`)."""
    _progress: Mapping[str, Any] | None = None
    _told_at: float = float("-inf")
    _steps: Steps | None = None
    """Of a run that has come to its first step."""

    def __init_subclass__(cls, **options: Unpack[JobOptions]) -> None:
        super().__init_subclass__()
        refuse_attributes(vars(cls), cls.__name__)
        _refuse_rules_on_methods(cls)
        _refuse_async_hooks(cls)
        _make_classmethod(cls, "upgrade")
        cls._options = merged(cls._options, options, cls.__name__)
        known_as = registry.importable_name(cls.__module__, cls.__qualname__)
        cls._name = check_name(options.get("name", known_as))
        if not any(base.__dict__.get("perform") is cls.perform for base in _job_bases(cls)):
            cls._localns = _locals_of_definition(cls)
        plan.forget_plan(cls)
        registry.register(cls, cls._name, options.get("aliases", ()))

    if TYPE_CHECKING:

        def _self(self) -> Self: ...

    @plan.left_out
    def perform(self, *args: Any, **kwargs: Any) -> Any:
        """The body of the job. Of an `async def` the coroutine runs on the worker's event loop."""
        raise NotImplementedError(f"{type(self).__name__} does not define perform")

    @property
    def args(self) -> list[Any]:
        """The positional arguments. Raises DeserializationError when they cannot be loaded."""
        return self._loaded()[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments; see `args`."""
        return self._loaded()[1]

    @property
    def batch(self) -> Batch | None:
        """The batch that the job is a member of, or whose callback it is."""
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.batches import batch_of_job  # noqa: PLC0415

        return batch_of_job(self)

    @property
    def stopping(self) -> bool:
        """True when the worker is about to stop: finish, or raise `Interrupted` to go on later."""
        return execution.is_stopping()

    @property
    def cancelled(self) -> bool:
        """True in a running job that was cancelled: end, by `raise Interrupted` for one.

        A worker learns of it within five seconds. What the job raises then discards it.
        """
        return holding.is_cancelled(self)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Inside `perform`: say how far the job is, for `jobkit.inspect()` and the pages.

        Cheap: it is written once a second at most, with other jobs' outcomes; a call in between
        is seen with the next write. Raises TypeError for what is no number.
        """
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.progress import told  # noqa: PLC0415

        holding.tell(self, told(done, total, note))

    def cancel(self) -> bool:
        """Have a stored job not run any more; False when it has ended, or is not stored.

        One that waits is gone at once. One that runs is told: an `async def perform` is cancelled,
        a job with steps ends at its next checkpoint, others may look at `cancelled`; whatever it
        raises then, it is discarded and not run again. `after_discard` runs where a worker had
        it. Raises AdapterError when the store fails, Unsupported when it cannot do this.
        """
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.cancelling import cancel_job  # noqa: PLC0415

        return cancel_job(self)

    @overload
    def step(  # type: ignore[overload-overlap] # a coroutine function is the narrower of the two
        self,
        name: str,
        body: Callable[..., Coroutine[Any, Any, object]],
        start: Any = None,
        *,
        isolated: bool = False,
    ) -> Coroutine[Any, Any, None]: ...
    @overload
    def step(
        self,
        name: str,
        body: Callable[..., object] | str,
        start: Any = None,
        *,
        isolated: bool = False,
    ) -> None: ...
    def step(
        self, name: str, body: Any, start: Any = None, *, isolated: bool = False
    ) -> Coroutine[Any, Any, None] | None:
        """Inside `perform`: run a step of the job, unless it was done in an earlier run.

        `body` is a function or method, or a method's name; it may take the `Step`, whose `cursor`
        begins as `start` and says how far the step has come. A job whose worker stops, or that
        fails after it has got on, goes on there. An `async def` is awaited: `await self.step(...)`.
        An `isolated` step shares no run of the job with another. Raises InvalidStep for a step
        that is repeated, inside of another or out of order; Interrupted when the run must end.

            class Import(Job):
                def perform(self, path: str) -> None:
                    self.step("download", self.download)
                    self.step("rows", self.import_rows, start=0)
        """
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.steps import Steps, checked  # noqa: PLC0415

        function = checked(name, body, self)
        if self._steps is None:
            self._steps = Steps(self)
            self._steps.begin()
        return self._steps.run(name, function, start, isolated=isolated)

    def complete_in(self, session_or_connection: Transactional) -> Completing:
        """Inside `perform`: finish the job in a transaction of your own, with `with`.

        When the block ends without an error the job is settled through the transaction; whoever
        commits it commits both, so that the effects happen exactly once. Raises LeaseLost, and
        has rolled everything back, when the job belongs to another worker by now; Unsupported
        unless the job is stored in the same SQL database. A transaction that is not committed
        when `perform` has ended is rolled back, and the job settled by how it ended. Where no
        worker holds the job (`perform_now`, tests) the block does nothing.

            with Session(engine) as session, session.begin(), self.complete_in(session):
                session.add(Receipt(order_id))

        An `AsyncSession` or `AsyncConnection` is awaited: `async with`.
        """
        return completing(self._completion, session_or_connection)

    def __repr__(self) -> str:
        made = hasattr(self, "_plan")
        return f"<{self._plan.name} {self.id}>" if made else object.__repr__(self)

    @classmethod
    def upgrade(cls, args: list[Any], kwargs: dict[str, Any], version: int) -> Upgraded:
        """Arguments as this class takes them, from those of an older `version` of it.

        Called before they are loaded, with JSON values as they were stored; to be defined beside
        the option `version`. What it raises is a failure of the job, like what `perform` raises.
        """
        del args, kwargs
        raise DeserializationError(
            f"{cls._name} has version {cls._options.version} of its arguments, the job was stored "
            f"with version {version}: define `upgrade(cls, args, kwargs, version)` to translate"
        )

    def _loaded(self) -> tuple[list[Any], dict[str, Any]]:
        if self._arguments is None:
            args, kwargs = ([], {}) if self._payload is None else stored_arguments(self)
            self._arguments = self._plan.arguments.load(args, kwargs)
        return self._arguments

    @classmethod
    def __jobkit_declare__(cls, rule: Rule) -> None:
        plan.declare(cls, rule)

    # The verbs. `cls` is annotated with what a verb needs of it, which is how checkers find
    # perform's parameters (P), its result (R) and the class itself (J).

    @classmethod
    def set(cls: type[Performs[P, R, J]], /, **options: Unpack[SetOptions]) -> Configured[P, R, J]:
        """An object with the same verbs that enqueues with these options."""
        return Configured(cls).set(**options)

    @classmethod
    def new(cls: type[Performs[P, Any, J]], /, *args: P.args, **kwargs: P.kwargs) -> J:
        """An instance that is not enqueued yet, for `perform_all_later`."""
        return Configured(cls).new(*args, **kwargs)

    @classmethod
    def perform_later(cls: type[Performs[P, Any, J]], /, *args: P.args, **kwargs: P.kwargs) -> J:
        """Store the job and return it.

        Raises TypeError when `perform` takes no such arguments, SerializationError when one cannot
        be stored, PayloadTooLarge, EnqueueError when the store does not take it.
        """
        # What `Configured` does without options, in two calls less.
        job: J = made(cls, args, kwargs, NO_OPTIONS)
        enqueueing.store(job)
        return job

    @classmethod
    def perform_in(
        cls: type[Performs[P, Any, J]], delay: Seconds, /, *args: P.args, **kwargs: P.kwargs
    ) -> J:
        """Store the job to run after `delay` (seconds or a timedelta); below zero means now."""
        return Configured(cls).perform_in(delay, *args, **kwargs)

    @classmethod
    def perform_at(
        cls: type[Performs[P, Any, J]], when: When, /, *args: P.args, **kwargs: P.kwargs
    ) -> J:
        """Store the job to run at `when` (an aware datetime or epoch seconds), or now."""
        return Configured(cls).perform_at(when, *args, **kwargs)

    @classmethod
    def perform_bulk(cls, rows: Iterable[Row], *, spread: Seconds | None = None) -> int:
        """Store a job for each row of arguments (a tuple or a mapping) and return their number.

        Rows are taken lazily, a thousand at a time; `spread` gives each a random delay within that
        window. Runs no enqueue callbacks.
        """
        return Configured(cls).perform_bulk(rows, spread=spread)

    @overload
    @classmethod
    def perform_now(
        cls: type[Performs[P, Coroutine[Any, Any, T], Any]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    @classmethod
    def perform_now(cls: type[Performs[P, R, Any]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @classmethod
    def perform_now(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run the job here, callbacks and declared rules included; what `perform` returned.

        A rule that retries enqueues the job and returns None; an error no rule names propagates.
        """
        return Configured(cls).perform_now(*args, **kwargs)

    @classmethod
    async def aperform_later(
        cls: type[Performs[P, Any, J]], /, *args: P.args, **kwargs: P.kwargs
    ) -> J:
        """`perform_later` without blocking the event loop."""
        return await Configured(cls).aperform_later(*args, **kwargs)

    @classmethod
    async def aperform_bulk(cls, rows: Iterable[Row], *, spread: Seconds | None = None) -> int:
        """`perform_bulk` without blocking the event loop."""
        return await Configured(cls).aperform_bulk(rows, spread=spread)

    @overload
    @classmethod
    async def aperform_now(
        cls: type[Performs[P, Coroutine[Any, Any, T], Any]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    @classmethod
    async def aperform_now(
        cls: type[Performs[P, R, Any]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @classmethod
    async def aperform_now(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`perform_now` from asyncio: an `async def perform` runs on the current loop."""
        return await Configured(cls).aperform_now(*args, **kwargs)


def _job_bases(cls: type) -> list[type]:
    return [base for base in cls.__mro__[1:] if issubclass(base, Job)]


def _refuse_rules_on_methods(cls: type) -> None:
    for name, member in vars(cls).items():
        if inspect.isfunction(member) and rules_of(member):
            raise TypeError(
                f"{cls.__name__}.{name}: retry_on and discard_on go over the class, not over a "
                "method of it, where they would change nothing"
            )


def _refuse_async_hooks(cls: type) -> None:
    """By name, so that a method that overrides a marked one is seen too."""
    called = collect(cls)
    names = {name for kind in KINDS for name in getattr(called, kind)}
    rescues = (rescue for base in cls.__mro__ for rescue in rescues_of(vars(base)))
    for name in sorted(names | {rule.method for rule in rescues}):
        refuse_async(f"{cls.__name__}.{name}", getattr(cls, name))


def _make_classmethod(cls: type, name: str) -> None:
    """As Python itself does with `__init_subclass__`: the decorator is easily forgotten."""
    written = vars(cls).get(name)
    if inspect.isfunction(written):
        setattr(cls, name, classmethod(written))


def _locals_of_definition(cls: type) -> dict[str, Any] | None:
    """The local names around a class made within a function, where its annotations may point.

    Only when there are annotations as text to resolve: the names would be kept alive for nothing.
    """
    if "<locals>" not in cls.__qualname__ or not _has_text_annotations(cls):
        return None
    frame: FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    return None if frame is None else dict(frame.f_locals)


def _has_text_annotations(cls: type) -> bool:
    perform = inspect.unwrap(plan.function_of(cls))
    try:
        return any(isinstance(written, str) for written in perform.__annotations__.values())
    except NameError:  # Python 3.14 resolves them when they are asked for, by closure
        return False
