"""A worker's way into a Django project: `jobkit worker -A jobkit.contrib.django.application`.

Importing it sets Django up, by `DJANGO_SETTINGS_MODULE`, and imports the modules `jobs` and
`tasks` of every installed application. `manage.py jobkit worker` does all of that by itself.
"""

from __future__ import annotations

import django
from django.utils.module_loading import autodiscover_modules

__all__: list[str] = []

django.setup()
autodiscover_modules("jobs", "tasks")
