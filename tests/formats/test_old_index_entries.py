"""Objects of 0.1.0 with shared index entries are read, and their entries moved."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import django_ormist as ormist
from tests.checker import api_faults, raw_faults
from tests.formats.lookalikes import FAR, LONG, OBJECTS, Lookalike
from tests.formats.store import put

LABEL = "formats.Lookalike"
MOVED = ("tag", "long", "both", "text")

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")


def stored(name, codec, server):
    path = Path(__file__).parent / "lookalike" / f"{name}.json"
    put(server.client, json.loads(path.read_text())[codec], server.key_prefix)


@pytest.fixture(params=["msgpack", "json"])
def old(request, server):
    """The objects as 0.1.0 stored them, in one of the codecs."""
    stored("first", request.param, server)
    return request.param


@pytest.fixture(params=["msgpack", "json"])
def new(request, server):
    """The objects as later releases store them."""
    stored("marked", request.param, server)


@pytest.fixture
def is_sound(server):
    def check():
        assert raw_faults(server.client, server.key_prefix) == []
        return True

    return check


def inspected(**options):
    out = io.StringIO()
    call_command("ormist_inspect", LABEL, stdout=out, verbosity=1, **options)
    return out.getvalue()


def is_told_apart():
    """Assert that every query distinguishes tag, attribute, text and None."""
    find = Lookalike.objects.find
    assert find(owner=1).ids() == ["none"]
    assert find("owner:1").ids() == ["tag", "none"]
    assert find(owner=LONG).ids() == ["holder"]
    assert find(f"owner:{LONG}").ids() == ["long", "holder"]
    assert find(owner=2).ids() == ["tag", "both"]
    assert find(reset=None).ids() == ["both", "none"]
    assert find(reset="None").ids() == ["text"]
    assert find("reset:None").ids() == ["long", "text"]
    assert api_faults(Lookalike) == []
    return True


def are_read():
    for pk, (tags, attrs, expire) in OBJECTS.items():
        found = Lookalike.objects.get(pk)
        assert (found._state.tags, found.attrs, found.expire) == (tags, attrs, expire)
        assert found.views == 3
    return True


def test_every_old_object_is_read(old):
    assert are_read()


def test_objects_stored_since_are_sound_and_distinct(new, is_sound):
    assert are_read()
    assert is_sound()
    assert is_told_apart()
    assert "old-format" not in inspected(verify=True)


def test_before_the_move_none_is_found_and_a_text_does_not_find_it(old):
    assert Lookalike.objects.find(reset=None).ids() == ["long", "both", "text", "none"]
    assert Lookalike.objects.find("owner:1").ids() == ["tag", "none"]
    assert Lookalike.objects.find(reset="None").ids() == []


def test_verify_names_each_old_entry(old, is_sound):
    out = io.StringIO()
    with pytest.raises(CommandError, match="Faults found: 4"):
        call_command("ormist_inspect", LABEL, stdout=out, verify=True, format="json")
    found = json.loads(out.getvalue())
    assert {each["id"] for each in found["faults"]} == set(MOVED)
    assert {each["kind"] for each in found["faults"]} == {"old-format"}
    assert is_sound()


@pytest.mark.parametrize("command", ["ormist_reindex", "ormist_inspect"])
def test_old_entries_are_moved_once_and_completely(old, is_sound, server, command):
    options = {"repair": True} if command == "ormist_inspect" else {}
    call_command(command, LABEL, verbosity=0, **options)
    assert is_sound()
    assert is_told_apart()
    keys = server.keys()
    before = [server.client.dump(key) for key in keys]
    call_command(command, LABEL, verbosity=0, **options)
    assert server.keys() == keys
    assert [server.client.dump(key) for key in keys] == before
    assert are_read()


def saved(pk):
    each = Lookalike.objects.get(pk)
    each.owner = "new"
    each.save()


def merged(pk):
    mine, theirs = Lookalike.objects.get(pk), Lookalike.objects.get(pk)
    theirs.n = 9
    theirs.save()
    mine.extra = 1
    mine.save()


CHANGES = {
    "save": saved,
    "save without a change": lambda pk: Lookalike.objects.get(pk).save(),
    "merge": merged,
    "replace": lambda pk: Lookalike("home", id=pk, owner=5).save(),
    "increment": lambda pk: Lookalike.objects.get(pk).increment("m"),
    "counter": lambda pk: Lookalike.objects.get(pk).increment("views"),
    "update": lambda pk: Lookalike.objects.filter(pk=pk).update(m=1),
    "update an index": lambda pk: Lookalike.objects.filter(pk=pk).update(owner=1),
    "set_expire": lambda pk: Lookalike.objects.filter(pk=pk).set_expire(FAR),
    "no expire": lambda pk: Lookalike.objects.filter(pk=pk).set_expire(None),
    "tags": lambda pk: Lookalike.objects.bulk_update(
        [Lookalike(id=pk)], ["tags", "reset"]
    ),
    "delete": lambda pk: Lookalike.objects.get(pk).delete(),
    "delete many": lambda pk: Lookalike.objects.filter(pk=pk).delete(),
    "delete unread": lambda pk: Lookalike(id=pk).delete(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pk", OBJECTS)
@pytest.mark.servers("valkey91")
def test_changing_an_old_object_leaves_no_old_entry(old, is_sound, pk, change):
    CHANGES[change](pk)
    assert is_sound()
    with ormist.atomic():
        for each in Lookalike.objects.all():
            each.delete()
    assert is_sound()
    assert Lookalike.objects.count() == 0


def test_old_objects_are_deleted_without_a_trace(old, server):
    assert Lookalike.objects.all().delete()[0] == len(OBJECTS)
    assert server.keys() == []


def test_an_old_object_that_expires_is_swept_without_a_trace(old, server):
    space = Lookalike._meta.space("default")
    for pk in ("long", "both", "text"):
        server.client.zadd(space.base + b"expires", {pk: 1})
        server.client.delete(space.objects + pk.encode())
    call_command("ormist_sweep", LABEL, verbosity=0)
    for pk in ("tag", "none", "holder"):
        Lookalike.objects.get(pk).delete()
    assert server.keys() == []
