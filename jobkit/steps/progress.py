"""The steps of one run: which are done, which is next, and when the run must end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from jobkit import encryption, middleware
from jobkit.errors import Interrupted, InvalidStep, ResumeLimitReached
from jobkit.failure import failure_of
from jobkit.holding import amended, holder, is_cancelled, is_stopping
from jobkit.outcome import Discarded, Outcome, Released, Succeeded, Suspended
from jobkit.payload import Payload
from jobkit.steps.cursors import CursorCodec, codec_for
from jobkit.steps.step import Step
from jobkit.steps.stored import FIELD, Stored

__all__ = ["SAVE_EVERY", "Steps", "checked", "tell_cancelled"]

SAVE_EVERY: Final = 5.0
"""Seconds between two writes of a cursor that moves."""

_HEAD: Final = ("", "stopping", "isolated")
"""Interruptions behind which a job keeps its place at the head of its queue."""

_SEALED: Final = "encrypted"


class Steps:
    """Runs the steps of a job that have not been done, and remembers how far each has come."""

    def __init__(self, job: Any) -> None:
        self._job = job
        if job._payload is None:
            raise InvalidStep("steps are run by the job itself, in perform: this one does not run")
        self._payload: Payload = job._payload
        self._stored = stored = Stored.of(self._payload)
        self._done = list(stored.done)
        self._at, self._cursor = stored.at, stored.cursor
        self._holder = None if job._claim is None else holder.get()
        self._began = self._saved = 0.0 if self._holder is None else self._holder.monotonic()
        self._met: list[str] = []
        self._running: str | None = None
        self._ran = False
        self._alone = False
        self._reason = ""
        self._suspended = False
        self.advanced = False
        """True when this run has come further than the one before."""

    # What the job does

    def run(
        self, name: str, body: Callable[..., Any], start: Any, *, isolated: bool
    ) -> Coroutine[Any, Any, None] | None:
        """Run the step unless it is done; see `Job.step`."""
        if inspect.iscoroutinefunction(body):
            return self._run_async(name, body, start, isolated=isolated)
        if (step := self._entered(name, body, start, isolated=isolated)) is not None:
            try:
                _called(body, step)
            finally:
                self._running = None
            self._finished(name)
        return None

    async def _run_async(
        self, name: str, body: Callable[..., Any], start: Any, *, isolated: bool
    ) -> None:
        if (step := self._entered(name, body, start, isolated=isolated)) is not None:
            try:
                await _called(body, step)
            finally:
                self._running = None
            self._finished(name)

    def _entered(
        self, name: str, body: Callable[..., Any], start: Any, *, isolated: bool
    ) -> Step[Any] | None:
        """The step that begins; None for one that is done."""
        if not self._is_next(name):
            return None
        if self._ran:
            self._between(isolated=isolated)
        codec = codec_for(body, Step, name)
        resumes = self._at == name
        cursor = codec.load(self._readable(self._cursor)) if resumes else start
        if not resumes:
            self._at, self._cursor = name, None
        self._ran, self._alone, self._running = True, isolated, name
        return Step(name, cursor, lambda value: self._moved(codec, value), self.checkpoint)

    def _is_next(self, name: str) -> bool:
        """False for a step that is done. Raises InvalidStep for one that may not come now."""
        if self._running is not None:
            raise InvalidStep(f"the step {name!a} is inside of step {self._running!a}")
        if name in self._met:
            raise InvalidStep(f"the step {name!a} comes twice: give each a name of its own")
        place = len(self._met)
        self._met.append(name)
        if place < len(self._done):
            self._expect(self._done[place], name)
            return False
        if self._at is not None and place == len(self._stored.done):
            self._expect(self._at, name)
        return True

    def _expect(self, expected: str, name: str) -> None:
        if name != expected:
            raise InvalidStep(
                f"the step {name!a} comes where {expected!a} came in the run before: a job's "
                "steps must keep their order while jobs are under way"
            )

    def _between(self, *, isolated: bool) -> None:
        """Before a step that is not the first of this run: keep what is done, and look around."""
        if self._holder is None:
            return
        self._save()
        if isolated or self._alone:
            self._interrupt("isolated")
        self.checkpoint()

    def _finished(self, name: str) -> None:
        self._done.append(name)
        self._at = self._cursor = None
        self.advanced = True

    def _moved(self, codec: CursorCodec, value: Any) -> None:
        self._cursor = self._kept(codec.dump(value))
        self.advanced = True
        holds = self._holder
        if holds is not None and holds.monotonic() - self._saved >= SAVE_EVERY:
            self._save()

    def checkpoint(self) -> None:
        """Raise Interrupted when the run must end here."""
        holds = self._holder
        if holds is None:
            return
        if not holds.holds(self._job._claim):
            self._interrupt("lost")
        if holds.is_cancelled(self._job._claim):
            self._interrupt("cancelled")
        if is_stopping():
            self._interrupt("stopping")
        most = self._job._plan.options.max_run_time
        if most is not None and holds.monotonic() - self._began >= most:
            self._interrupt("max_run_time")

    def _interrupt(self, reason: str) -> None:
        self._reason = reason
        raise Interrupted(reason)

    def _save(self) -> None:
        holds = self._holder
        if holds is not None and self.advanced:
            self._saved = holds.monotonic()
            holds.save(self._job._claim, amended(self._job, self._payload))

    # What is kept

    def changes(self) -> dict[str, Any]:
        """The payload's fields that differ by what this run has done.

        A process that dies with a job that gets on is not brought down by it.
        """
        if not (self.advanced or self._suspended):
            return {}
        resumed = self._stored.resumed + (self._suspended and self._reason != "isolated")
        now = Stored(tuple(self._done), self._at, self._cursor, resumed)
        changes: dict[str, Any] = {FIELD: now.fields or None}
        return {**changes, "deliveries": None} if self.advanced else changes

    def _kept(self, cursor: Any) -> Any:
        """A cursor's JSON as it is stored: it may tell of the arguments, and is as private."""
        plan = self._job._plan
        if not plan.options.encrypt:
            return cursor
        return {_SEALED: encryption.encrypted(plan.name, self._job.id, [cursor], {})}

    def _readable(self, cursor: Any) -> Any:
        if not (isinstance(cursor, dict) and cursor.keys() == {_SEALED}):
            return cursor
        [stored], _ = encryption.decrypted(self._payload.replace(encrypted=cursor[_SEALED]))
        return stored

    # How the run ends

    def judged(self, error: BaseException) -> BaseException:
        """The error, or ResumeLimitReached in place of one after which the job would go on."""
        most = self._job._plan.options.max_resumptions
        interrupted = self._is_pause(error) and self._reason != "isolated"
        would_go_on = interrupted or self.goes_on_after(error)
        if most is None or self._stored.resumed < most or not would_go_on:
            return error
        limit = ResumeLimitReached(f"the job would be resumed more than {most} times")
        limit.__cause__ = error
        return limit

    def goes_on_after(self, error: BaseException) -> bool:
        """True for an error that does not count, because this run has got on before it."""
        final = (Interrupted, InvalidStep, ResumeLimitReached)
        return self.advanced and self._holder is not None and not isinstance(error, final)

    def interrupted(self) -> Outcome:
        """The outcome of a run that ended by Interrupted."""
        if not self._is_pause(Interrupted()):
            return Released()
        self._suspended = True
        return Suspended(head=self._reason in _HEAD)

    def failed(self, error: BaseException, now: float) -> Outcome:
        """The outcome of a run that got on and then failed."""
        self._suspended = True
        return Suspended(failure=failure_of(error, now))

    def ended(self, outcome: Outcome) -> None:
        """Tell the job's hooks how the run ended."""
        self._tell("on_stop")
        cancelled = isinstance(outcome, Discarded) and is_cancelled(self._job)
        if cancelled:
            self._tell("on_cancel")
        if cancelled or isinstance(outcome, Succeeded):
            self._tell("on_complete")

    def begin(self) -> None:
        """Tell the job's hooks that its steps begin, or go on."""
        resumes = self._stored != Stored()
        known = self._job._plan.callbacks
        for name in known.on_resume if resumes else known.on_start:
            getattr(self._job, name)()

    def _is_pause(self, error: BaseException) -> bool:
        """True for an interruption that leaves something to remember; the others are releases."""
        if not isinstance(error, Interrupted) or self._reason in ("lost", "cancelled"):
            return False
        return self._holder is not None and (self.advanced or self._reason == "max_run_time")

    def _tell(self, kind: str) -> None:
        _told(self._job, kind)


def tell_cancelled(job: Any) -> None:
    """Tell the hooks of a job, whose steps had begun, that it was cancelled while it waited."""
    _told(job, "on_cancel")
    _told(job, "on_complete")


def _told(job: Any, kind: str) -> None:
    for name in getattr(job._plan.callbacks, kind):
        try:
            getattr(job, name)()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a hook harms nobody
            middleware.report(name, job, error)


def _called(body: Callable[..., Any], step: Step[Any]) -> Any:
    """Call the step's function, with the step if it takes one."""
    return body(step) if _takes_one(body) else body()


def _takes_one(body: Callable[..., Any]) -> bool:
    """True for a function with a first parameter that must be given.

    One with a default has it for a reason of its own: `lambda name=name: ...`.
    """
    try:
        first = next(iter(inspect.signature(body).parameters.values()), None)
    except (TypeError, ValueError):  # of a builtin without a signature
        return False
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        return False
    return first.kind is first.VAR_POSITIONAL or first.default is first.empty


def checked(name: object, body: object, job: Any) -> Callable[..., Any]:
    """The function of a step. Raises InvalidStep for what is no name, or cannot be called so."""
    if not isinstance(name, str) or not name:
        raise InvalidStep(f"a step's name is text, not {ascii(name)[:200]}")
    function: Any = getattr(job, body, None) if isinstance(body, str) else body
    if not callable(function):
        raise InvalidStep(f"the step {name!a} is no function or method: {ascii(body)[:200]}")
    try:
        inspect.signature(function).bind(*[None] * _takes_one(function))
    except ValueError:
        pass
    except TypeError:
        raise InvalidStep(
            f"the function of step {name!a} takes more than the step: give one of no parameters "
            "or of one"
        ) from None
    return cast("Callable[..., Any]", function)
