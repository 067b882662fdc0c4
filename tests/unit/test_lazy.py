"""Names that are loaded at first use: which, from where, and how packages must be entered."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import jobkit
from jobkit.lazy import lazily

ROOT = Path(jobkit.__file__).parent.parent
FILES = [
    path
    for package in ("jobkit", "jobkit_inline", "jobkit_redis", "jobkit_sql")
    for path in (ROOT / package).rglob("*.py")
]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


TREES = {name_of(path): ast.parse(path.read_text()) for path in FILES}
PACKAGES = [name_of(path) for path in FILES if path.name == "__init__.py"]
LAZY = [each for each in PACKAGES if "= lazily(" in ast.unparse(TREES[each])]
LAZY.remove("jobkit.contrib.django")  # needs a project, and is tested with one


def is_typing(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(nodes: list[ast.stmt]) -> Iterator[tuple[str, ast.alias]]:
    """What these statements import from where, when the module is loaded."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias) for alias in node.names)
        elif isinstance(node, ast.If) and not is_typing(node):
            yield from imports([*node.body, *node.orelse])


def loads(name: str, *, seen: set[str]) -> set[str]:
    """The modules of ours that loading one loads, each of which loads its packages first."""
    for module, alias in imports(TREES[name].body):
        inner = f"{module}.{alias.name}"
        for each in (module, inner if inner in TREES and not binds(module, alias.name) else ""):
            parts = each.split(".")
            for whole in (".".join(parts[: size + 1]) for size in range(len(parts))):
                if whole in TREES and whole not in seen:
                    seen.add(whole)
                    loads(whole, seen=seen)
    return seen


def binds(package: str, name: str) -> bool:
    """True when a package gives a name of its own to who imports it, though a module has it too."""
    return any(name == (it.asname or it.name) for _, it in imports(TREES[package].body))


def test_a_name_is_what_its_module_calls_so() -> None:
    assert (
        lazily("os", {"path": ("join", "split as parted")})[0]("parted")
        is import_module("os.path").split
    )


def test_a_name_that_no_module_has_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'os' has no attribute 'jion'") as caught:
        lazily("os", {"path": ("join",)})[0]("jion")
    assert caught.value.name == "jion"


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_are_told_of_the_names_that_are_loaded(package: str) -> None:
    (typed,) = [node for node in TREES[package].body if is_typing(node)]
    assert isinstance(typed, ast.If)
    told = {it.asname or it.name: (module, it.name) for module, it in imports(typed.body)}
    here = import_module(package)
    assert set(here.__all__) <= set(here.__dir__())
    for name in set(told) & set(here.__all__):
        module, called = told[name]
        assert getattr(here, name) is getattr(import_module(module), called)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_no_module_by_which_others_enter_it(package: str) -> None:
    """The bug: one thread waits for the package and another for the module; both get half."""
    own = {each for each in loads(package, seen=set()) if each.startswith(f"{package}.")}
    outside = (name for name in TREES if not f"{name}.".startswith(f"{package}."))
    doors = {
        name: module for name in outside for module, _ in imports(TREES[name].body) if module in own
    }
    assert doors == {}
