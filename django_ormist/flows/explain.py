"""The flow of explain(): a query and the plan of the server, as text."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from ..keys import Space
from ..operations import search
from ..operations.operation import Flow
from ..operations.rows import CHUNK
from ..operations.steps import MOST_LEAVES, STEP_LOOKS, most_looks
from ..queries.conditions import (
    EARLIEST,
    EVERYTHING,
    LATEST,
    And,
    Condition,
    Holds,
    Ids,
    Not,
    Or,
    Period,
    Range,
    Subquery,
    Term,
)
from ..queries.query import CREATED, Query
from ..queries.splitting import Combined, Plan, conditions_of
from ..sortkeys import AFTER, kind_of, value_of
from ..terms import TAG_MARK, TEXT_MARK, unmark
from .types import Results

_WORDS = {
    b"scan": "scan",
    b"sort": "read and sort",
    b"intersect": "intersect terms",
    b"sample": "sample",
    b"read": "read",
    b"load": "read into memory",
}


def explain(
    collection: Results[Any],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Flow[str]:
    """Flow that returns the description of a query. One round trip per query.

    A page is run, and described with the work of the server. A list is not run: the
    description names the indexes and an estimate of the steps. Raises ValueError for a
    format or an option.
    """
    if format is not None:
        raise ValueError(f"{format} is not a recognized format: there is one, a text.")
    if options:
        raise ValueError(f"Unknown options: {', '.join(sorted(options))}")
    query, space = collection.query, collection.space
    yield from search.load_subqueries(query)
    lines = [
        f"{collection.model._meta.label}: {_describe(query.condition)}",
        _describe_order(query),
    ]
    if query.is_empty:
        return "\n".join((*lines, "Nothing can match: no query is sent."))
    plan = search.plan_of(query)
    is_long = isinstance(plan, Combined)
    queries, is_page = yield from _queries_of(space, query, plan)
    if is_long:
        lines.append(
            f"Split into {len(queries)} queries of at most {MOST_LEAVES} conditions."
        )
    sizes: defaultdict[tuple[bytes, str], int] = defaultdict(int)
    examined = steps = 0
    for each in queries:
        limit = each.limit or 0 if is_page else 0
        work, more, looks = yield search.query_page(
            space, each, limit, "explain", tuple
        )
        for how, name, size in zip(work[::3], work[1::3], work[2::3], strict=True):
            short = name.removeprefix(space.base).decode(errors="backslashreplace")
            sizes[how, _NAMES.get(short, short)] += size
        examined += more
        # A step aims at less than it may take, or it would often be taken again.
        full = 0.8 * min(most_looks(), STEP_LOOKS)
        is_by_id = each.is_plain and each.pks is not None  # one command for each index
        steps += max(0 if is_by_id else ceil(looks / full), int(is_long))
    for (how, name), size in sizes.items():
        lines.append(f"  {_WORDS[how]}: {name} ({size})")
    if is_page and steps > len(queries) * is_long:
        lines.append("There were too many ids for one step.")
    elif is_page:
        lines.append(f"{examined} ids were examined.")
    else:
        if (first := search.first_candidates(query, plan)) is not None:
            lines.append(f"The page is not complete in the first {first.stop} ids.")
        lines.append(f"A list: its ids first, then {CHUNK} objects per command.")
    if steps:
        lines.append(f"In about {steps} steps: other clients are served in between.")
    return "\n".join(lines)


def _queries_of(
    space: Space, query: Query, plan: Plan
) -> Flow[tuple[list[Query], bool]]:
    """Flow that returns the queries of a plan, and whether they find a page.

    A page with excluded conditions may be found among the first ids without them. Then
    the queries are those of these ids.
    """
    is_page = search.is_page(query, plan)
    if not isinstance(plan, Combined):
        return [query], is_page
    queries = [query.where(each)._replace(start=0) for each in conditions_of(plan)]
    first = search.first_candidates(query, plan)
    if first is not None:
        near = yield from search.limit_to_page(space, query, first)
        is_page = (yield from search.page_among(space, near, first)) is not None
        if is_page:
            parts = conditions_of(search.plan_of(near))
            queries = [first, *map(Query().where, parts)]
    return [each for each in queries if not each.is_empty], is_page


_MARKS = {TAG_MARK: "the tag ", TEXT_MARK: "the text "}
_NAMES = {
    "I": "the ids",
    "A": "all of several",
    "O": "any of several",
    "X": "an odd number of several",
}


def _describe_order(query: Query) -> str:
    names = [("-" if o.is_descending else "") + o.name for o in query.order]
    text = "Order: " + (", ".join(names) or "created")
    if query.is_reversed:
        text += ", reversed"
    if query.is_sliced:
        text += f"; slice {query.start}:{'' if query.stop is None else query.stop}"
    return text


def _describe(condition: Condition, is_inner: bool = False) -> str:
    match condition:
        case Term(term):
            return f"{_MARKS.get(term[:1], '')}{unmark(term)!r}"
        case Range(name, low, high):
            return _describe_range(name, low, high)
        case Period(name, first, last):
            return _describe_period(name, first, last)
        case Ids(pks):
            return f"{len(pks)} ids"
        case Holds(names, value):
            text = value[2:].decode() if value.startswith(b"t:") else "a long value"
            return f"{', '.join(names)} = {text!r}"
        case Subquery():
            return _describe(condition.condition, is_inner)
        case Not(part):
            return f"not {_describe(part, True)}"
    if condition == EVERYTHING:
        return "everything"
    joins = {And: " and ", Or: " or "}
    join = joins.get(type(condition), " xor ")
    text = join.join(_describe(part, True) for part in condition.parts)
    return f"({text})" if is_inner else text or "nothing"


def _describe_period(name: str, first: int, last: int) -> str:
    """Return a period in words, with its bounds in UTC."""
    unit = 1 if name == CREATED else 1000
    bounds = [
        f"{name} {sign} {_format_time(time * unit)}"
        for sign, time, is_open in (
            (">=", first, first == EARLIEST),
            ("<=", last, last == LATEST),
        )
        if not is_open
    ]
    if first == last:
        return f"{name} = {_format_time(first * unit)}"
    return " and ".join(bounds) or f"has {name}"


def _format_time(time_us: int) -> str:
    return str(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us))


def _describe_range(name: str, low: bytes, high: bytes) -> str:
    """Return a range of sort keys in words, with values as bounds where possible."""
    if not low and high == AFTER:
        return f"has {name}"
    if high == low + AFTER:
        if kind_of(low) == "str" and not low.endswith(b"\x00\x00"):
            return f"{name} starts with {value_of(low + bytes(2))!r}"
        return f"{name} = {value_of(low)!r}"
    bounds = []
    for bound, plain, after in ((low, ">=", ">"), (high, "<", "<=")):
        key = bound.removesuffix(AFTER)
        if len(key) > 1 or key == b"\x21":
            sign = plain if bound == key else after
            bounds.append(f"{name} {sign} {value_of(key)!r}")
    return " and ".join(bounds) or f"{name} is a {kind_of(low)}"
