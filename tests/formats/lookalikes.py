"""Objects whose tags and texts would stand where another's attribute does.

``first.json`` is what 0.1.0 stored: there a tag ``owner:1`` was one entry with the
attribute, and the text "None" one with None. ``marked.json`` is what is stored since.
``python -m tests.formats.lookalikes NAME`` writes what is checked out stores.
"""

import sys
from datetime import UTC, datetime

import django_ormist as ormist

FAR = datetime(2100, 1, 1, tzinfo=UTC)
LONG = "x" * 100


class Lookalike(ormist.TaggedModel):
    """Tags that may be chosen by anybody, beside attributes that may not."""

    class Meta:
        app_label = "formats"
        index_attrs = ("owner", "reset")
        counters = ("views",)
        ordered = ("n",)
        unique = ("code",)


OBJECTS = {
    "tag": (["owner:1", "home"], {"owner": 2, "n": 1, "code": "a"}, None),
    "long": ([f"owner:{LONG}", "reset:None"], {"n": 2}, FAR),
    "both": (["owner:2"], {"owner": 2, "reset": None}, FAR),
    "text": ([], {"reset": "None", "code": "b"}, FAR),
    "none": ([], {"owner": 1, "reset": None}, None),
    "holder": ([], {"owner": LONG, "reset": "x"}, None),
}


def make():
    """Store all objects, in order."""
    for pk, (tags, attrs, expire) in OBJECTS.items():
        Lookalike.objects.create(*tags, id=pk, expire=expire, views=3, **attrs)


if __name__ == "__main__":
    from tests.formats import lookalikes, store

    store.main(sys.argv[1], lookalikes.make)
