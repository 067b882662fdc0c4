"""What a job came to, as the text that its store keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from jobkit.adapter import Enqueues
from jobkit.failure import message_of
from jobkit.outcome import Buried, Discarded, Dropped, Outcome, Succeeded
from jobkit.payload import Payload, dumps
from jobkit.results import SupportsResults
from jobkit.settlement import with_failure

__all__ = ["Kept", "is_failure", "kept", "read", "written"]

Kind = Literal["value", "lost", "failed", "discarded"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a job came to.

    `told` is, by the kind, what `perform` returned; why that is no JSON; the class and the message
    of the error; why the job was discarded. It ended `at`, in epoch seconds, after a run of `took`
    seconds, None if it did not run. `payload` is the job as it ended, None of one in the dead set:
    there it lies.
    """

    kind: Kind
    told: Any
    at: float
    took: float | None
    payload: Payload | None


def kept(adapter: Enqueues, job_id: str) -> Kept | None:
    """What is kept of a job; None for none, and where the store keeps none."""
    text = adapter.result(job_id) if isinstance(adapter, SupportsResults) else None
    return None if text is None else read(text)


def written(payload: Payload, outcome: Outcome, *, at: float, took: float | None) -> str:
    """The text of a run that ended its job; the payload is as it was during the run."""
    kind, told = _told(outcome)
    said = f'{{"{kind}":{told},"at":{at!r},"took":{json.dumps(took)}'
    if isinstance(outcome, Buried):
        return said + "}"
    # Spliced, since it is JSON already.
    return f'{said},"job":{_ended(payload, outcome, ran=took is not None).text}}}'


def is_failure(text: str) -> bool:
    """True for the text of a job that failed for good."""
    return text.startswith('{"failed":')


def read(text: str) -> Kept:
    """What a stored text says."""
    fields = json.loads(text)
    kind = next(iter(fields))
    job = fields.get("job")
    return Kept(
        kind,
        fields[kind],
        fields["at"],
        fields["took"],
        None if job is None else Payload(dumps(job)),
    )


def _told(outcome: Outcome) -> tuple[Kind, str]:
    """Which it is, and what is told as JSON."""
    match outcome:
        case Succeeded(lost=str(why)):
            return "lost", json.dumps(why)
        case Succeeded(result=result):
            return _value(result)
        case Discarded(reason=reason):
            return "discarded", json.dumps(reason)
        case Dropped(failure=failure) | Buried(failure=failure):
            return "failed", json.dumps([failure.error_class, failure.message])
        case _:
            raise AssertionError(outcome)  # the job goes on


def _value(result: Any) -> tuple[Kind, str]:
    try:
        return "value", json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return "lost", json.dumps(message_of(error))


def _ended(payload: Payload, outcome: Outcome, *, ran: bool) -> Payload:
    if isinstance(outcome, Dropped):
        return with_failure(payload, outcome.failure, {})
    return payload.replace(executions=payload.executions + ran or None)
