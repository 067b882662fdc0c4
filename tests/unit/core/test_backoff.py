"""How long a failed job waits."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.backoff import LONGEST, compile_wait, policy_delay, policy_jitter, within_bounds


def waits(wait: Any, jitter: float | None = 0.0, failures: int = 5) -> list[float]:
    backoff = compile_wait(wait, jitter)
    return [backoff(count) for count in range(1, failures + 1)]


class TestDeclared:
    @pytest.mark.behaviour("C4")
    def test_polynomially_longer(self) -> None:
        assert waits("polynomially_longer") == [3, 18, 83, 258, 627]

    def test_exponentially_longer(self) -> None:
        assert waits("exponentially_longer") == [2, 4, 8, 16, 32]

    @pytest.mark.parametrize("wait", [7, 7.0, timedelta(seconds=7)])
    def test_a_fixed_wait(self, wait: Any) -> None:
        assert waits(wait) == [7] * 5

    def test_a_callable_is_asked_with_the_failures_so_far(self) -> None:
        assert waits(lambda failures: failures**2 * 300) == [300, 1_200, 2_700, 4_800, 7_500]
        assert waits(lambda failures: timedelta(minutes=failures), failures=2) == [60, 120]

    @pytest.mark.behaviour("C5")
    @pytest.mark.parametrize("jitter", [None, 0, 0.0])
    def test_no_jitter(self, full_jitter: None, jitter: float | None) -> None:
        assert waits(10, jitter) == [10] * 5

    @pytest.mark.behaviour("C5")
    @pytest.mark.parametrize(
        ("wait", "jitter", "most"),
        [
            (10, 0.15, [11.5, 11.5]),
            (10, 2.0, [30, 30]),
            (10, -0.5, [5, 5]),
            (10, -2.0, [0, 0]),
            ("polynomially_longer", 0.5, [3.5, 26]),
            ("exponentially_longer", 0.5, [3, 6]),
        ],
    )
    def test_jitter_is_a_share_of_the_wait(
        self, full_jitter: None, wait: Any, jitter: float, most: list[float]
    ) -> None:
        assert waits(wait, jitter, failures=2) == most

    @pytest.mark.behaviour("C5")
    def test_a_callables_answer_has_no_jitter(self, full_jitter: None) -> None:
        assert waits(lambda failures: 10, 5.0, failures=1) == [10]

    def test_jitter_is_drawn_anew_each_time(self) -> None:
        assert len({compile_wait(100, 0.5)(1) for _ in range(20)}) > 10

    @pytest.mark.behaviour("C4")
    @given(st.integers(1, 10**6), st.floats(0, 1))
    def test_polynomial_waits_stay_within_their_share(self, failures: int, jitter: float) -> None:
        wait = compile_wait("polynomially_longer", jitter)(failures)
        base = failures**4
        assert min(base + 2, LONGEST) <= wait <= min(base * (1 + jitter) + 2.001, LONGEST)


class TestBounds:
    @pytest.mark.parametrize("curve", ["polynomially_longer", "exponentially_longer"])
    @pytest.mark.parametrize("failures", [100, 10_000, 10**9])
    def test_no_wait_is_longer_than_ten_years(self, curve: Any, failures: int) -> None:
        assert compile_wait(curve, 0.15)(failures) <= LONGEST

    @pytest.mark.parametrize("wait", [1e300, timedelta.max, lambda failures: 1e300])
    def test_a_huge_wait_is_ten_years(self, wait: Any) -> None:
        assert waits(wait, failures=1) == [LONGEST]

    @pytest.mark.parametrize(
        "wait", [-1, timedelta(days=-1), lambda failures: -5, lambda failures: math.nan]
    )
    def test_a_wait_below_zero_is_none(self, wait: Any) -> None:
        assert waits(wait, failures=1) == [0]

    @given(st.floats())
    def test_any_number_is_brought_within_bounds(self, seconds: float) -> None:
        assert 0 <= within_bounds(seconds) <= LONGEST


class TestPolicy:
    def test_the_formula_is_sidekiqs(self, no_jitter: None) -> None:
        assert [policy_delay(count) for count in range(4)] == [15, 16, 31, 96]

    def test_the_jitter_grows_with_the_count(self, full_jitter: None) -> None:
        assert [policy_jitter(count) for count in range(3)] == [10, 20, 30]
        assert policy_delay(2) == 31 + 30

    def test_25_retries_take_about_20_days(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("random.random", lambda: 0.5)
        assert sum(policy_delay(count) for count in range(25)) / 86_400 == pytest.approx(20.4, 0.01)
