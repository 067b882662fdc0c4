"""What a seeded fault is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One place made wrong. `group` must catch it, and the state machine too if `model` says so."""

    name: str
    group: str
    file: str
    right: str
    wrong: str
    model: bool = False
