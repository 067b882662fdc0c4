"""`jobkit jobs run|retry|discard|bury`: one, several, or all that meet a filter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from jobkit.adapter import State
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import print_json, printable
from jobkit.cli.progress import progress
from jobkit.inspection import Inspector

__all__ = ["COMMANDS", "fail_for"]


@dataclass(frozen=True, slots=True)
class _Action:
    """What is done to jobs: to those named, to all in a state, and in which states that can be."""

    done: str
    each: Callable[[Inspector, str], int]
    all: Callable[..., int]
    states: tuple[State, ...]


def _retry_one(inspector: Inspector, job_id: str) -> int:
    info = inspector.find(job_id)
    failed = info is not None and info.state in _FAILED
    return inspector.run_now(job_id) if failed else 0


_FAILED: Final = (State.RETRY, State.DEAD)
_WAITING: Final = (State.ENQUEUED, State.SCHEDULED, State.RETRY, State.BLOCKED)
_RUN: Final = _Action("enqueued", Inspector.run_now, Inspector.run_all, (State.SCHEDULED, *_FAILED))
_RETRY: Final = _Action("enqueued", _retry_one, Inspector.run_all, _FAILED)
_DISCARD: Final = _Action(
    "discarded", Inspector.discard, Inspector.discard_all, (*_WAITING, State.DEAD, State.COMPLETED)
)
_CANCEL: Final = _Action("cancelled", Inspector.cancel, Inspector.discard_all, ())
_BURY: Final = _Action("buried", Inspector.bury, Inspector.bury_all, _WAITING)


def _bulk(action: _Action) -> Callable[[Callable[..., Any]], click.Command]:
    """The command that does it; the function it decorates lends its name and its help."""

    def made(named: Callable[..., Any]) -> click.Command:
        @click.command(named.__name__, help=named.__doc__)
        @click.argument("ids", nargs=-1, metavar="[ID]...")
        @click.option(
            "--state",
            type=click.Choice([state.value for state in action.states]),
            help="Instead of ids: all in this state.",
        )
        @click.option("--queue", metavar="NAME", help="Of those, the ones of this queue.")
        @click.option("--job", metavar="CLASS", help="Of those, the ones of this class.")
        @click.option("--text", metavar="TEXT", help="Of those, the ones with this in the payload.")
        @click.option("--yes", is_flag=True, help="Do not ask before changing all.")
        @json_option
        @store_options
        def command(store: Store, /, *, ids: Sequence[str], as_json: bool, **given: Any) -> None:
            inspector = store.inspector()
            state, yes = given.pop("state"), given.pop("yes")
            if ids:
                if state or any(given.values()):
                    raise click.UsageError("give ids, or --state and filters, not both")
                _change(inspector, action, ids, as_json=as_json)
            elif state:
                _change_all(inspector, action, state, given, yes=yes, as_json=as_json)
            else:
                raise click.UsageError("give ids of jobs, or --state STATE for all in a state")

        return command

    return made


@_bulk(_RUN)
def run() -> None:
    """Enqueue scheduled, retrying and dead jobs now."""


@_bulk(_RETRY)
def retry() -> None:
    """Enqueue jobs that failed now: those in retry or dead."""


@_bulk(_DISCARD)
def discard() -> None:
    """Remove jobs that are not running, for good."""


@_bulk(_BURY)
def bury() -> None:
    """Put waiting jobs into the dead set."""


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@store_options
def cancel(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Have jobs not run any more, those that run too."""
    _change(store.inspector(), _CANCEL, ids, as_json=as_json)


COMMANDS: Final = (run, retry, discard, cancel, bury)


def fail_for(ids: Sequence[str], problem: str) -> None:
    """Say what is wrong with each of these jobs, and fail if there are any."""
    for job_id in ids:
        click.echo(f"Error: {problem.format(printable(job_id))}", err=True)
    if ids:
        click.get_current_context().exit(1)


def _change(inspector: Inspector, action: _Action, ids: Sequence[str], *, as_json: bool) -> None:
    """Change each job, say how many were changed, and fail for those that were not."""
    changed = {job_id: action.each(inspector, job_id) for job_id in dict.fromkeys(ids)}
    _report(sum(changed.values()), action, as_json=as_json)
    unchanged = [job_id for job_id, count in changed.items() if not count]
    fail_for(
        unchanged, f"{{}} was not {action.done}: there is no such job, or its state forbids it"
    )


def _change_all(
    inspector: Inspector,
    action: _Action,
    state: str,
    filters: dict[str, str | None],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Change all that meet the filters, in slices; asks first."""
    narrow = {name: value for name, value in filters.items() if value is not None}
    total = None if narrow else getattr(inspector.stats(), state, None)
    if not yes:
        _ask(action, state, total, narrow)
    with progress(action.done, total) as tell:
        changed = action.all(inspector, state, **filters, on_progress=tell)
    _report(changed, action, as_json=as_json)


def _ask(action: _Action, state: str, total: int | None, narrow: dict[str, str]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --yes to change all of them")
    number = "All" if total is None else f"{total:,}"
    with_ = "".join(f" with {name} {printable(value)!r}" for name, value in narrow.items())
    click.confirm(
        f"{number} {state} jobs{with_} will be {action.done}. Go on?", abort=True, err=True
    )


def _report(changed: int, action: _Action, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed:,} {action.done}")
