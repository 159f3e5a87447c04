"""A name that becomes a counter: verify reports stored data, a repair moves it."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

import django_ormist as ormist
from tests.checker import raw_faults
from tests.commands.test_reindex import declared

pytestmark = pytest.mark.servers("valkey91", "valkey91-json", "redis62", "fakeredis")

NEW = {"counters": ["views", "votes"]}


def stored(base=ormist.TaggedModel, **attrs):
    with declared(base) as Thing:
        Thing.objects.create("t", id="a", expire=1000, name="x", **attrs)


@pytest.mark.parametrize("base", [ormist.Model, ormist.TaggedModel, ormist.TaggedAttrsModel])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize("command", ["ormist_reindex", "ormist_inspect"])
def test_its_number_is_moved_once(server, base, command):
    options = {"repair": True} if command == "ormist_inspect" else {}
    with declared(base) as Thing:
        Thing.objects.create(id="a", views=5, votes=-1, name="x", expire=1000)
        Thing.objects.create(id="b", name="x")
    with declared(base, **NEW) as Thing:
        assert Thing.objects.get("a").views == 0
        out = io.StringIO()
        with pytest.raises(CommandError, match="Faults found: 2"):
            call_command("ormist_inspect", "tests.Thing", verify=True, stdout=out)
        assert out.getvalue().count("packed-counter at") == 2
        for _ in range(2):
            call_command(command, "tests.Thing", verbosity=0, **options)
            found = Thing.objects.get("a")
            assert (found.views, found.votes, found.attrs) == (5, -1, {"name": "x"})
        assert raw_faults(server.client, server.key_prefix) == []


def test_concurrent_increments_are_added(server):
    stored(views=5)
    with declared(**NEW) as Thing:
        assert Thing.objects.get("a").increment("views") == 1
        call_command("ormist_reindex", "tests.Thing", verbosity=0)
        assert Thing.objects.get("a").views == 6


@pytest.mark.parametrize("way", ["save", "update", "bulk_update"])
def test_a_concurrent_assignment_wins(server, way):
    stored(views=5)
    with declared(**NEW) as Thing:
        each = Thing.objects.get("a")
        each.views = 2
        if way == "save":
            each.save()
        elif way == "update":
            Thing.objects.update(views=2)
        else:
            Thing.objects.bulk_update([each], ["views"])
        call_command("ormist_reindex", "tests.Thing", verbosity=0)
        found = Thing.objects.get("a")
        assert (found.views, found.attrs) == (2, {"name": "x"})


@pytest.mark.parametrize("value", ["many", 1.5, True, None, 2**64])
def test_a_value_that_a_counter_cannot_have_is_kept_and_named(server, value):
    stored(views=value)
    with declared(**NEW) as Thing:
        out = io.StringIO()
        with pytest.raises(CommandError, match="1 of 1 faults are left"):
            call_command("ormist_inspect", "tests.Thing", repair=True, stdout=out, format="json")  # fmt: skip  # noqa: E501
        (fault,) = json.loads(out.getvalue())["faults"]
        assert (fault["kind"], fault["detail"]) == ("packed-counter", "views")
        assert Thing.objects.get("a").attrs == {"name": "x", "views": value}
