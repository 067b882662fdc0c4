"""A group whose commands are loaded when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """Commands are `jobkit.cli.NAME.command`, listed with summaries that are known beforehand.

    `jobkit --help` must answer at once, which it could not if it loaded what the commands need.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._summaries = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._summaries)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = get_close_matches(args[0], self._summaries, n=1)
        if near and args[0] not in self._summaries and not ctx.resilient_parsing:
            raise click.UsageError(
                f"there is no command {args[0]!r}; did you mean {near[0]!r}?", ctx
            )
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._summaries:
            return None
        command: click.Command = import_module(f"jobkit.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
