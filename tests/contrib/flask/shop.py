"""A small Flask application, made by a factory, whose jobs need its context."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, current_app

from jobkit import Job, job
from jobkit.contrib.flask import Jobkit


class Ship(Job):
    def perform(self, note: str) -> str:
        folder: str = current_app.config["FOLDER"]
        Path(folder, f"{note}.txt").write_text(current_app.name, "utf-8")
        return current_app.name


@job
async def ship_slowly(note: str) -> str:
    return f"{current_app.name} {note}"


def create_app(url: str | None = None) -> Flask:
    app = Flask("shop")
    app.config["FOLDER"] = os.environ.get("SHOP_FOLDER", ".")
    app.config["JOBKIT"] = {"url": url or os.environ.get("SHOP_URL")}
    Jobkit(app)
    return app
