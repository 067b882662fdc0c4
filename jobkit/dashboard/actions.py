"""What can be done, one function each; every action is logged with who did it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from jobkit.adapter import State
from jobkit.dashboard.bulk import Task
from jobkit.dashboard.forms import Form, back, form_of
from jobkit.dashboard.site import Site, site_of
from jobkit.inspection import Inspector

__all__ = [
    "bury", "cancel", "cancel_batch", "clear", "discard", "pause", "pause_entry", "quiet",
    "reschedule", "resume", "resume_entry", "retry_batch", "run", "run_entry", "stop",
]  # fmt: skip

_LISTS: Final = {
    "scheduled": "/scheduled",
    "retry": "/retries",
    "dead": "/dead",
    "blocked": "/limits",
    "enqueued": "/queues",
    "running": "/busy",
}

_log = logging.getLogger("jobkit.dashboard")


async def run(request: Request) -> Response:
    """Run jobs now."""
    return await _change(request, "run_now", "run_all")


async def bury(request: Request) -> Response:
    """Put jobs into the dead set."""
    return await _change(request, "bury", "bury_all")


async def discard(request: Request) -> Response:
    """Delete jobs."""
    return await _change(request, "discard", "discard_all")


async def cancel(request: Request) -> Response:
    """Have jobs not run any more, those that run too."""
    form = await form_of(request)
    ids = _ids(form)
    await _act(request, partial(site_of(request).inspector().cancel, ids), ids)
    return back(request, "/busy")


async def reschedule(request: Request) -> Response:
    """Have jobs run at another time."""
    form = await form_of(request)
    try:
        when = float(form["at"][0])
    except (KeyError, ValueError) as error:
        raise HTTPException(400, "at is missing: give epoch seconds") from error
    if not math.isfinite(when):
        raise HTTPException(400, "at is no moment: give epoch seconds")
    inspector = site_of(request).inspector()
    await _act(request, partial(_rescheduled, inspector, _ids(form), when), _ids(form))
    return back(request, "/scheduled")


async def pause(request: Request) -> Response:
    """Pause a queue."""
    return await _on_queue(request, "pause")


async def resume(request: Request) -> Response:
    """Resume a queue."""
    return await _on_queue(request, "resume")


async def clear(request: Request) -> Response:
    """Empty a queue."""
    return await _on_queue(request, "clear")


async def quiet(request: Request) -> Response:
    """Have a worker, or all, take no more jobs."""
    return await _order(request, "quiet")


async def stop(request: Request) -> Response:
    """Stop a worker, or all."""
    return await _order(request, "stop")


async def run_entry(request: Request) -> Response:
    """Enqueue a recurring job out of turn."""
    return await _on_entry(request, "run_recurring")


async def pause_entry(request: Request) -> Response:
    """Pause a recurring entry."""
    return await _on_entry(request, "pause_recurring")


async def resume_entry(request: Request) -> Response:
    """Resume a recurring entry."""
    return await _on_entry(request, "resume_recurring")


async def cancel_batch(request: Request) -> Response:
    """Cancel a batch."""
    return await _on_batch(request, "cancel_batch")


async def retry_batch(request: Request) -> Response:
    """Run the dead members of a batch again."""
    return await _on_batch(request, "retry_batch")


async def _change(request: Request, some: str, every: str) -> Response:
    """Do it to the jobs that the form names, or to all of a list."""
    form = await form_of(request)
    site = site_of(request)
    state = form.get("state", [""])[0]
    if form.get("all") == ["1"]:
        await run_in_threadpool(_change_all, request, site, every, form)
    else:
        ids = _ids(form)
        if not state and "referer" not in request.headers:
            state = await run_in_threadpool(_state_of, site.inspector(), ids[:1])
        await _act(request, partial(getattr(site.inspector(), some), ids), ids)
    return back(request, _LISTS.get(state, "/"))


def _state_of(inspector: Inspector, ids: list[str]) -> str:
    """The state of the first job that is there, which is the list it is on; empty for none."""
    found = (inspector.find(job_id) for job_id in ids)
    return next((job.state.value for job in found if job is not None), "")


def _change_all(request: Request, site: Site, every: str, form: Form) -> Task:
    state = form.get("state", [""])[0]
    if state not in {each.value for each in State}:
        raise HTTPException(400, f"state is none: give one of {', '.join(State)}")
    filters: dict[str, str | None] = {
        name: form[name][0] or None for name in ("queue", "job", "text") if name in form
    }
    inspector = site.inspector()
    where = {"state": state, **filters}
    _note(request, every, where)
    act = getattr(inspector, every)

    def acted(progress: Callable[[int], None]) -> int:
        changed: int = act(state, on_progress=progress, **filters)
        _note(request, f"{every} changed {changed:,}", where)
        return changed

    total = None if any(filters.values()) else getattr(inspector.stats(), state, None)
    verb = every.removesuffix("_all").capitalize()
    return site.bulk.start(
        f"{verb} all that are {'retrying' if state == 'retry' else state}",
        acted,
        total,
    )


async def _on_queue(request: Request, verb: str) -> Response:
    name = request.path_params["name"]
    await _act(request, partial(getattr(site_of(request).inspector(), verb), name), name)
    return back(request, "/queues")


async def _order(request: Request, verb: str) -> Response:
    wanted = request.path_params["id"]
    await _act(request, partial(_ordered, site_of(request).inspector(), wanted, verb), wanted)
    return back(request, "/busy")


def _ordered(inspector: Inspector, wanted: str, verb: str) -> None:
    ids = _all_workers(inspector, verb) if wanted == "all" else [wanted]
    told = [getattr(inspector, verb)(worker) for worker in ids]
    if wanted != "all" and told == [False]:
        raise HTTPException(404, "There is no such worker: it has left, or never was.")


def _all_workers(inspector: Inspector, verb: str) -> list[str]:
    # An embedded worker refuses to be stopped, which is no reason not to stop the others.
    return [each.id for each in inspector.workers() if verb != "stop" or not each.embedded]


async def _on_entry(request: Request, verb: str) -> Response:
    name = request.path_params["name"]
    await _act(request, partial(_on_known_entry, site_of(request).inspector(), verb, name), name)
    return back(request, "/recurring")


def _on_known_entry(inspector: Inspector, verb: str, name: str) -> None:
    if all(entry.name != name for entry in inspector.recurring()):
        raise HTTPException(404, "There is no such entry: it was removed, or never was.")
    getattr(inspector, verb)(name)


async def _on_batch(request: Request, verb: str) -> Response:
    batch = request.path_params["id"]
    await _act(request, partial(_on_known_batch, site_of(request).inspector(), verb, batch), batch)
    return back(request, "/batches")


def _on_known_batch(inspector: Inspector, verb: str, batch: str) -> None:
    if inspector.batch(batch) is None:
        raise HTTPException(404, "There is no such batch: it is forgotten, or never was.")
    getattr(inspector, verb)(batch)


async def _act(request: Request, act: Callable[[], Any], on: object) -> None:
    _note(request, request.url.path.rpartition("/")[2], on)
    await run_in_threadpool(act)


def _note(request: Request, verb: str, on: object) -> None:
    _log.info("%r: %s %.500r", request.scope.get("jobkit_user"), verb, on)


def _rescheduled(inspector: Inspector, ids: list[str], when: float) -> None:
    for job_id in ids:
        inspector.reschedule(job_id, when)


def _ids(form: Form) -> list[str]:
    return form.get("id", [])
