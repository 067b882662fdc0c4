"""The reference pages name everything there is, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import click
import pytest
from prometheus_client import CollectorRegistry, Metric

from jobkit import backends, errors, events, outcome
from jobkit.cli import cli
from jobkit.contrib import prometheus
from jobkit.jobs import JobOptions, SetOptions
from jobkit.settings.model import RULES, Settings
from jobkit_inline import MemoryAdapter

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SETTINGS_WITHOUT_A_DEFAULT: tuple[object, ...] = (None, (), {})


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text("utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows whose first cell is code, without the tables' other marks."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): [cell.strip(" |") for cell in cells[1:]] for cells in lines}


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# The command line.


def commands(command: click.Command, path: str = "jobkit") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


COMMANDS = dict(commands(cli))


def sections() -> dict[str, str]:
    """What stands below each heading that is a command, up to the next heading."""
    parts = re.split(r"^##+ (.+)$", page("cli"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_a_section() -> None:
    assert sorted(sections()) == sorted(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_stands_in_the_section_of_its_command(path: str) -> None:
    written = [
        option
        for code in codes(sections()[path])
        for option in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", code)
    ]
    assert set(written) == set(options(COMMANDS[path]))


def options(command: click.Command) -> list[str]:
    """All spellings; `--help` only of the program itself, where it is explained for all."""
    own = [option for option in command.params if isinstance(option, click.Option)]
    named = [name for option in own for name in (*option.opts, *option.secondary_opts)]
    return [*named, "--help", "-h"] if command is cli else named


@pytest.mark.parametrize("name", ["--url", "--config", "--backend", "--json"])
def test_the_options_of_many_commands_are_explained(name: str) -> None:
    before_the_commands = page("cli").partition("## jobkit")[0]
    assert f"| `{name}" in before_the_commands


# Settings.


def test_every_setting_is_a_row_in_the_order_of_the_model() -> None:
    listed = rows(page("settings").partition("## URLs")[0])
    assert list(listed) == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_setting_has_its_variable_and_its_default(name: str) -> None:
    variable, default, *_ = rows(page("settings"))[name]

    assert variable == variable_of(name)
    assert default.strip("`").replace(",", "") == default_of(name)


def variable_of(name: str) -> str:
    special = {"backends": "`JOBKIT_BACKENDS_<NAME>_URL`", "recurring": "none"}
    return special.get(name, f"`JOBKIT_{name.upper()}`")


def default_of(name: str) -> str:
    value: Any = getattr(Settings(), name)
    return "none" if value in SETTINGS_WITHOUT_A_DEFAULT else str(value)


# Options of jobs.


def test_every_option_of_a_class_and_of_a_call_is_a_row() -> None:
    of_class, _, rest = page("options").partition("## Of one call")
    of_call = rest.partition("## Verbs")[0]

    assert set(rows(of_class)) == set(JobOptions.__annotations__)
    first_cells = [line.split(" | ")[0] for line in of_call.splitlines() if line.startswith("| `")]
    assert {name for cell in first_cells for name in codes(cell)} == set(SetOptions.__annotations__)


# Public names.


def test_the_page_of_names_is_as_the_docstrings_are() -> None:
    """When it is not, `make reference` writes it anew."""
    assert page("names") == writer("write_api").page()


def writer(name: str) -> Any:
    """The script beside the documentation that writes a page of it."""
    spec = spec_from_file_location(name, REFERENCE.parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Dependencies.


def test_every_dependency_is_told_with_its_versions_and_what_it_is_for() -> None:
    """When they are not, `make dependencies` writes the page anew."""
    assert "\n".join(writer("write_dependencies").packages()) in page("dependencies")


def test_all_that_is_measured_stands_on_the_page() -> None:
    module = writer("write_dependencies")
    assert all(f"| {what} |" in page("dependencies") for what in module.IMPORTS)
    took, modules, libraries = module.measured("import jobkit", rounds=1)
    assert took > 0
    assert modules > 10
    assert "sqlalchemy" not in libraries


# Events.


def test_every_event_is_a_row_in_the_order_of_the_list() -> None:
    assert list(rows(page("events"))) == list(events.NAMES)


@pytest.mark.parametrize("name", events.NAMES)
def test_an_event_has_its_data(name: str) -> None:
    announced = re.search(r"\(data: (.+)\)", events.NAMES[name])
    wanted = announced[1].split(", ") if announced else []

    written = rows(page("events"))[name][-1]
    assert set(wanted) <= set(codes(written))


# Errors.

ERRORS: Sequence[type[BaseException]] = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_a_row() -> None:
    assert set(rows(page("errors"))) == set(errors.__all__)


@pytest.mark.parametrize("error", ERRORS, ids=errors.__all__)
def test_an_error_has_its_bases(error: type[BaseException]) -> None:
    bases = codes(rows(page("errors"))[error.__name__][0])
    assert bases == [base.__name__ for base in error.__bases__]


# Metrics.


def metrics() -> dict[str, tuple[str, list[str]]]:
    """Kind and labels of every metric that a registry with jobkit in it tells."""
    registry = CollectorRegistry()
    with backends.override(MemoryAdapter()):
        told = prometheus.install(registry=registry)
        for name in ("enqueue", "perform", "retry_scheduled", "bury"):  # no labels without any
            events.emit(name, outcome=outcome.SUCCEEDED)
        events.unsubscribe(told)
        families = list(registry.collect())
    counted = {"counter": "_total"}
    return {
        family.name + counted.get(family.type, ""): (family.type, _labels(family))
        for family in families
    }


def _labels(family: Metric) -> list[str]:
    """Those of a metric; of the store's also where it has no samples."""
    found = getattr(family, "_labelnames", None) or next(iter(family.samples)).labels
    return [name for name in found if name != "le"]


def test_every_metric_is_listed_with_its_kind_and_labels() -> None:
    listed = {name: (cells[0], codes(cells[1])) for name, cells in rows(page("metrics")).items()}
    assert listed == metrics()


def test_every_outcome_that_runs_are_counted_by_is_named() -> None:
    [row] = [cells for name, cells in rows(page("metrics")).items() if name == "jobkit_runs_total"]
    outcomes = {each.__name__.lower() for each in outcome.Outcome.__args__}
    assert set(codes(row[2])) == outcomes


def test_every_state_that_jobs_are_counted_by_is_named() -> None:
    named = codes(rows(page("metrics"))["jobkit_jobs"][2])
    with backends.override(MemoryAdapter()):
        told = prometheus.exposition().decode()
    assert named == re.findall(r'^jobkit_jobs\{.*state="(\w+)"\}', told, re.MULTILINE)
