"""Faults to be seeded into the memory adapter: in which file what becomes what, who must see it."""

import re

from tests.contract.faults import jobs, locks, workers
from tests.contract.faults.fault import Fault

__all__ = ["FAULTS", "MODEL", "SOUND", "SUSPECTS", "Fault"]

FAULTS = (*jobs.FAULTS, *workers.FAULTS, *locks.FAULTS)
MODEL = "Modelled"
SOUND = Fault("nothing is wrong", "Settling", "no file", "", "", model=True)

#: By the name of its test class; the sound one is tried as well.
SUSPECTS = {"Test_" + re.sub(r"\W+", "_", fault.name): fault for fault in (SOUND, *FAULTS)}
