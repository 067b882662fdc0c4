"""Queue names, order, weights and reserved threads."""

from __future__ import annotations

import pytest

from jobkit.settings import Queues, check_queue_name


class TestNames:
    @pytest.mark.parametrize("name", ["default", "a", "A.b_c:d-9", "x" * 128])
    def test_may_hold_letters_digits_and_some_marks(self, name: str) -> None:
        assert check_queue_name(name) == name

    @pytest.mark.parametrize(
        "name", ["", "a b", "a,b", "a@b", "a\n", "é", "a/b", "x" * 129, "*", "\x00"]
    )
    def test_anything_else_is_refused_with_the_rule(self, name: str) -> None:
        with pytest.raises(ValueError, match="is no queue name: 1 to 128 letters, digits"):
            check_queue_name(name)


class TestParse:
    def test_plain_names_are_in_strict_order(self) -> None:
        assert Queues.parse(["b", "a"]) == Queues(("b", "a"), weights=None)

    def test_one_weight_makes_all_weighted(self) -> None:
        parsed = Queues.parse(["a,3", "b"])
        assert parsed == Queues(("a", "b"), weights={"a": 3, "b": 1})

    def test_threads_may_be_reserved(self) -> None:
        parsed = Queues.parse(["pdf@2", "default"])
        assert parsed == Queues(("pdf", "default"), reserved={"pdf": 2})

    @pytest.mark.parametrize(
        "spec", ["a,", "a,x", "a,-1", "a@", "a@x", ",3", "", "a,1,2", "a,1@2", "a,99999999999"]
    )
    def test_anything_else_is_refused(self, spec: str) -> None:
        with pytest.raises(ValueError, match="is not NAME, NAME,WEIGHT or NAME@THREADS"):
            Queues.parse([spec])

    def test_a_weight_and_reserved_threads_are_at_least_one(self) -> None:
        for spec in ("a,0", "a@0"):
            with pytest.raises(ValueError, match="queue 'a' must be 1 or more"):
                Queues.parse([spec])

    def test_a_queue_is_named_once(self) -> None:
        with pytest.raises(ValueError, match="'a' is named twice"):
            Queues.parse(["a", "b", "a"])

    def test_at_least_one_queue_is_named(self) -> None:
        with pytest.raises(ValueError, match="at least one queue"):
            Queues.parse([])


class TestOf:
    @pytest.mark.parametrize("value", [3, None, [1], ["a", 2], {1: 2}, object()])
    def test_refuses_what_is_neither_names_nor_weights(self, value: object) -> None:
        with pytest.raises(ValueError, match="neither names nor weights"):
            Queues.of(value)

    @pytest.mark.parametrize("weight", [0, -1, 1.5, "2", True, None])
    def test_refuses_weights_that_are_no_whole_numbers(self, weight: object) -> None:
        with pytest.raises(ValueError, match="must be 1 or more"):
            Queues.of({"a": weight})
