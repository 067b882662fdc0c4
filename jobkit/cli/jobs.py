"""`jobkit jobs`: reading and changing jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

import jobkit
from jobkit.adapter import State
from jobkit.cli import bulk
from jobkit.cli.bulk import fail_for
from jobkit.cli.move import move
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import moment, print_json, print_table, printable
from jobkit.errors import JobkitError
from jobkit.inspection import JobInfo, Page
from jobkit.inspection.timeline import Moment, timeline

__all__ = ["command"]

_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
def command() -> None:
    """List, show and change jobs; enqueue one; move all to another store."""


for each in (*bulk.COMMANDS, move):
    command.add_command(each)


@command.command("list")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only these.")
@click.option("--queue", metavar="NAME", help="Only those of this queue.")
@click.option("--job", metavar="CLASS", help="Only those of this class.")
@click.option("--text", metavar="TEXT", help="Only those whose payload contains this text.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--after", metavar="CURSOR", help="Go on behind the page that gave this cursor.")
@json_option
@store_options
def list_(store: Store, /, *, as_json: bool, **filters: Any) -> None:
    """List jobs; without --state those in every state but completed."""
    try:
        page = store.inspector().jobs(**filters)
    except JobkitError:
        raise
    except ValueError as error:  # a cursor that no page gave
        raise click.UsageError(str(error)) from error
    _print_page(page, as_json=as_json)


@command.command()
@_IDS
@json_option
@store_options
def show(store: Store, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Show everything about jobs: what they are, what happened to them, what comes next."""
    found = {job_id: store.inspector().find(job_id) for job_id in ids}
    jobs = [info for info in found.values() if info is not None]
    if as_json:
        print_json(jobs)
    elif jobs:
        click.echo("\n\n".join(_described(info) for info in jobs))
    fail_for([job_id for job_id, info in found.items() if info is None], "there is no job {}")


def _json(kind: type, name: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """A callback that reads an option as JSON of a certain kind."""

    def read(ctx: click.Context, param: click.Parameter, text: str) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise click.BadParameter(f"{text!a} is not JSON: {error}", ctx, param) from error
        if not isinstance(value, kind):
            raise click.BadParameter(f"{text!a} is not a JSON {name}", ctx, param)
        return value

    return read


@command.command()
@click.argument("name")
@click.option(
    "--args",
    callback=_json(list, "array"),
    default="[]",
    metavar="JSON",
    help="Positional arguments, an array.",
)
@click.option(
    "--kwargs",
    callback=_json(dict, "object"),
    default="{}",
    metavar="JSON",
    help="Keyword arguments, an object.",
)
@click.option("--in", "wait", type=float, metavar="S", help="Run after so many seconds.")
@click.option("--queue", default="default", show_default=True, metavar="NAME")
@json_option
@store_options
def enqueue(
    store: Store, /, *, name: str, args: Any, kwargs: Any, as_json: bool, **options: Any
) -> None:
    """Enqueue a job by the name of its class, and print its id."""
    given = {key: value for key, value in options.items() if value is not None}
    try:
        job = jobkit.enqueue(name, args, kwargs, backend=store.backend, **given)
    except JobkitError:
        raise
    except ValueError as error:  # a wait, or a queue's name, that is not allowed
        raise click.UsageError(str(error)) from error
    print_json({"id": job.id}) if as_json else click.echo(job.id)


def _progress(info: JobInfo) -> str:
    told = info.progress
    if told is None:
        return ""
    of = "" if told.total is None else f" of {told.total:g}"
    return f"{told.done:g}{of}{': ' if told.note else ''}{told.note}"


def _result(info: JobInfo) -> str:
    came_to = info.result
    if came_to is None or came_to.outcome == "failed":  # which the error tells
        return ""
    if came_to.reason:
        return f"{came_to.outcome}: {came_to.reason}"
    return json.dumps(came_to.value)


def _print_page(page: Page, *, as_json: bool) -> None:
    if as_json:
        print_json(page.items)
    else:
        headers = ("ID", "STATE", "QUEUE", "CLASS", "AT (UTC)", "ERROR")
        print_table(headers, [_row(info) for info in page.items])
    if page.next is not None:
        click.echo(page.next if as_json else f"more with: --after {page.next}", err=True)


def _row(info: JobInfo) -> tuple[object, ...]:
    at = moment(info.scheduled_at or info.enqueued_at)
    error = ": ".join(part for part in (info.error_class, info.error_message) if part)
    return (info.id or "(no id)", info.state, info.queue, info.job_class or "(no job)", at, error)


def _described(info: JobInfo) -> str:
    """Every field on a line of its own, those without a value left out; then its life."""
    fields = {
        "id": info.id,
        "class": info.job_class,
        "state": info.state,
        "args": json.dumps(info.args),
        "kwargs": json.dumps(info.kwargs) if info.kwargs else "",
        "queue": info.queue,
        "priority": info.priority,
        "tags": ", ".join(info.tags),
        "executions": info.executions,
        "worker": info.worker or "",
        "progress": _progress(info),
        "steps": ", ".join(info.steps),
        "error": ": ".join(part for part in (info.error_class, info.error_message) if part),
        "result": _result(info),
    }
    lines = [f"{name + ':':<12}{printable(value)}" for name, value in fields.items() if value != ""]
    trace = [f"    {printable(line)}" for line in info.error_backtrace]
    return "\n".join([*lines, *trace, "", *map(_step, timeline(info))])


_SIGNS = {"past": "o", "failure": "x", "now": "*", "next": ">", "end": "."}


def _step(step: Moment) -> str:
    """A step of a job's life: when, what, and more about it."""
    said = f"{step.what}: {step.detail}" if step.detail else step.what
    return f"{moment(step.at):<19}  {_SIGNS[step.kind]} {printable(said)}"
