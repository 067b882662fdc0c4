"""jobkit's tables by Alembic itself: its commands, in a project of an application's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect, make_url, text

from jobkit import ConfigurationError
from jobkit.payload import Payload, new_id
from jobkit_sql import SqlAdapter
from jobkit_sql.alembic import hiding, include_name, upgrade
from jobkit_sql.schema import Schema
from tests.servers.postgres import Postgres

ENV = """
    from alembic import context
    from sqlalchemy import create_engine, MetaData
    from jobkit_sql.alembic import hiding, include_name

    options = {"target_metadata": MetaData(), "include_name": FILTER}
    url = context.config.get_main_option("sqlalchemy.url")
    if context.is_offline_mode():
        context.configure(url=url, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
    else:
        engine = create_engine(url)
        with engine.connect() as connection:
            context.configure(connection=connection, **options)
            with context.begin_transaction():
                context.run_migrations()
        engine.dispose()
"""

FIRST = """
    from alembic import op
    import sqlalchemy as sa
    from jobkit_sql.alembic import upgrade as upgrade_jobkit

    revision, down_revision = "first", None

    def upgrade():
        op.create_table("mine", sa.Column("id", sa.Integer, primary_key=True))
        upgrade_jobkit(op, to=1SCHEMA)
        op.execute("INSERT INTO mine (id) VALUES (1)")
"""

SECOND = """
    from alembic import op
    from jobkit_sql.alembic import upgrade as upgrade_jobkit

    revision, down_revision = "second", "first"

    def upgrade():
        upgrade_jobkit(op, since=1SCHEMA)
"""


class Project:
    """An Alembic project with two migrations."""

    def __init__(
        self, folder: Path, url: str, schema: str | None = None, prefix: str | None = None
    ) -> None:
        self.url = url
        self.schema = schema
        self._options = {"schema": schema, "prefix": prefix}
        self.output = StringIO()
        self._scripts = folder / "alembic"
        (self._scripts / "versions").mkdir(parents=True)
        given = "".join(f", {name}={value!r}" for name, value in self._options.items() if value)
        for name, source in (("first", FIRST), ("second", SECOND)):
            script = dedent(source).replace("SCHEMA", given)
            (self._scripts / "versions" / f"{name}.py").write_text(script)
        self.filter_by("include_name" if prefix is None else f"hiding({prefix!r})")
        self.config = Config(output_buffer=self.output, stdout=self.output)
        self.config.set_main_option("script_location", str(self._scripts))
        self.config.set_main_option("path_separator", "os")
        self.config.set_main_option("sqlalchemy.url", url)

    def filter_by(self, expression: str) -> None:
        """Have autogenerate see what the filter lets through."""
        (self._scripts / "env.py").write_text(dedent(ENV).replace("FILTER", expression))

    def adapter(self) -> SqlAdapter:
        """jobkit's own way to the tables."""
        url = self.url.replace("postgresql+psycopg", "postgresql")
        options = "&".join(f"{name}={value}" for name, value in self._options.items() if value)
        return SqlAdapter(f"{url}?{options}" if options else url)

    def run(self, script: str) -> None:
        """Run the statements of a script, as an administrator would."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in script.split(";\n"):
                if statement.strip() not in ("", "BEGIN", "COMMIT"):
                    connection.exec_driver_sql(statement)
        engine.dispose()


@pytest.fixture(
    params=["sqlite", "sqlite with a prefix", "postgresql", "postgresql in a schema with a prefix"]
)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    prefix = "jobs_of_" if "prefix" in request.param else None
    if request.param.startswith("sqlite"):
        yield Project(tmp_path, f"sqlite:///{tmp_path / 'app.db'}", prefix=prefix)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.create("migrated").replace("postgresql", "postgresql+psycopg")
    yield Project(tmp_path, url, "mine_alone" if "schema" in request.param else None, prefix)
    postgres.drop("migrated")


def works(adapter: SqlAdapter) -> None:
    """A job goes in and comes out."""
    with closing(adapter):
        assert adapter.schema_version() == Schema(adapter._store.dialect.name).latest
        payload = Payload.of({"class": "Job", "args": [], "jid": new_id(), "queue": "default"})
        adapter.enqueue([payload])
        adapter.beat("worker", lease=30, claims=[], register=True)
        assert [each.payload.id for each in adapter.claim(["default"], limit=1, worker="worker")]
        assert adapter.migrate() == []


def test_step_by_step(project: Project) -> None:
    command.upgrade(project.config, "first")
    with closing(project.adapter()) as adapter:
        assert adapter.schema_version() == 1
    command.upgrade(project.config, "head")
    works(project.adapter())


def test_all_at_once_and_the_names_mean_the_applications_tables_again(project: Project) -> None:
    command.upgrade(project.config, "head")
    works(project.adapter())
    engine = create_engine(project.url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM mine")) == 1
    engine.dispose()


def test_what_is_there_already_stays(project: Project) -> None:
    if project.schema is None or project.url.startswith("sqlite"):
        with closing(project.adapter()) as adapter:
            adapter.migrate()
    command.upgrade(project.config, "head")
    works(project.adapter())


def test_as_a_script_to_run_by_hand(project: Project) -> None:
    command.upgrade(project.config, "head", sql=True)
    project.run(project.output.getvalue())
    works(project.adapter())


def test_autogenerate_does_not_see_the_tables(project: Project) -> None:
    command.upgrade(project.config, "head")
    engine = create_engine(project.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE mine")
    engine.dispose()
    command.check(project.config)


def test_without_the_filter_it_would(project: Project) -> None:
    if project.schema is not None:
        return  # it does not look into other schemas unless told to
    command.upgrade(project.config, "head")
    project.filter_by("None")
    with pytest.raises(Exception, match=r"jobkit_jobs|jobs_of_jobs"):
        command.check(project.config)


def test_a_migration_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'app.db'}")
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE jobkit_stats (in_the_way INTEGER)")
        with pytest.raises(Exception, match="already exists"):
            upgrade(Operations(MigrationContext.configure(connection)))
        connection.rollback()
        assert inspect(connection).get_table_names() == ["jobkit_stats"]
    engine.dispose()


def test_a_version_there_is_not_is_refused() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for version in (0, 99):
            with pytest.raises(ValueError, match=f"no version {version}"):
                upgrade(operations, to=version)
    engine.dispose()


def test_a_database_that_is_not_served_is_refused() -> None:
    context = MigrationContext.configure(dialect_name="mysql", opts={"as_sql": True})
    with pytest.raises(ConfigurationError, match="no jobs in mysql"):
        upgrade(Operations(context))


@pytest.mark.parametrize(
    ("name", "kind", "included"),
    [
        ("jobkit_jobs", "table", False),
        ("jobkit_of_later", "table", False),
        ("users", "table", True),
        ("jobkit_jobs", "schema", True),
        (None, "schema", True),
    ],
)
def test_the_filter_hides_tables_only(name: str | None, kind: str, included: bool) -> None:
    assert include_name(name, kind, {}) is included


def test_a_filter_for_another_prefix_hides_jobkits_tables_alone() -> None:
    include = hiding("shop_")
    hidden = [
        name
        for name in ("shop_jobs", "shop_schema", "shop_users")
        if not include(name, "table", {})
    ]
    assert hidden == ["shop_jobs", "shop_schema"]
    assert include("shop_jobs", "schema", {})
    with pytest.raises(ConfigurationError, match="prefix='no;' is no beginning"):
        hiding("no;")
