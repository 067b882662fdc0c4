"""From a job instance to the payload it is stored as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobkit import encryption, propagation
from jobkit.alike import Alike
from jobkit.jobs.instances import due_at
from jobkit.jobs.joining import current_block
from jobkit.jobs.options import Options, SetOptions, delay_seconds
from jobkit.payload import VERSION, Payload, dumps, new_id

if TYPE_CHECKING:
    from jobkit.jobs.plan import Plan
    from jobkit.jobs.unique import Unique

__all__ = ["PlainWriter", "is_plain", "payload_of"]


def payload_of(job: Any, now: float, context: Mapping[str, Any] | None = None) -> Payload:
    """The payload of a job that is about to be stored, with what travels from here or `context`.

    Raises SerializationError when an argument cannot be stored, ConfigurationError when it cannot
    be encrypted.
    """
    plan, given = job._plan, job._given
    now = float(now)
    due = due_at(given, now) if given else None
    fields: dict[str, Any] = {"class": plan.name}
    _write_arguments(job, fields)
    fields["jid"] = job.id
    fields["queue"] = job.queue
    fields["retry"] = plan.options.policy.retry
    fields["created_at"] = now
    if due is None:
        fields["enqueued_at"] = now
    else:
        fields["scheduled_at"] = float(due)
    fields["v"] = VERSION
    if given or plan.options.demands or job.priority or job.tags:
        demanded = _demanded(job, given, due or now)
        fields |= {name: value for name, value in demanded.items() if value is not None}
    if (block := current_block()) is not None:
        fields["bid"] = block.id
    travelling = propagation.captured() if context is None else context
    if travelling:
        fields["context"] = travelling
    return Payload.exactly(fields)


def is_plain(plan: Plan) -> bool:
    """True when a job of the class, asked for without options, has no fields but the usual.

    Nor does it ask more of its store than others.
    """
    options = plan.options
    if options.store_result is not None or callable(options.queue):
        return False
    return not (options.demands or options.encrypt or options.priority or options.tags)


class PlainWriter:
    """Writes payloads of jobs of a plain class that are enqueued together.

    The same as `payload_of`, in a fraction of the time: what all have in common is written once.
    """

    def __init__(self, plan: Plan, now: float, context: Mapping[str, Any]) -> None:
        self._arguments = plan.arguments
        rest: dict[str, Any] = {
            "queue": plan.options.queue,
            "retry": plan.options.policy.retry,
            "created_at": float(now),
            "enqueued_at": float(now),
            "v": VERSION,
        }
        if context:
            rest["context"] = context
        self._head = dumps({"class": plan.name})[:-1]
        self._tail = dumps(rest)[1:]

    def __call__(self, rows: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]) -> Alike:
        """The payloads of one job or more. Raises what `payload_of` and `bind` raise."""
        ids = [new_id() for _ in rows]
        head, tail, dump = self._head, self._tail, self._arguments.dump
        texts: list[str] = []
        for job_id, (args, kwargs) in zip(ids, rows, strict=True):
            positional, named = dump(args, kwargs)
            rest = self._rest(positional, named) if named or self._arguments.private else ""
            texts.append(f'{head},"args":{dumps(positional)}{rest},"jid":"{job_id}",{tail}')
        return Alike(ids, texts)

    def _rest(self, positional: Sequence[Any], named: Mapping[str, Any]) -> str:
        """The fields about arguments that few jobs have."""
        hidden = self._arguments.hidden(len(positional), named)
        fields = {"kwargs": named, "redact": hidden}
        given = {name: value for name, value in fields.items() if value}
        return f",{dumps(given)[1:-1]}" if given else ""


def _demanded(job: Any, given: SetOptions, due: float) -> dict[str, Any]:
    """The fields of what few jobs ask for."""
    options: Options = job._plan.options
    lifetime = given.get("expires_in", options.expires_in)
    timeout = given.get("timeout", options.timeout)
    if timeout is None and options.timeout is not None:
        timeout = 0  # not left out: the class's would be meant
    unique = given.get("unique", options.unique)
    return {
        "priority": job.priority or None,
        "tags": list(job.tags) or None,
        "expires_at": None if lifetime is None else float(due + delay_seconds(lifetime)),
        "timeout": None if timeout is None else delay_seconds(timeout),
        "limits": _limits(job) if options.limits else None,
        "unique": None if unique is None else _lock_fields(job, unique),
        "version": options.version if options.version > 1 else None,
    }


def _lock_fields(job: Any, unique: Unique) -> dict[str, Any] | None:
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.unique import lock_of  # noqa: PLC0415

    lock = lock_of(job, unique)
    return None if lock is None else lock.fields


def _write_arguments(job: Any, fields: dict[str, Any]) -> None:
    """Add the fields that hold a job's arguments, and say what of them must not be shown."""
    plan = job._plan
    args, kwargs = job._dumped or plan.arguments.dump(*job._arguments)
    if plan.options.encrypt:
        fields["args"] = []
        fields["encrypted"] = encryption.encrypted(plan.name, job.id, args, kwargs)
        return
    fields["args"] = args
    if kwargs:
        fields["kwargs"] = kwargs
    if plan.arguments.private and (hidden := plan.arguments.hidden(len(args), kwargs)):
        fields["redact"] = hidden


def _limits(job: Any) -> list[dict[str, Any]] | None:
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.limits import limit_fields  # noqa: PLC0415

    return limit_fields(job, job._plan.options.limits)
