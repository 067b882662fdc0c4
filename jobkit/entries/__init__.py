"""Recurring entries: jobs that are enqueued at the times of a cron expression."""

from jobkit.entries.declared import EntryOptions, own_entries
from jobkit.entries.info import RecurringInfo, RecurringRun
from jobkit.entries.recurring import Recurring, RecurringEntries, recurring
from jobkit.entries.ticker import Ticker

__all__ = [
    "EntryOptions",
    "Recurring",
    "RecurringEntries",
    "RecurringInfo",
    "RecurringRun",
    "Ticker",
    "own_entries",
    "recurring",
]
