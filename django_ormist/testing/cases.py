"""For unittest: a mix-in."""

from typing import TYPE_CHECKING, Any, ClassVar
from unittest import TestCase, TestResult

from .isolation import Isolated, isolated
from .trips import assert_trips

if TYPE_CHECKING:
    _Case = TestCase
else:
    _Case = object


class IsolatedOrmist(_Case):
    """Mix in before a TestCase: each test has an empty key space, as ``self.ormist``.

    ormist_server: "fakeredis", "embedded" or "configured". What setUpClass and
    setUpTestData store is outside: make objects in setUp.
    """

    ormist_server: ClassVar[str] = "fakeredis"
    ormist: Isolated

    def run(self, result: TestResult | None = None) -> TestResult | None:
        with isolated(self.ormist_server) as self.ormist:
            return super().run(result)

    def assertTrips(self, number: int, using: str | None = None) -> Any:
        """``with self.assertTrips(1): ...`` fails unless there is one round trip."""
        return assert_trips(number, using)
