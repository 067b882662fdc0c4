"""What tables and escapes look like."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli import output


@given(st.text())
def test_printable_text_holds_no_control_character(text: str) -> None:
    assert output.printable(text).isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert output.printable(text) == text


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("A", "LONG"), [("one", 1), ("", None), ("three", "x")])
    assert capsys.readouterr().out == "A      LONG\none    1\n       None\nthree  x\n"


def test_lines_are_cut_to_a_terminal_and_whole_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    output.print_table(("A",), [("x" * 30,)])
    assert "x" * 30 in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_table(("A",), [("x" * 30,)])
    assert capsys.readouterr().out == "A\n" + "x" * 9 + "…\n"


def test_what_is_no_data_is_not_printed_as_json() -> None:
    value: Any = object()
    with pytest.raises(TypeError, match="object is not printed as JSON"):
        output.print_json(value)
