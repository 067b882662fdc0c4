"""Your own transaction: jobs that are stored, or finished, if and only if your data is.

    with Session(engine) as session, jobkit.enqueue_in(session):
        session.add(user)
        session.flush()
        WelcomeEmail.perform_later(user.id)
        session.commit()

What needs SQLAlchemy is loaded when a session or connection is first given.
"""

from jobkit.transactions.completing import Completing, Completion, Settled, completing
from jobkit.transactions.kept import Kept
from jobkit.transactions.scope import Scope, away, current, enqueue_in

__all__ = [
    "Completing",
    "Completion",
    "Kept",
    "Scope",
    "Settled",
    "away",
    "completing",
    "current",
    "enqueue_in",
]
