"""How a helper tells a call from a `with` statement."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any

import pytest

from jobkit_inline.helpers import blocks
from jobkit_inline.helpers.blocks import Block, either_way


class Recorded(Block[str]):
    def now(self) -> str:
        return "now"

    def __enter__(self) -> str:
        return "block"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...


@either_way
def helper(*args: object) -> Block[Any]:
    """What a helper says of itself."""
    return Recorded()


class Holder:
    helper = staticmethod(helper)


def wrapped(*args: object) -> Any:
    return helper(*args)


def wrapped_twice() -> Any:
    return wrapped(1, 2)


def test_a_call_acts_at_once() -> None:
    assert helper() == "now"
    result = helper()
    assert result == "now"
    assert [helper() for _ in range(2)] == ["now", "now"]


def test_so_it_does_wherever_its_result_goes() -> None:
    first = second = helper()
    assert (first, second) == ("now", "now")
    assert [named := helper(), named] == ["now", "now"]
    one, *others = helper()
    assert (one, others) == ("n", ["o", "w"])
    assert helper().upper() == f"{helper()}".upper() == "NOW"
    assert helper() or None
    for letter in helper():
        assert letter in "now"
    with ExitStack() as stack, pytest.raises(TypeError):
        stack.enter_context(helper())
    try:
        result = helper()
    finally:
        assert helper() == "now"
    assert result == "now"


def test_a_return_out_of_a_block_acts_at_once() -> None:
    def from_inside() -> Any:
        with helper():
            return helper()

    assert from_inside() == "now"


def test_a_with_statement_enters_it() -> None:
    with helper() as entered:
        assert entered == "block"
    with helper(
        1,
        2,
    ) as entered:
        assert entered == "block"
    with nullcontext(), helper() as entered, nullcontext():
        assert entered == "block"
    with (
        helper() as first,
        helper() as second,
    ):
        assert (first, second) == ("block", "block")


def test_a_call_inside_a_with_statement_acts_at_once() -> None:
    with helper():
        assert helper() == "now"
    with nullcontext(helper()) as result:
        assert result == "now"


def test_a_method_does_as_the_function() -> None:
    assert Holder().helper() == "now"
    with Holder().helper() as entered:
        assert entered == "block"


@pytest.mark.parametrize("wrapper", [wrapped, wrapped_twice])
def test_what_returns_it_may_be_used_both_ways(wrapper: Callable[[], Any]) -> None:
    assert wrapper() == "now"
    with wrapper() as entered:
        assert entered == "block"


def test_many_names_before_it_change_nothing() -> None:
    # Enough constants that arguments of instructions need more than a byte.
    source = "\n".join(f"x{n} = {n}.5" for n in range(300))
    names: dict[str, Any] = {"helper": helper}
    exec(source + "\nwith helper(300.5) as entered: pass\nresult = helper(301.5)", names)
    assert (names["entered"], names["result"]) == ("block", "now")


def test_coroutines_and_generators() -> None:
    async def main() -> list[Any]:
        with helper() as entered:
            await asyncio.sleep(0)
        return [entered, helper()]

    def generate() -> Any:
        with helper() as entered:
            yield entered
        yield helper()

    assert asyncio.run(main()) == ["block", "now"]
    assert list(generate()) == ["block", "now"]


def test_a_with_statement_is_known_by_what_this_python_makes_of_it() -> None:
    assert blocks._ENTERED
    assert blocks._ENTERED != blocks._RETURNED


def test_while_the_program_is_traced_it_is_the_same() -> None:
    lines: list[int] = []

    def trace(frame: Any, event: str, arg: object) -> Any:
        lines.append(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with wrapped_twice() as entered:
            result = helper()
    finally:
        sys.settrace(before)
    assert (entered, result) == ("block", "now")
    assert lines


def test_a_helper_keeps_its_name_and_documentation() -> None:
    assert (helper.__name__, helper.__doc__) == ("helper", "What a helper says of itself.")
