"""The classes that are registered here, all together: the queues they name, what they lack."""

from __future__ import annotations

from jobkit import backends, encryption
from jobkit.errors import JobkitError
from jobkit.jobs import enqueueing, registry
from jobkit.jobs.plan import plan_of

__all__ = ["check_classes", "constant_queues"]


def constant_queues() -> list[str]:
    """`default` and every other queue that a registered class names outright, in this order."""
    named = {plan_of(cls).options.queue for cls in registry.classes()}
    constant = {queue for queue in named if isinstance(queue, str)}
    return ["default", *sorted(constant - {"default"})]


def check_classes() -> list[str]:
    """What keeps the registered classes' jobs from being stored or run, a line each."""
    problems: list[str] = []
    for cls in registry.classes():
        plan = plan_of(cls)
        try:
            plan.arguments.check()
            if plan.options.encrypt:
                encryption.check_ready(plan.name)
            if plan.options.limits:
                enqueueing.require_limits(backends.get(plan.options.backend), plan.name)
            if plan.options.store_result is not None:
                enqueueing.require_results(backends.get(plan.options.backend), plan.name)
            if plan.options.unique is not None:
                enqueueing.require_unique(backends.get(plan.options.backend), plan.name)
        except JobkitError as error:
            problems.append(str(error))
    return problems
