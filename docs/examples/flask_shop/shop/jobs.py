from pathlib import Path

from flask import current_app
from sqlalchemy.orm import Session

from jobkit import Job, retry_on
from shop.models import Order, engine


@retry_on(OSError, wait="polynomially_longer", attempts=10)
class Confirm(Job, queue="mailers"):
    """Sends the letter. Written twice it is the same letter, so that running twice does no harm."""

    def perform(self, order_id: int) -> None:
        with Session(engine) as session, session.begin(), self.complete_in(session):
            order = session.get_one(Order, order_id)
            outbox = Path(current_app.config["OUTBOX"])
            outbox.mkdir(exist_ok=True)
            (outbox / f"{order.id}.txt").write_text(
                f"To: {order.email}\n\nYour {order.item} is coming.\n"
            )
            order.confirmed = True
