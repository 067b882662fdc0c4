"""A number, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Measure"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number, what it is held against, and how much of it there must be."""

    name: str
    value: float
    least: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name:44}{self.value:>12,.2f} {self.unit:8}(at least {self.least:,.2f})"

    @property
    def good(self) -> bool:
        return self.value >= self.least
