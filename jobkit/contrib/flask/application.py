"""A worker's way into a Flask application: `jobkit worker -A jobkit.contrib.flask.application`.

Importing it loads the application as `flask run` does: by `FLASK_APP`, a factory too, else from
`app.py` or `wsgi.py`. `flask jobkit worker` does all of that by itself.
"""

from __future__ import annotations

import os
from typing import Final

from flask import Flask
from flask.cli import ScriptInfo

__all__ = ["app"]

app: Final[Flask] = ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
