"""The suite of tests inside of Django is collected only in a process that is made for it."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("JOBKIT_DJANGO_SUITE") else ["suite"]
