"""The groups of the contract: one class for each thing an adapter does."""

from jobkit.testing.contract.groups.amending import Amending
from jobkit.testing.contract.groups.batching import Batching
from jobkit.testing.contract.groups.cancelling import Cancelling
from jobkit.testing.contract.groups.claiming import Claiming, Ordering, Prioritizing
from jobkit.testing.contract.groups.competing import Competing
from jobkit.testing.contract.groups.enqueueing import Closing, Enqueueing
from jobkit.testing.contract.groups.fencing import Fencing
from jobkit.testing.contract.groups.finishing import Finishing
from jobkit.testing.contract.groups.inspecting import Finding, Inspecting
from jobkit.testing.contract.groups.keeping import Keeping
from jobkit.testing.contract.groups.leasing import Holding, Leasing, Retiring
from jobkit.testing.contract.groups.limiting import Limiting
from jobkit.testing.contract.groups.listing import Filtering, Listing
from jobkit.testing.contract.groups.locking import Locking
from jobkit.testing.contract.groups.managing import Commanding, Deleting, Moving
from jobkit.testing.contract.groups.measuring import Measuring
from jobkit.testing.contract.groups.modelled import Modelled
from jobkit.testing.contract.groups.nesting import Nesting
from jobkit.testing.contract.groups.offering import Offering
from jobkit.testing.contract.groups.pausing import Pausing
from jobkit.testing.contract.groups.preserving import Preserving
from jobkit.testing.contract.groups.rating import Rating
from jobkit.testing.contract.groups.recovering import Recovering
from jobkit.testing.contract.groups.refusing import Refusing
from jobkit.testing.contract.groups.restoring import Restoring
from jobkit.testing.contract.groups.resulting import Resulting
from jobkit.testing.contract.groups.scheduling import Scheduling
from jobkit.testing.contract.groups.separated import Separated
from jobkit.testing.contract.groups.settling import Requeueing, Settling
from jobkit.testing.contract.groups.tallying import Tallying
from jobkit.testing.contract.groups.ticking import Ticking
from jobkit.testing.contract.groups.uniqueness import Uniqueness
from jobkit.testing.contract.groups.waiting import Waiting
from jobkit.testing.contract.groups.working import Working

__all__ = [
    "Amending",
    "Batching",
    "Cancelling",
    "Claiming",
    "Closing",
    "Commanding",
    "Competing",
    "Deleting",
    "Enqueueing",
    "Fencing",
    "Filtering",
    "Finding",
    "Finishing",
    "Holding",
    "Inspecting",
    "Keeping",
    "Leasing",
    "Limiting",
    "Listing",
    "Locking",
    "Measuring",
    "Modelled",
    "Moving",
    "Nesting",
    "Offering",
    "Ordering",
    "Pausing",
    "Preserving",
    "Prioritizing",
    "Rating",
    "Recovering",
    "Refusing",
    "Requeueing",
    "Restoring",
    "Resulting",
    "Retiring",
    "Scheduling",
    "Separated",
    "Settling",
    "Tallying",
    "Ticking",
    "Uniqueness",
    "Waiting",
    "Working",
]
