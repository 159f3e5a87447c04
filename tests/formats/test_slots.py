"""A store with Meta.slot, and the journal of a move, are read by later releases."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command

import django_ormist as ormist
from django_ormist.keys import Space, journal_key
from tests.checker import api_faults, raw_faults
from tests.formats.slots import FAR, OBJECTS, Slotted, store_moved
from tests.formats.store import put

LABEL = "formats.Slotted"
FIRST = json.loads((Path(__file__).parent / "slot" / "first.json").read_text())

pytestmark = pytest.mark.servers("valkey91", "valkey91-cluster", "fakeredis")


@pytest.fixture(params=["msgpack", "json"])
def stored(request, server):
    put(server.client, FIRST[request.param], server.key_prefix)
    return request.param


@pytest.mark.usefixtures("stored")
def test_objects_in_a_slot_are_read(server):
    assert raw_faults(server.client, server.key_prefix) == []
    assert api_faults(Slotted) == []
    for pk, (tags, attrs, expire) in OBJECTS.items():
        found = Slotted.objects.get(pk)
        assert (found.attrs, found.own_tags) == (attrs, tags)
        assert (found.expire, found.views) == (expire, 3)
    assert Slotted.objects.filter(n__gt=1, city="y" * 100).ids() == ["two"]
    with pytest.raises(ormist.IntegrityError):
        Slotted.objects.create(code="b")
    assert Slotted.objects.get("two").expire == FAR


def test_a_move_that_was_killed_goes_on(stored, server):
    schema = replace(
        Slotted._meta.schema("default"), space=Space(server.key_prefix, LABEL)
    )
    store_moved(schema, stored)
    server.client.delete(journal_key(schema.space))
    assert server.client.exists(schema.space.objects + b"moved")
    call_command("ormist_reindex", LABEL, "--move", verbosity=0)
    assert Slotted.objects.all().ids() == list(OBJECTS)
    assert not server.keys("*moved*")
