"""CursorPagination: pages that neither skip nor repeat an object while others write."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.utils.urls import replace_query_param

from ..connections.executor import run
from ..models import Collection, Manager
from ..operations.scan import creation_times
from ..queries.conditions import LATEST
from ..queries.query import EXPIRE, RANDOM
from ..queries.seeking import Fact, Ordering, Position, seek
from ..sortkeys import sort_key


class Cursor(NamedTuple):
    """The page after a position, or before it; without one, the first or last page."""

    position: Position | None
    is_backward: bool = False


class CursorPagination(pagination.CursorPagination):
    """Cursor pagination over ordered attributes, ``created`` and ``expire``.

    Its options are those of REST framework's; ``ordering`` may have several names. A
    cursor contains the position of an object: the values by which it is ordered, and
    its creation time, which no two objects have in common. So equal values do not
    matter, and an object whose values stay the same is on exactly one page.

    One round trip for a page, one more for the creation times if there are other pages,
    and one more for the page on which the objects without the attribute begin.
    """

    page: list[Any]

    def paginate_queryset(
        self, queryset: Any, request: Any, view: Any = None
    ) -> list[Any] | None:
        self.request = request
        self.page_size = self.get_page_size(request)
        if not self.page_size:
            return None
        if not isinstance(queryset, Collection | Manager):
            raise TypeError(
                f"CursorPagination of django_ormist pages collections, not "
                f"{type(queryset).__name__}. Use that of rest_framework.pagination."
            )
        self.base_url = request.build_absolute_uri()
        self.ordering = self.get_ordering(request, queryset, view)
        collection = queryset.order_by(*self.ordering)
        ordering = Ordering.of(collection.query)
        self._names = [each.name for each in ordering.orders]
        self._is_newest_first = ordering.is_newest_first
        if RANDOM in self._names:
            raise ValueError("CursorPagination cannot page a random order.")
        self.cursor = self.decode_cursor(request)
        cursor = self.cursor or Cursor(None)
        found = _read(collection, cursor, self.page_size + 1)
        has_more = len(found) > self.page_size
        self.page = found[: self.page_size]
        if cursor.is_backward:
            self.page.reverse()
            self.has_next, self.has_previous = cursor.position is not None, has_more
        else:
            self.has_next, self.has_previous = has_more, cursor.position is not None
        self._find_cursors(collection)
        if (self.has_previous or self.has_next) and self.template is not None:
            self.display_page_controls = True
        return self.page

    def _find_cursors(self, collection: Collection[Any]) -> None:
        """Set the cursors of the next and of the previous page."""
        positions: list[Position] = []
        if self.page and (self.has_next or self.has_previous):
            positions = _positions(collection, self._names, self.page)
        cursor = self.cursor or Cursor(None)
        first: Position | None
        last: Position | None
        if positions:
            first, last = positions[0], positions[-1]
        else:  # the objects of the page are gone: its bounds are next to the cursor
            first = last = cursor.position
            if cursor.position is not None:
                beside = self._beside(cursor.position, cursor.is_backward)
                first, last = (first, beside) if cursor.is_backward else (beside, last)
        self._next, self._previous = Cursor(last), Cursor(first, is_backward=True)

    def _beside(self, position: Position, is_backward: bool) -> Position:
        """Return the next possible position. No object can be between both."""
        step = -1 if self._is_newest_first ^ is_backward else 1
        return position._replace(created_us=position.created_us + step)

    def get_next_link(self) -> str | None:
        return self.encode_cursor(self._next) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self.encode_cursor(self._previous) if self.has_previous else None

    def encode_cursor(self, cursor: Cursor) -> str:
        position: list[Any] | None = None
        if cursor.position is not None:
            facts = [
                each.hex() if isinstance(each, bytes) else each
                for each in cursor.position.facts
            ]
            position = [*facts, cursor.position.created_us]
        text = json.dumps([self._names, position, int(cursor.is_backward)])
        encoded = urlsafe_b64encode(text.encode()).decode()
        found: str = replace_query_param(
            self.base_url, self.cursor_query_param, encoded
        )
        return found

    def decode_cursor(self, request: Any) -> Cursor | None:
        """Return the cursor of a request. Raises NotFound for one of another order."""
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is None:
            return None
        try:
            text = urlsafe_b64decode(encoded.encode("ascii")).decode("ascii")
            names, position, is_backward = json.loads(text)
            if names != self._names:
                raise ValueError(names)
            if position is not None:
                position = _parse_position(names, position)
        except (ValueError, TypeError, RecursionError) as error:
            raise NotFound(self.invalid_cursor_message) from error
        return Cursor(position, bool(is_backward))


def _parse_position(names: list[str], given: list[Any]) -> Position:
    """Return the position in a cursor. Raises ValueError or TypeError."""
    *facts, created_us = given
    return Position(
        tuple(_parse_fact(name, fact) for name, fact in zip(names, facts, strict=True)),
        _parse_int(created_us),
    )


def _parse_fact(name: str, fact: Any) -> Fact:
    if fact is None:
        return None
    return _parse_int(fact) if name == EXPIRE else bytes.fromhex(fact)


def _parse_int(value: Any) -> int:
    if type(value) is not int or not 0 <= value < LATEST:
        raise ValueError(value)
    return value


def _read(collection: Collection[Any], cursor: Cursor, size: int) -> list[Any]:
    """Return the first objects after the cursor, in its direction."""
    found: list[Any] = []
    for query in seek(collection.query, cursor.position, cursor.is_backward):
        if len(found) < size:
            part = type(collection)(collection.model, query, collection.db)
            found += part[: size - len(found)]
    return found


def _positions(
    collection: Collection[Any], names: Sequence[str], page: Sequence[Any]
) -> list[Position]:
    """Return the positions of those objects of a page that still exist."""
    pks = [each.pk.encode() for each in page]
    times: list[float | None] = run(
        creation_times(collection.space, pks), collection.db, reads=True
    )
    return [
        Position(tuple(_fact(each, name) for name in names), int(created_us))
        for each, created_us in zip(page, times, strict=True)
        if created_us is not None
    ]


def _fact(instance: Any, name: str) -> Fact:
    if name == EXPIRE:
        deadline: int | None = instance._state.expire_at_ms
        return deadline
    return sort_key(instance.attrs.get(name))
