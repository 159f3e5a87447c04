"""The queries of a page: the code that made them, their round trips and times."""

import sys
from itertools import islice
from linecache import getlines
from typing import NamedTuple

from django.core import signing

SITE = __file__.removesuffix("site_config/queries.py")

MIDDLEWARE = f"{SITE}site_config/middleware.py"
COOKIE = "form_queries"
"""The queries of a form, for the page to which it redirects."""


class Query(NamedTuple):
    """An expression of this site's code, with all its round trips."""

    code: str
    place: str
    commands: tuple[str, ...]
    milliseconds: float

    @property
    def round_trips(self):
        return len(self.commands)


class Recorder:
    """The queries of one request. It is called with each round trip."""

    do_not_call_in_templates = True

    def __init__(self):
        self.queries = []

    def __call__(self, round_trip):
        if round_trip.is_first_load:  # only the first use of a script takes it
            return
        code, place = find_code()
        query = Query(code, place, (round_trip.summary,), round_trip.milliseconds)
        if self.queries and self.queries[-1][:2] == query[:2]:
            last = self.queries.pop()
            query = query._replace(
                commands=last.commands + query.commands,
                milliseconds=last.milliseconds + query.milliseconds,
            )
        self.queries.append(query)

    @property
    def round_trips(self):
        return sum(query.round_trips for query in self.queries)

    @property
    def milliseconds(self):
        return sum(query.milliseconds for query in self.queries)

    def pack(self):
        """Return the queries as a text that fits into a cookie."""
        rows = [[*query[:3], round(query.milliseconds, 3)] for query in self.queries]
        return signing.dumps(rows[:20], salt=COOKIE, compress=True)

    @classmethod
    def unpack(cls, text):
        """Return the recorder whose pack() returned *text*, or None if another did."""
        recorder = cls()
        try:
            rows = signing.loads(text, salt=COOKIE, max_age=60)
        except signing.BadSignature:
            return None
        recorder.queries = [
            Query(code, place, tuple(commands), ms)
            for code, place, commands, ms in rows
        ]
        return recorder


def find_code():
    """Return ``(expression, "shop/views.py:41")`` of this site that makes the query.

    The session engine makes its queries by itself; they have no expression here.
    """
    frame, method = sys._getframe(1), None
    while frame is not None:
        name = frame.f_code.co_filename
        if "/django_ormist/sessions/" in name and not name.endswith("middleware.py"):
            return "request.session", "the session engine"
        if name.startswith(SITE) and name not in (__file__, MIDDLEWARE):
            place = name.removeprefix(SITE)
            return find_expression(frame), f"{place}:{frame.f_lineno}"
        owner = type(frame.f_locals.get("self"))
        if method is None and owner.__module__ == "shop.views":  # a generic view
            method = f"{owner.__name__}.{frame.f_code.co_name}()", "shop/views.py"
        frame = frame.f_back
    return method or ("", "")


def find_expression(frame):
    """Return the source of the expression that *frame* evaluates."""
    positions = islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    first, last, start, end = next(positions)
    if None in (first, last, start, end):  # python -X no_debug_ranges
        return getlines(frame.f_code.co_filename)[frame.f_lineno - 1].strip()
    lines = [
        line.encode() for line in getlines(frame.f_code.co_filename)[first - 1 : last]
    ]
    indent = len(lines[0]) - len(lines[0].lstrip())
    lines[-1] = lines[-1][:end]  # in bytes, as the positions are
    lines[0] = b" " * indent + lines[0][start:]
    return b"".join(line[indent:] for line in lines).decode()


def explain(request, collection):
    """Return the plan of a query if the URL wants it, else an empty text.

    One round trip, if at all.
    """
    return collection.explain() if "explain" in request.GET else ""


def recorded(request):
    """The context processor: the queries of this page, and of the form before it."""
    context = {"recorder": getattr(request, "recorder", None)}
    if text := request.COOKIES.get(COOKIE):
        request.shows_form_queries = True
        context["form_recorder"] = Recorder.unpack(text)
    return context
