"""What a supervisor does with the command line of `jobkit worker`."""

from __future__ import annotations

from contextlib import ExitStack

from jobkit.cli import lines
from jobkit.cli.invocation import Invocation
from jobkit.cli.obeyed import obeyed
from jobkit.cli.observed import observers
from jobkit.supervisor import Plan, Supervisor

__all__ = ["supervise"]


def supervise(backend: str, call: Invocation, *, burst: bool, reload: bool) -> int:
    """Run worker processes; the exit code."""
    configured = obeyed(lines.set_up)
    with ExitStack() as around:
        if reload:
            from jobkit.cli.reloading import reloading  # noqa: PLC0415 - for who develops

            around.enter_context(reloading(configured.imports))
        watching = around.enter_context(observers(configured.health, backend))
        plan = Plan(
            processes=configured.processes,
            stall_timeout=configured.stall_timeout,
            burst=burst,
            tether=call.tether,
            observers=watching,
        )
        return Supervisor(call.child, plan).run()
