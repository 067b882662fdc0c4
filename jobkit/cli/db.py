"""`jobkit db`: the schema of a SQL store."""

from __future__ import annotations

import click

from jobkit.capabilities import SupportsMigrations, require
from jobkit.cli.options import Store, json_option, store_options
from jobkit.cli.output import print_json, printable

__all__ = ["command"]


@click.group()
def command() -> None:
    """Create, check and print the schema of a SQL store."""


@command.command()
@json_option
@store_options
def migrate(store: Store, /, *, as_json: bool) -> None:
    """Bring the schema up to date, beside running workers."""
    applied = _schema(store).migrate()
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")


@command.command()
@json_option
@store_options
def check(store: Store, /, *, as_json: bool) -> None:
    """Tell what is wrong with the schema, and what the first use will do. Changes nothing."""
    schema = _schema(store)
    problems = schema.check()
    if as_json:
        print_json({"version": schema.schema_version(), "problems": problems})
    else:
        found = problems or [f"the first use applies {name}" for name in schema.pending()]
        click.echo("\n".join(printable(line) for line in found) or "everything is fine")
    if problems:
        click.get_current_context().exit(1)


@command.command()
@store_options
def sql(store: Store, /) -> None:
    """Print the statements of every migration, for those who apply them by hand."""
    click.echo(_schema(store).migrations_sql())


def _schema(store: Store) -> SupportsMigrations:
    capability = SupportsMigrations
    return require(store.adapter(), capability, "migrations: it has no schema")  # type: ignore[type-abstract]
