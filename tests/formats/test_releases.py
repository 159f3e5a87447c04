"""This release reads the objects of each release: values, types, every index."""

import io
import json
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import django_ormist as ormist
from django_ormist.codecs import mark, pack, unpack, with_deadline
from tests.checker import raw_faults
from tests.formats.store import DEEPEST, OBJECTS, Everything, deep, put

RELEASES = sorted(Path(__file__).parent.glob("*.json"))

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def release(request):
    return json.loads(request.param.read_text())


@pytest.fixture(params=["msgpack", "json"])
def old(request, release, server):
    """The objects as that release stored them, in one of the codecs."""
    put(server.client, release[request.param], server.key_prefix)


def typed(value):
    """Return a value that distinguishes types: 1, 1.0 and True are three."""
    if isinstance(value, dict):
        return dict, frozenset((typed(k), typed(v)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(typed, value))
    if isinstance(value, list | tuple):
        return type(value), tuple(map(typed, value))
    return type(value), repr(value)


@pytest.mark.parametrize("pk", OBJECTS)
def test_every_value_comes_back_equal_and_of_its_type(old, release, pk):
    tags, attrs, expire, counters = OBJECTS[pk]
    if "nested" in attrs and release["release"] in DEEPEST:
        attrs = {**attrs, "nested": deep(DEEPEST[release["release"]])}
    found = Everything.objects.get(pk)
    assert typed(found.attrs) == typed(attrs)
    assert found._state.tags == tags
    assert found.expire == expire
    assert found.views == counters.get("views", 0)


def faults_of_the_models():
    """Return the kinds and details of faults that --verify finds."""
    out = io.StringIO()
    with suppress(CommandError):
        call_command(
            "ormist_inspect",
            "formats.Everything",
            verify=True,
            format="json",
            stdout=out,
        )
    found = json.loads(out.getvalue())["faults"]
    return [(fault["kind"], fault["id"], fault["detail"]) for fault in found]


def test_every_index_is_what_this_release_would_write(old, release, server):
    assert raw_faults(server.client, server.key_prefix) == []
    noted = [("reserved-name", "plain", "set")]
    refused = [("too-deep", "plain", "nested")] if release["release"] in DEEPEST else []
    assert faults_of_the_models() == noted + refused


def test_deeper_nesting_is_read_and_cannot_be_written(old, release):
    if release["release"] not in DEEPEST:
        pytest.skip("this release refused it too")
    each = Everything.objects.get("plain")
    each.n = 9
    with pytest.raises(ValueError, match=r"'nested'.*100 deep"):
        each.save()
    assert Everything.objects.get("plain").attrs["nested"] == each.attrs["nested"]


def test_every_kind_of_index_finds_the_objects(old):
    objects = Everything.objects
    assert objects.all().ids() == list(OBJECTS)
    assert objects.find("home").ids() == ["tagged", "soon"]
    assert objects.find("x" * 100).ids() == ["tagged"]
    assert objects.find(city="y" * 100).ids() == ["soon"]
    assert objects.filter(n__gt=2).order_by("-n").ids() == ["tagged", "soon"]
    with pytest.raises(ormist.IntegrityError):
        objects.create(code="B")


def test_old_objects_are_changed_and_deleted_without_a_trace(old, server):
    for each in Everything.objects.all():
        each.n = 9
        each.city = each.id
        each.attrs.pop("nested", None)
        each.save()
    assert raw_faults(server.client, server.key_prefix) == []
    assert Everything.objects.all().delete()[0] == len(OBJECTS)
    assert server.keys() == []


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_the_first_byte_gives_the_format_and_its_version(codec):
    """Raise it with the format: all releases can read this part."""
    first = {"msgpack": (b"\x01", b"\x02"), "json": (b'{"v": 1,', b'{"v": 2,')}
    packed, (one, two) = pack({"a": 1}, codec=codec), first[codec]
    assert packed.startswith(one)
    assert mark(packed).startswith(two)
    assert unpack(mark(packed)) == unpack(packed)
    if codec == "json":
        assert mark(packed.replace(b": ", b":")) == mark(packed)


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_the_expiration_time_can_be_changed_in_every_version(codec):
    deadline = int.from_bytes(b"\x00\x00\x02\x01\xcf\xcf\xcf\xcf")
    packed = pack({"a": 1}, ["b"], deadline, codec)
    for each in (packed, mark(packed)):
        moved = with_deadline(with_deadline(each, deadline + 1), deadline)
        assert moved == each


LATER = [b"\x03\x91\x80", b'{"v": 3, "attrs": {}}']


@pytest.mark.parametrize("data", LATER)
def test_a_format_of_a_later_release_is_named(data):
    with pytest.raises(ormist.CorruptDataError, match="later release"):
        unpack(data, b"key")


@pytest.mark.parametrize("data", LATER)
def test_repair_keeps_a_format_of_a_later_release(server, data):
    each = Everything.objects.create("home", id="new", city="Bern")
    server.client.set(each._key(), data)
    out = io.StringIO()
    for action in ("verify", "repair", "repair"):
        before = server.keys()
        with pytest.raises(CommandError):
            call_command(
                "ormist_inspect", "formats.Everything", stdout=out, **{action: True}
            )
        assert server.client.get(each._key()) == data
        assert server.keys() == before
    assert out.getvalue().count(": later-format at ") == 3
