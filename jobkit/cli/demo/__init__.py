"""`jobkit demo`: real work on real files, through a real worker, with numbers that must add up."""

from __future__ import annotations

import secrets
import shlex
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from jobkit import backends, settings
from jobkit.cli.demo.files import KINDS, text_files
from jobkit.cli.demo.progress import Progress
from jobkit.cli.demo.report import Report, print_report, problems_of, report_of
from jobkit.cli.demo.run import Demo
from jobkit.cli.options import json_option
from jobkit.cli.output import print_json
from jobkit.inspection import Inspector

__all__ = ["command"]

_ENDED_BY: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@click.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    show_envvar=True,
    help="Where the files are; by default Python's own library.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    show_envvar=True,
    metavar="N",
    help="Files at most.",
)
@click.option(
    "--url",
    metavar="URL",
    show_envvar=True,
    help="The store; by default a new SQLite file in a temporary folder.",
)
@click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    show_envvar=True,
    help="Leave the temporary folder, to look further.",
)
@json_option
def command(*, folder: Path | None, limit: int, url: str | None, keep: bool, as_json: bool) -> None:
    """Count the words of many files, a job for each, and show how that went."""
    folder = (folder or Path(sysconfig.get_paths()["stdlib"])).absolute()
    files = text_files(folder, limit=limit)
    if not files:
        raise click.ClickException(f"there are no {', '.join(KINDS)} files below {folder}")
    progress = Progress(silent=as_json)
    progress.say(f"Counting the words of {len(files):,} files below {folder}")
    with _ending_in_order(), _temporary_folder(keep=keep) as temporary:
        url = url or f"sqlite:///{temporary}/jobs.sqlite3"
        report = _report(files, url, temporary, progress)
    if as_json:
        print_json(report)
        return
    print_report(report)
    if keep:
        _print_hints(report.url, temporary)


def _report(files: list[Path], url: str, folder: Path, progress: Progress) -> Report:
    """Run the demo. Raises ClickException, too, if its numbers do not add up."""
    demo = Demo(
        files,
        url=url,
        queue=f"demo-{secrets.token_hex(3)}",
        folder=folder,
        inspector=_inspector(url),
        progress=progress,
    )
    run = demo.run()
    report = report_of(run, settings.safe_url(url))
    if problems := list(problems_of(run, report)):
        raise click.ClickException(f"the numbers do not add up: {'; '.join(problems)}")
    return report


def _inspector(url: str) -> Inspector:
    settings.override(url=url)
    adapter = backends.get_adapter()
    if not adapter.features.durable:
        name = type(adapter).__name__
        raise click.UsageError(f"{name} keeps jobs where the demo's worker cannot see them")
    inspector = Inspector(adapter)
    inspector.stats()  # a store that cannot be used is better noticed now
    return inspector


@contextmanager
def _temporary_folder(*, keep: bool) -> Generator[Path]:
    """A fresh folder. It is gone afterwards unless it is to be kept or explains an error."""
    folder = Path(tempfile.mkdtemp(prefix="jobkit-demo-"))
    try:
        yield folder
    except (KeyboardInterrupt, SystemExit):
        keep = False
        raise
    except Exception:
        keep = any(folder.iterdir())
        raise
    finally:
        backends.close_all()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ending_in_order() -> Generator[None]:
    """Have TERM and HUP unwind the stack as Ctrl-C does, so that the worker goes, too."""
    before = {number: signal.signal(number, _leave) for number in _ENDED_BY}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    sys.exit(128 + number)


def _print_hints(url: str, folder: Path) -> None:
    """The commands to look further with, ready to be copied."""
    store = f"--url {shlex.quote(url)}"
    click.echo("\nTo look further:")
    for command in (f"stats {store}", f"jobs list --state dead {store}"):
        click.echo(f"  {_program()} {command}")
    click.echo(f"\nThe worker's log and the results are in {folder}")


def _program() -> str:
    """How to call jobkit again: the way it was called."""
    called = sys.argv[0]
    if Path(called).name != "jobkit":
        return shlex.join([sys.executable, "-m", "jobkit"])
    return "jobkit" if shutil.which("jobkit") == called else shlex.quote(called)
