"""The verbs that answer with values, numbers or text in place of a list of objects."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ..connections.executor import arun, run
from . import explaining, fetching, summaries
from .asked import Asked
from .values import Values

if TYPE_CHECKING:
    from .base import Model
    from .projection import Projection
    from .shapes import Shape

M = TypeVar("M", bound="Model")


class Answers(Asked[M], Values):
    """What a manager and a collection share beside the verbs of objects."""

    # Parts of objects: no round trip

    def _projected(
        self, names: tuple[str, ...] | None, shape: "Shape[Any]"
    ) -> "Projection[Any]":
        return self._collection()._projected(names, shape)

    # One object

    def earliest(self, *names: Any) -> M:
        """The first by these names, or by creation. Raises DoesNotExist. One trip.

        names: as those of order_by().
        """
        asked = self._collection()._first_by(names)
        found: M = run(fetching.the_first(asked), asked.db)
        return found

    async def aearliest(self, *names: Any) -> M:
        """See earliest()."""
        asked = self._collection()._first_by(names)
        found: M = await arun(fetching.the_first(asked), asked.db)
        return found

    def latest(self, *names: Any) -> M:
        """The last by these names, or by creation. Raises DoesNotExist. One trip.

        names: as those of order_by(). An object without the attribute only where none
        has it.
        """
        asked = self._collection()._first_by(names, is_last=True)
        found: M = run(fetching.the_first(asked), asked.db)
        return found

    async def alatest(self, *names: Any) -> M:
        """See latest()."""
        asked = self._collection()._first_by(names, is_last=True)
        found: M = await arun(fetching.the_first(asked), asked.db)
        return found

    # Numbers

    def facets(self, name: str, values: Iterable[Any] | None = None) -> dict[Any, int]:
        """``{value: how many have it}``, the lowest value first. One round trip.

        name: an ordered attribute; with *values* to count, also an indexed one, or
        ``tags``. Raises FieldError.
        """
        asked = self._collection()
        counted: dict[Any, int] = run(summaries.facets(asked, name, values), asked.db)
        return counted

    async def afacets(
        self, name: str, values: Iterable[Any] | None = None
    ) -> dict[Any, int]:
        """See facets()."""
        asked = self._collection()
        counted: dict[Any, int]
        counted = await arun(summaries.facets(asked, name, values), asked.db)
        return counted

    def aggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """Django's Count, Min, Max, Sum, Avg over ordered attributes. One round trip.

        Of no value None, or the aggregate's default. Raises FieldError.
        """
        asked = self._collection()
        results: dict[str, Any]
        results = run(summaries.aggregate(asked, given, named), asked.db)
        return results

    async def aaggregate(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See aggregate()."""
        asked = self._collection()
        results: dict[str, Any]
        results = await arun(summaries.aggregate(asked, given, named), asked.db)
        return results

    def explain(self, *, format: str | None = None, **options: Any) -> str:
        """Return how the server answers: what it walks or sorts, and its sizes.

        The query is sent for that. One round trip. Raises ValueError for a format or
        an option: there are none.
        """
        asked = self._collection()
        text: str = run(explaining.explain(asked, format, options), asked.db)
        return text

    async def aexplain(self, *, format: str | None = None, **options: Any) -> str:
        """See explain()."""
        asked = self._collection()
        text: str = await arun(explaining.explain(asked, format, options), asked.db)
        return text
