"""A mix-in for unittest."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import TestCase, TestResult

from .isolation import Isolated, assert_round_trips, isolated

if TYPE_CHECKING:
    _Case = TestCase
else:
    _Case = object


class IsolatedOrmist(_Case):
    """A mix-in before TestCase: each test has a separate key space, ``self.ormist``.

    It starts with the objects that setUpClass and setUpTestData stored, and is removed
    after the test. ormist_server: "fakeredis", "embedded" or "configured".
    """

    ormist_server: ClassVar[str] = "fakeredis"
    ormist: Isolated

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = cls.__mro__
        if TestCase in bases and bases.index(TestCase) < bases.index(IsolatedOrmist):
            raise TypeError(
                f"{cls.__name__} would not be isolated: IsolatedOrmist comes after a "
                f"TestCase. Write class {cls.__name__}(IsolatedOrmist, ...)."
            )

    @classmethod
    def setUpClass(cls) -> None:
        cls.ormist = cls.enterClassContext(isolated(cls.ormist_server))
        super().setUpClass()

    def run(self, result: TestResult | None = None) -> TestResult | None:
        with self._isolate() as self.ormist:
            return super().run(result)

    def debug(self) -> None:
        with self._isolate() as self.ormist:
            super().debug()

    def _isolate(self) -> AbstractContextManager[Isolated]:
        """Return the key space of this test, with a copy of the class's keys."""
        return isolated(self.ormist_server, copy_of=vars(type(self)).get("ormist"))

    def assertRoundTrips(self, number: int, using: str | None = None) -> Any:
        """Fail unless the block makes *number* round trips."""
        return assert_round_trips(number, using)
