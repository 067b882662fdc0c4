"""What the contract suite proves: its tests travel to other projects, which know no markers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["IN_CONTRACT"]

IN_CONTRACT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Claiming::test_no_more_than_the_limit_is_claimed": ("G2",),
        "Claiming::test_the_limit_is_filled_from_several_queues": ("G2",),
        "Claiming::test_what_a_run_does_to_its_arguments_is_not_seen_by_the_next": ("E4",),
        "Competing::test_a_beat_and_a_recovery_do_not_both_win": ("F4",),
        "Competing::test_a_job_is_settled_or_recovered_and_not_both": ("F5",),
        "Competing::test_each_of_2000_jobs_is_finished_by_one_of_8_workers": ("F9",),
        "Inspecting::test_the_latency_is_the_age_of_the_oldest": ("L1",),
        "Inspecting::test_the_sizes_are_those_of_the_states": ("L1",),
        "Keeping::test_nothing_else_is_trimmed": ("G7",),
        "Keeping::test_the_dead_are_forgotten_after_their_days": ("C17", "G7"),
        "Keeping::test_the_dead_set_is_trimmed_in_slices": ("G7",),
        "Keeping::test_the_newest_dead_are_kept": ("C17",),
        "Limiting::test_a_dead_workers_places_are_free_when_its_jobs_were_recovered": ("H5",),
        "Limiting::test_a_limit_holds_over_classes_queues_and_workers": ("H5",),
        "Limiting::test_a_stale_claim_frees_no_place": ("H6",),
        "Limiting::test_many_workers_at_once_keep_the_limit_and_forget_nobody": ("H5",),
        "Limiting::test_never_more_than_the_limit_are_lent": ("H5",),
        "Limiting::test_settling_many_at_once_frees_no_more_than_they_had": ("H6",),
        "Limiting::test_those_that_wait_go_on_by_priority_then_age": ("H5",),
        "Limiting::test_whatever_ends_a_job_lets_the_next_one_go_on": ("H5",),
        "Locking::test_a_dead_job_whose_place_is_taken_stays_where_it_is": ("H4",),
        "Locking::test_of_equal_dead_jobs_one_comes_back": ("H4",),
        "Locking::test_until_success_it_is_held_through_runs_and_retries": ("H1",),
        "Ordering::test_a_later_queue_waits_until_the_earlier_is_empty": ("G1",),
        "Ordering::test_queues_are_served_in_the_order_given": ("G1",),
        "Ordering::test_the_older_job_is_claimed_first": ("G1",),
        "Pausing::test_the_other_queues_are_served": ("G1",),
        "Preserving::test_text_that_is_no_job_into_the_dead_set": ("C20",),
        "Preserving::test_through_a_claim_and_a_release": ("B6",),
        "Preserving::test_whatever_json_there_is": ("B1",),
        "Prioritizing::test_the_lower_number_is_claimed_first": ("G1",),
        "Prioritizing::test_the_queue_counts_more_than_the_priority": ("G1",),
        "Recovering::test_a_counter_that_moved_saves_the_worker": ("F5",),
        "Recovering::test_the_dead_worker_is_out": ("F4",),
        "Requeueing::test_a_requeued_job_comes_back_with_its_new_text": ("C9",),
        "Scheduling::test_a_job_cannot_be_claimed_before_its_time": ("D4",),
        "Scheduling::test_a_job_is_promoted_once": ("G3",),
        "Scheduling::test_promotion_comes_in_slices": ("G3",),
        "Scheduling::test_what_is_due_is_promoted_and_nothing_later": ("E5",),
        "Separated::test_each_job_is_finished_by_one_process": ("F9",),
        "Settling::test_a_released_job_goes_back_to_the_head": ("C18",),
        "Settling::test_a_released_job_is_enqueued_unchanged": ("C18",),
        "Settling::test_text_that_is_no_job_is_buried_as_it_is_and_stops_nobody": ("C20",),
        "Ticking::test_a_tick_enqueues_its_job_once": ("H10",),
        "Ticking::test_an_entry_put_again_is_replaced_and_keeps_its_past": ("H11",),
        "Ticking::test_an_entry_put_anew_has_no_ticks_in_the_past": ("H10",),
        "Ticking::test_of_many_at_once_one_enqueues_each_tick": ("H10",),
        "Uniqueness::test_of_equal_jobs_of_one_call_the_first_is_stored": ("H4",),
        "Uniqueness::test_of_equal_jobs_the_first_is_stored_and_the_others_learn_which": ("H1",),
        "Uniqueness::test_of_many_at_once_one_wins": ("H2",),
        "Uniqueness::test_of_many_processes_one_wins": ("H2",),
        "Working::test_a_job_of_an_unknown_class_waits_as_it_was_stored": ("B5", "E12"),
        "Working::test_a_job_that_stumbles_runs_again_until_it_stands": ("C9",),
        "Working::test_arguments_arrive_as_they_were": ("B1",),
        "Working::test_what_failed_is_kept_as_the_rules_say": ("C7",),
    }
)
"""Codes by group and test, as `jobkit.testing.contract.groups` has them."""
