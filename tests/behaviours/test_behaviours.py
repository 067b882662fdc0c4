"""Every behaviour that is offered has a test, and the page that lists them is true."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobkit.testing.contract import groups
from tests.behaviours.catalogue import AWAITED, COMPLETE, GROUPS, SENTENCES
from tests.behaviours.contract import IN_CONTRACT
from tests.behaviours.page import PAGE, REGENERATE, page, problems
from tests.behaviours.proof import Proof, collected, proofs_of

SENTENCE = {"X1": "It does.", "X2": "It does not.", "Y1": "It will."}


def found(*proofs: Proof, awaited: tuple[str, ...] = ()) -> list[str]:
    return problems(proofs, sentences=SENTENCE, complete="X", awaited=awaited)


def proof(code: str) -> Proof:
    return Proof(code, "test_it.py::test_it", None)


@pytest.mark.timeout(180)
def test_every_behaviour_is_proved_and_the_page_says_by_what() -> None:
    proofs = collected()
    assert problems(proofs) == []
    assert PAGE.read_text("utf-8") == page(proofs), f"call `{REGENERATE}`"


@pytest.mark.parametrize("name", IN_CONTRACT)
def test_every_test_of_the_contract_that_is_named_is_there(name: str) -> None:
    group, test = name.split("::")
    assert callable(getattr(getattr(groups, group), test))


class TestProblems:
    def test_there_are_none_when_complete_groups_are_proved(self) -> None:
        assert found(proof("X1"), proof("X2")) == []

    def test_a_behaviour_without_a_test_is_one(self) -> None:
        assert found(proof("X1")) == ["X2 has no test: It does not."]

    def test_a_code_that_nobody_knows_is_one(self) -> None:
        assert found(proof("X1"), proof("X2"), proof("X3")) == [
            "test_it.py::test_it names the behaviour X3, which there is not"
        ]

    def test_one_that_is_awaited_is_none_until_it_has_a_test(self) -> None:
        assert found(proof("X1"), awaited=("X2",)) == []
        assert found(proof("X1"), proof("X2"), awaited=("X2",)) == [
            "X2 has a test and is awaited no more"
        ]


class TestPage:
    def test_every_behaviour_has_a_row(self) -> None:
        assert re.findall(r"^\| ([A-Z]\d+) \|", page([]), re.MULTILINE) == list(SENTENCES)

    def test_a_row_names_each_test_once_and_every_adapter(self) -> None:
        proofs = [Proof("A1", "test_a", None), *(Proof("A1", "test_b", name) for name in "cB")]
        assert f"| A1 | {SENTENCES['A1']} | `test_a`<br>`test_b` | B, c, core |" in page(proofs)

    def test_very_many_tests_are_counted_by_what_holds_them(self) -> None:
        tests = [*(f"a.py::TestIt::test_{n}" for n in range(20)), "b.py::test_one"]
        text = page([Proof("A1", test, None) for test in tests])
        assert f"| A1 | {SENTENCES['A1']} | `a.py::TestIt` (20)<br>`b.py` (1) | core |" in text


class TestCatalogue:
    def test_codes_are_unique_and_in_their_group(self) -> None:
        codes = [code for group in GROUPS for code in group.sentences]
        assert len(codes) == len(set(codes))
        assert all(code[0] == group.letter for group in GROUPS for code in group.sentences)

    def test_what_is_complete_or_awaited_exists(self) -> None:
        assert {group.letter for group in GROUPS} >= COMPLETE
        assert AWAITED.keys() <= SENTENCES.keys()

    @pytest.mark.parametrize("code", SENTENCES)
    def test_a_behaviour_is_one_sentence(self, code: str) -> None:
        text = SENTENCES[code]
        assert text.endswith(".")
        assert ". " not in text
        assert "|" not in text


class TestCollecting:
    """In test runs of their own."""

    @pytest.fixture(autouse=True)
    def known(self, pytester: pytest.Pytester) -> None:
        pytester.makeini("[pytest]\nmarkers = behaviour(*codes)\n")

    def items(self, pytester: pytest.Pytester, text: str) -> list[Any]:
        pytester.makeconftest(
            "import pytest\n"
            "@pytest.fixture\n"
            "def fake(): ...\n"
            "@pytest.fixture(params=['sqlite', 'redis'])\n"
            "def where(request): ...\n"
        )
        return list(pytester.inline_genitems(pytester.makepyfile(test_it=text))[0])

    def test_markers_of_test_class_and_module_count(self, pytester: pytest.Pytester) -> None:
        text = """
            import pytest
            pytestmark = pytest.mark.behaviour("A1")
            @pytest.mark.behaviour("A2")
            class TestIt:
                @pytest.mark.behaviour("A3", "A6")
                @pytest.mark.parametrize("number", [1, 2])
                def test_it(self, number): ...
        """
        assert proofs_of(self.items(pytester, text), {}) == [
            Proof(code, "test_it.py::TestIt::test_it", None) for code in ("A1", "A2", "A3", "A6")
        ]

    def test_the_adapter_is_told_by_fixture_or_parameter(self, pytester: pytest.Pytester) -> None:
        text = """
            import pytest
            @pytest.mark.behaviour("A1")
            def test_it(fake): ...
            @pytest.mark.behaviour("A1")
            def test_where(where): ...
        """
        assert proofs_of(self.items(pytester, text), {}) == [
            Proof("A1", "test_it.py::test_it", "fake"),
            Proof("A1", "test_it.py::test_where", "Redis"),
            Proof("A1", "test_it.py::test_where", "SQLite"),
        ]

    def test_a_test_of_the_contract_is_looked_up(self, pytester: pytest.Pytester) -> None:
        text = """
            import pytest
            from jobkit.testing.contract import AdapterContract
            class TestMemory(AdapterContract): ...
        """
        named = {"Claiming::test_no_queues_hold_no_jobs": ("A1",)}
        [proof] = proofs_of(self.items(pytester, text), named)
        assert proof == Proof("A1", f"contract::{next(iter(named))}", "memory")
