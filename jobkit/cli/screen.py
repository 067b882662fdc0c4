"""The live screen of `jobkit stats --watch`: with rich where that is installed, else plain text."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import click

from jobkit.capabilities import QueueInfo, Stats, WorkerInfo
from jobkit.cli.output import moment, printable
from jobkit.cli.progress import has_rich
from jobkit.errors import AdapterError, Unsupported
from jobkit.inspection import Inspector
from jobkit.measures import MinuteStats

__all__ = ["Screen", "watched"]

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_BAD: Final = frozenset({"failed", "dead"})


@dataclass(frozen=True, slots=True)
class Screen:
    """What is shown at one moment; an error in its place when the store did not answer."""

    at: datetime
    stats: Stats = field(default_factory=Stats)
    queues: Sequence[QueueInfo] = ()
    workers: Sequence[WorkerInfo] = ()
    minutes: Sequence[MinuteStats] = ()
    error: str = ""

    @classmethod
    def of(cls, inspector: Inspector) -> Screen:
        """What the store says now."""
        now = datetime.now(UTC)
        try:
            minutes = _minutes(inspector)
            return cls(now, inspector.stats(), inspector.queues(), inspector.workers(), minutes)
        except AdapterError as error:
            return cls(now, error=str(error))

    @property
    def graph(self) -> str:
        """The runs of the last minutes, a character each."""
        most = max((minute.processed for minute in self.minutes), default=0) or 1
        steps = len(_BLOCKS) - 1
        heights = (-(-minute.processed * steps // most) for minute in self.minutes)
        return "".join(_BLOCKS[height] for height in heights)


def watched(look: Callable[[], Screen], interval: float) -> NoReturn:
    """Show what `look` says, every so many seconds, until interrupted."""
    if has_rich():
        _with_rich(look, interval)
    while True:
        lines = plain(look(), *shutil.get_terminal_size())
        click.clear()
        click.echo("\n".join(lines))
        time.sleep(interval)


def plain(screen: Screen, width: int, height: int) -> list[str]:
    """The screen as lines that fit a terminal."""
    lines = [f"jobkit  {moment(screen.at)} UTC"]
    if screen.error:
        return [*lines, "", f"the store does not answer: {printable(screen.error)}"[:width]]
    numbers = [f"{name} {value:,}" for name, value in _numbers(screen.stats)]
    half = -(-len(numbers) // 2)
    lines += ["", "   ".join(numbers[:half]), "   ".join(numbers[half:]), ""]
    if screen.minutes:
        lines += [f"last hour  {screen.graph}", ""]
    lines.append(f"{'QUEUE':<30} {'SIZE':>10} {'LATENCY':>10}")
    lines += [
        f"{printable(queue.name):<30.30} {queue.size:>10,} {queue.latency:>9.1f}s"
        + ("  paused" if queue.paused else "")
        for queue in screen.queues
    ]
    lines += ["", f"{'WORKER':<30} {'BUSY':>10} {'MEMORY':>10}"]
    lines += [
        f"{printable(worker.id):<30.30} {_busy(worker):>10} {worker.rss >> 20:>7} MB"
        + ("  quiet" if worker.quiet else "")
        for worker in screen.workers
    ]
    return [line[:width] for line in lines[: max(1, height - 1)]]


def _with_rich(look: Callable[[], Screen], interval: float) -> NoReturn:
    from rich.live import Live  # noqa: PLC0415 - an extra

    with Live(_rich(look()), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            live.update(_rich(look()), refresh=True)


def _rich(screen: Screen) -> Any:
    from rich.columns import Columns  # noqa: PLC0415 - an extra
    from rich.console import Group  # noqa: PLC0415 - as above
    from rich.panel import Panel  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    title = Text.assemble(("jobkit", "bold green"), f"  {moment(screen.at)} UTC", style="dim")
    if screen.error:
        said = f"the store does not answer: {printable(screen.error)}"
        return Group(title, Panel(Text(said, style="red")))
    numbers = Columns(
        [
            Panel(Text(f"{value:,}", style="bold red" if name in _BAD and value else "bold"),
                  title=name, title_align="left", border_style="dim")
            for name, value in _numbers(screen.stats)
        ]
    )  # fmt: skip
    parts: list[Any] = [title, numbers]
    if screen.minutes:
        graph = Text(screen.graph, style="green")
        parts.append(Panel(graph, title="last hour", title_align="left", border_style="dim"))
    return Group(*parts, _queues(screen.queues), _workers(screen.workers))


def _queues(queues: Sequence[QueueInfo]) -> Any:
    table = _table("queue", "size", "latency", "")
    for queue in queues:
        paused = "[yellow]paused[/]" if queue.paused else ""
        table.add_row(_plain(queue.name), f"{queue.size:,}", f"{queue.latency:.1f} s", paused)
    return table


def _workers(workers: Sequence[WorkerInfo]) -> Any:
    table = _table("worker", "busy", "memory", "")
    for worker in workers:
        quiet = "[yellow]quiet[/]" if worker.quiet else ""
        table.add_row(_plain(worker.id), _busy(worker), f"{worker.rss >> 20} MB", quiet)
    return table


def _table(first: str, *others: str) -> Any:
    from rich import box  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD, expand=True, header_style="dim")
    table.add_column(first, ratio=2)
    for name in others:
        table.add_column(name, justify="right", ratio=1)
    return table


def _plain(text: str) -> Any:
    """Text in which nothing is markup."""
    from rich.text import Text  # noqa: PLC0415 - an extra

    return Text(printable(text))


def _busy(worker: WorkerInfo) -> str:
    return f"{worker.running} of {worker.concurrency}"


def _numbers(stats: Stats) -> list[tuple[str, int]]:
    return [(each.name, getattr(stats, each.name)) for each in fields(stats)]


def _minutes(inspector: Inspector) -> Sequence[MinuteStats]:
    try:
        return inspector.minutes()
    except Unsupported:
        return ()
