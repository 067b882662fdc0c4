"""`manage.py jobkit …`: the command line, with the project's settings and jobs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

from django.core.management.base import BaseCommand, CommandParser

from jobkit.contrib.command_line import pass_on

__all__ = ["Command"]

_OF_DJANGO: Final = ("--settings", "--pythonpath")


class Command(BaseCommand):
    """Passes its words on to `jobkit`."""

    help = "Run workers and operate jobs: everything that `jobkit` can, with this project's jobs."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "words", nargs=argparse.REMAINDER, metavar="…", help="as for jobkit: worker -c 10"
        )

    def handle(self, *args: Any, **options: Any) -> NoReturn:
        del args
        pass_on(list(_kept(options["words"])), "jobkit.contrib.django.application")


def _kept(words: Iterable[str]) -> Iterator[str]:
    """The words less those that Django has obeyed already, wherever they stood."""
    left = iter(words)
    for word in left:
        if word in _OF_DJANGO:
            next(left, None)
        elif not word.startswith(tuple(f"{option}=" for option in _OF_DJANGO)):
            yield word
