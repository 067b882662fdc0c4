"""A shop: it takes orders, and confirms them by jobs."""

import os

from a2wsgi import ASGIMiddleware
from flask import Flask, abort, jsonify, request
from sqlalchemy.orm import Session
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import jobkit
from jobkit.contrib.flask import Jobkit
from jobkit.dashboard import create_app as dashboard
from shop.jobs import Confirm
from shop.models import Base, Order, engine


def create_app():
    app = Flask(__name__)
    app.config["OUTBOX"] = os.environ.get("SHOP_OUTBOX", "outbox")
    app.config["JOBKIT"] = {"url": engine.url.render_as_string(hide_password=False)}
    Jobkit(app)
    Base.metadata.create_all(engine)

    @app.post("/orders")
    def order():
        if not (request.form.get("item") and request.form.get("email")):
            abort(400, "an order has an item and an email")
        with Session(engine) as session, jobkit.enqueue_in(session), session.begin():
            placed = Order(item=request.form["item"], email=request.form["email"])
            session.add(placed)
            session.flush()  # which gives it its number
            job = Confirm.perform_later(placed.id)
            return jsonify(order=placed.id, job=job.id), 201

    pages = dashboard(auth=("admin", os.environ.get("SHOP_PASSWORD", "secret")))
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/jobs": ASGIMiddleware(pages)})
    return app
