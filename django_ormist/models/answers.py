"""The verbs that answer with values, numbers or text in place of a list of objects."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..connections.executor import arun, run
from ..exceptions import NotSupportedError
from . import fetching
from .asked import Asked
from .later import Later

if TYPE_CHECKING:
    from . import explaining, projection, summaries
    from .base import Model
    from .collection import Collection
    from .projection import Projection
else:
    explaining, summaries = Later("explaining"), Later("summaries")
    projection = Later("projection")

M = TypeVar("M", bound="Model")


class Answers(Asked[M]):
    """What a manager and a collection share beside the verbs of objects."""

    # Parts of objects: no round trip

    def values(self, *names: str) -> "Projection[dict[str, Any]]":
        """``{name: value}`` of each object, without making instances.

        names: attributes, counters, ``id``, ``tags``, ``expire``; without any, ``id``
        and every attribute that the object has. What it has not is None.
        """
        return projection.Projection(
            self._collection().all(), names or None, projection.as_dict
        )

    @overload
    def values_list(
        self, *names: str, flat: Literal[True], named: Literal[False] = ...
    ) -> "Projection[Any]": ...
    @overload
    def values_list(
        self, *names: str, flat: Literal[False] = ..., named: bool = ...
    ) -> "Projection[tuple[Any, ...]]": ...
    def values_list(
        self, *names: str, flat: bool = False, named: bool = False
    ) -> "Projection[Any]":
        """A tuple of each object's values; flat: the one value; named: with names."""
        if flat and named:
            raise TypeError("'flat' and 'named' can't be used together.")
        if flat and len(names) != 1:
            raise TypeError(
                "'flat' is not valid when values_list is called with "
                + ("more than one field." if names else "no field.")
            )
        if not names:
            raise TypeError("values_list() takes the names of attributes.")
        shape = projection.as_row(names) if named else projection.as_tuple
        asked = self._collection().all()
        return projection.Projection(asked, names, projection.flat if flat else shape)

    def distinct(self, *names: str) -> "Collection[M]":
        """The same objects: each is there once. NotSupportedError with names."""
        if names:
            raise NotSupportedError(
                "distinct() takes no names. Ask for distinct values: "
                f"values_list({names[0]!r}, flat=True).distinct()."
            )
        return self._collection()._chained()

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

    def explain(self) -> str:
        """How the server would answer: what it walks or sorts, and its sizes.

        The question is asked for that. One round trip.
        """
        asked = self._collection()
        text: str = run(explaining.explain(asked), asked.db)
        return text

    async def aexplain(self) -> str:
        """See explain()."""
        asked = self._collection()
        text: str = await arun(explaining.explain(asked), asked.db)
        return text
