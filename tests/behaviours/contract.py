"""What the contract suite proves: its tests travel to other projects, which know no markers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["IN_CONTRACT"]

IN_CONTRACT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Keeping::test_the_newest_dead_are_kept": ("C17",),
        "Keeping::test_the_dead_are_forgotten_after_their_days": ("C17",),
        "Preserving::test_through_a_claim_and_a_release": ("B6",),
        "Preserving::test_text_that_is_no_job_into_the_dead_set": ("C20",),
        "Preserving::test_whatever_json_there_is": ("B1",),
        "Settling::test_a_released_job_goes_back_to_the_head": ("C18",),
        "Settling::test_a_released_job_is_enqueued_unchanged": ("C18",),
        "Settling::test_text_that_is_no_job_is_buried_as_it_is_and_stops_nobody": ("C20",),
        "Working::test_a_job_of_an_unknown_class_waits_as_it_was_stored": ("B5",),
        "Working::test_arguments_arrive_as_they_were": ("B1",),
    }
)
"""Codes by group and test, as `jobkit.testing.contract.groups` has them."""
