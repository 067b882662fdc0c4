"""Flask: an extension that configures jobkit and gives jobs an application context.

app = Flask(__name__)
app.config["JOBKIT"] = {"url": "redis://localhost:6379/0"}
Jobkit(app)
"""

from __future__ import annotations

from jobkit.contrib.flask.extension import Jobkit

__all__ = ["Jobkit"]
