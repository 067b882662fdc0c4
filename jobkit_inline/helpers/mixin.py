"""`JobAssertions`: the helpers for unittest."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from unittest import TestCase, TestResult

from jobkit_inline.fake import FakeAdapter
from jobkit_inline.helpers import assertions, lists, performing, using

__all__ = ["JobAssertions"]

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object


class JobAssertions(Base):
    """Mixed into a `unittest.TestCase`, before it: the helpers as methods, on a fake adapter.

    Each test, `setUp` and `tearDown` included, has a fake of its own for every backend, unless
    the pytest plugin gave it an adapter by marker or setting.

        class SignUp(JobAssertions, TestCase):
            def test_welcomes(self):
                sign_up("ada@example.org")
                self.assert_enqueued(WelcomeEmail)
    """

    assert_enqueued = staticmethod(assertions.assert_enqueued)
    assert_no_enqueued = staticmethod(assertions.assert_no_enqueued)
    assert_performed = staticmethod(assertions.assert_performed)
    assert_no_performed = staticmethod(assertions.assert_no_performed)
    perform_enqueued_jobs = staticmethod(performing.perform_enqueued_jobs)
    drain = staticmethod(performing.drain)
    enqueued_jobs = staticmethod(lists.enqueued_jobs)
    performed_jobs = staticmethod(lists.performed_jobs)
    clear_jobs = staticmethod(lists.clear_jobs)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.run is TestCase.run:
            raise TypeError(f"{cls.__name__}: name JobAssertions before TestCase")

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test with its adapter in place."""
        given = using.is_everywhere()
        with nullcontext() if given else using.everywhere(FakeAdapter()):
            return super().run(result)
