"""A page of one object as a browser sends it, and values of every type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from uuid import UUID

from django.contrib.messages import get_messages

from django_ormist.admin.formfields import row_key

from .conftest import url

VALUES = {
    "text": "one\ntwo",
    "integer": 10**30,
    "number": 1.5,
    "decimal": Decimal("9.90"),
    "boolean": False,
    "none": None,
    "date": datetime(2030, 12, 31, tzinfo=UTC).date(),
    "datetime": datetime(2030, 12, 31, 23, 59, 59, 7, tzinfo=UTC),
    "naive": datetime(2030, 12, 31, 23, 59, 59),
    "uuid": UUID(int=7),
    "json": {"a": [1, 2.5, None, "é"]},
    "list": [],
}
KEPT = {
    "bytes": b"\0\xff" * 400,
    "a set": {1, 2},
    "tuple": (1, 2),
    "date in a list": [datetime(2030, 12, 31, tzinfo=UTC)],
    "control": "a\0b",
    "carriage": "a\rb",
    "long": "x" * 60_000,
    "span": timedelta(days=2),
    "deep": {"a": {1: 2}},
    "digits": 10**5000,
}
NAMES = [
    "",
    " ",
    "a:b",
    "a__b",
    "\0",
    "line\nbreak",
    "save",
    "id",
    "tags",
    "<b>",
    "é" * 900,
]


def shown_messages(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def rendered(client, page, *args):
    """Return the data that a browser sends for an unchanged page."""
    form = client.get(url(page, *args)).context["adminform"].form
    data = {}
    for bound in form:
        if bound.name == "attrs":
            for row in bound.field.widget.get_context("attrs", None, {})["widget"][
                "rows"
            ]:
                part = row["part"]
                if row["key"]:
                    data[f"{part}-key"] = row["key"]
                else:
                    data[f"{part}-name"] = row["name"]
                if not row.get("is_readonly"):
                    data[f"{part}-kind"] = row["kind"]
                    data[f"{part}-value"] = row["text"].replace("\n", "\r\n")
        elif bound.name == "expire":
            value = bound.value()
            data["expire_0"] = value.strftime("%Y-%m-%d") if value else ""
            data["expire_1"] = value.strftime("%H:%M:%S") if value else ""
        elif hasattr(bound.field, "now"):
            shown = bound.field.now
            data[f"{bound.name}-kind"], data[f"{bound.name}-value"] = (
                shown.kind,
                shown.text,
            )
        else:
            data[bound.html_name] = bound.value()
            if bound.field.show_hidden_initial:
                data[bound.html_initial_name] = bound.value()
    return {name: "" if value is None else value for name, value in data.items()}


def with_row(data, name, kind, text):
    """Return the data with one attribute changed or added."""
    rows = {k.removesuffix("-key"): v for k, v in data.items() if k.endswith("-key")}
    for part, key in rows.items():
        if key == row_key(name):
            return data | {f"{part}-kind": kind, f"{part}-value": text}
    return data | {
        "attrs-900-name": name,
        "attrs-900-kind": kind,
        "attrs-900-value": text,
    }


def errors(response):
    form = response.context["adminform"].form
    return " ".join(text for texts in form.errors.values() for text in texts)


class Controls(HTMLParser):
    """The controls of a page with the values that a browser sends."""

    def __init__(self, page):
        super().__init__()
        self.data = {}
        self.tags = {}
        self._name = self._text = self._chosen = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name = given.get("name")
        if tag in ("input", "select", "textarea") and name:
            kind = given.get("type", tag)
            self.tags.setdefault(name, kind)
            if kind in ("checkbox", "radio"):
                if "checked" in given:
                    self.data[name] = given.get("value", "on")
            elif kind not in ("submit", "select", "textarea"):
                self._add(name, given.get("value", ""), kind)
        if tag == "select" and "multiple" in given:
            self._chosen = self.data[name] = []
        elif tag == "select":
            self._name = name
        if tag == "option" and self._chosen is not None and "selected" in given:
            self._chosen.append(given["value"])
        if tag == "option" and self._name:
            value = given.get("value", "")
            if "selected" in given or self._name not in self.data:
                self.data[self._name] = value
        if tag == "textarea":
            self._name, self._text = name, ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "textarea":
            text = self._text.replace("\r\n", "\n").removeprefix("\n")
            self.data[self._name] = text.replace("\n", "\r\n")
        if tag in ("select", "textarea"):
            self._name = self._text = self._chosen = None

    def _add(self, name, value, kind):
        """Add a value. A hidden input may be there several times."""
        known = self.data.get(name)
        if kind == "hidden" and name.startswith("initial-") and known is not None:
            value = [*(known if isinstance(known, list) else [known]), value]
        self.data[name] = value


def controls(response):
    """Return the names of a page's controls with their kinds: ``{"a": "select"}``."""
    return Controls(response.content.decode()).tags


def submitted(response, **changes):
    """Return the data that a browser sends for this page, after some changes."""
    data = Controls(response.content.decode()).data
    data.pop("csrfmiddlewaretoken", None)
    data.pop("action", None)
    return {**data, **changes}


def text_of(response):
    return response.content.decode()
