"""A page of one object as a browser sends it, and values of every type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
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
