"""Objects in a slot that Meta.slot names, with a move that was killed.

``python -m tests.formats.slots NAME`` writes the file of the current code, which is
``slot/first.json`` for the first release with Meta.slot.
"""

import sys
from datetime import UTC, datetime

from django.conf import settings

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.connections.executor import run
from django_ormist.operations import move
from django_ormist.operations.objects import Image

FAR = datetime(2100, 1, 1, tzinfo=UTC)


class Slotted(ormist.TaggedModel):
    """A model with every kind of key."""

    class Meta:
        app_label = "formats"
        slot = "shop"
        index_attrs = ("city",)
        counters = ("views",)
        ordered = ("n",)
        unique = ("code",)


OBJECTS = {
    "one": (["home", "x" * 100], {"city": "Bern", "n": 1, "code": "a"}, None),
    "two": (["home"], {"city": "y" * 100, "n": 2.5, "code": "b"}, FAR),
}


def moved(codec):
    """Return an object that was moved, and deleted since. The journal has it."""
    packed = pack({"n": 9}, codec=codec)
    return move.MovedObject(b"moved", packed, 5.0, (b"views", b"3")), Image(packed)


def store_moved(schema, codec):
    """Store that object under the keys of a schema, by a move."""
    run(move.begin(schema.space, "token"), "default")
    run(move.move_in(schema, *moved(codec), "token"), "default")


def make():
    """Store all objects, in order, then the journal."""
    for pk, (tags, attrs, expire) in OBJECTS.items():
        Slotted.objects.create(*tags, id=pk, expire=expire, views=3, **attrs)
    schema, codec = Slotted._meta.schema("default"), settings.ORMIST["default"]["CODEC"]
    store_moved(schema, codec)
    run(move.move_out(schema, *moved(codec)), "default")


if __name__ == "__main__":
    from tests.formats import slots, store

    store.main(sys.argv[1], slots.make)
