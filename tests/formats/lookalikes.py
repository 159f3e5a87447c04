"""Objects whose tags and texts read like an attribute of another object.

``first.json`` was stored by 0.1.0, where a tag ``owner:1`` was one entry with the
attribute, and the text "None" one with None. ``marked.json`` is stored by later code.
``python -m tests.formats.lookalikes NAME`` writes the file of the current code.
"""

import sys
from datetime import UTC, datetime

import django_ormist as ormist

FAR = datetime(2100, 1, 1, tzinfo=UTC)
LONG = "x" * 100


class Lookalike(ormist.TaggedModel):
    """A model with tags that any user may choose, and attributes."""

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
