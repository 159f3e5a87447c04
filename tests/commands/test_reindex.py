"""ormist_reindex updates stored objects to the current Meta."""

import json
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError
from django.db.models import Max
from django.utils import timezone

import django_ormist as ormist
from django_ormist.connections.executor import run
from django_ormist.flows.fill import fill_defaults
from django_ormist.management.commands.ormist_reindex import parse_creation_time
from django_ormist.models import registry
from tests.checker import raw_faults

pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "fakeredis")


@contextmanager
def declared(base=ormist.TaggedModel, **options):
    """Declare the model ``tests.Thing`` with this Meta for the block."""
    meta = type("Meta", (), {"app_label": "tests", **options})
    before = list(registry._models)
    try:
        yield type("Thing", (base,), {"Meta": meta, "__module__": __name__})
    finally:
        registry._models[:] = before  # another block of the test declares it anew


def things(number=600):
    with declared() as Thing:
        Thing.objects.bulk_create(
            Thing(
                "t",
                id=f"{n}",
                city=f"c{n % 3}",
                size=n,
                code=f"x{n}",
                expire=1000 if n % 2 else None,
            )
            for n in range(number)
        )


NEW = {"index_attrs": ["city"], "ordered": ["size"], "unique": ["code"]}


@pytest.mark.parametrize("verbosity", [1, 2])
def test_verbosity_2_prints_each_change(command, server, verbosity):
    things(2)
    with declared(index_attrs=["city"]):
        said = command("ormist_reindex", "tests.Thing", verbosity=verbosity)
    assert said.count("missing-entry") == (2 if verbosity == 2 else 0)


@pytest.mark.slow
@pytest.mark.servers("valkey*")  # the emulation takes 15 seconds
def test_new_indexes_are_added_and_old_ones_removed(command, server):
    things()
    with declared(**NEW) as Thing:
        assert Thing.objects.find(city="c1").count() == 0
        said = command("ormist_reindex", "tests.Thing")
        assert (
            "600 objects; index entries added: 2400, removed: 0, changed: 300" in said
        )
        assert Thing.objects.find(city="c1").count() == 200
        assert raw_faults(server.client, server.key_prefix) == []
        with pytest.raises(ormist.IntegrityError):
            Thing.objects.create(code="x3")
        assert "added: 0, removed: 0, changed: 0" in command("ormist_reindex")
    with declared() as Thing:
        said = command("ormist_reindex", "tests.Thing")
        assert "added: 0, removed: 603, changed: 300" in said
        assert raw_faults(server.client, server.key_prefix) == []
        assert Thing.objects.find("t").count() == 600


def test_a_shared_value_that_should_be_unique_is_named(command, server):
    with declared() as Thing:
        Thing.objects.create(id="one", code="x")
        Thing.objects.create(id="two", code="x")
    with declared(unique=["code"]) as Thing:
        with pytest.raises(CommandError, match="Left as they are: 1") as error:
            command("ormist_reindex", "tests.Thing")
        assert error.value.returncode == 1
        two = Thing.objects.get("two")
        two.code = "y"
        two.save()
        command("ormist_reindex", "tests.Thing")
        assert raw_faults(server.client, server.key_prefix) == []


@pytest.mark.servers("valkey*")  # the emulation takes 4 seconds
def test_an_interrupted_run_says_how_to_resume(command, server, monkeypatch):
    from django_ormist.management import verification

    things(1500)
    with declared(index_attrs=["city"]) as Thing:
        real, calls = verification.run, []

        def interrupted(flow, using):
            calls.append(getattr(flow, "__name__", None))
            if calls.count("check_ids") == 3:
                raise KeyboardInterrupt
            return real(flow, using)

        monkeypatch.setattr(verification, "run", interrupted)
        with pytest.raises(CommandError, match="--after") as error:
            command("ormist_reindex", "tests.Thing")
        assert error.value.returncode == 130
        monkeypatch.undo()
        assert Thing.objects.find(city="c0").count() == 334
        after = str(error.value).partition("--after ")[2].split()[0]
        said = command("ormist_reindex", "tests.Thing", "--after", after)
        assert "500 objects" in said
        assert Thing.objects.find(city="c0").count() == 500
        assert raw_faults(server.client, server.key_prefix) == []


def test_after_takes_the_creation_time_that_inspect_shows(command, server):
    things(2)
    with declared(index_attrs=["city"]) as Thing:
        first, last = Thing.objects.order_by("created")
        shown = json.loads(
            command("ormist_inspect", "tests.Thing", first.id, format="json")
        )
        printed = command("ormist_reindex", "tests.Thing", "--after", shown["created"])
        assert "1 object; index entries added: 1" in printed
        assert Thing.objects.find(city="c1").ids() == [last.id]
        printed = command("ormist_reindex", "tests.Thing", "--after", "2020-01-01")
        assert "2 objects" in printed


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0", 0),
        ("1577836800000001", 1_577_836_800_000_001),
        ("2020-01-01", 1_577_833_200_000_000),
        ("2020-01-01 00:00:00", 1_577_833_200_000_000),
        ("2020-01-01T00:00:00.000001+00:00", 1_577_836_800_000_001),
        ("2020-01-01T00:00:00Z", 1_577_836_800_000_000),
    ],
)
def test_a_creation_time_without_an_offset_is_in_the_current_time_zone(
    text, microseconds
):
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert parse_creation_time(text) == microseconds


@pytest.mark.parametrize("text", ["yesterday", "2020-02-30"])
def test_what_is_no_creation_time_is_refused_with_an_example(command, text):
    with (
        timezone.override(ZoneInfo("Europe/Berlin")),
        pytest.raises(CommandError, match=rf"'{text}' is not .* such as 2020-01-31"),
    ):
        command("ormist_reindex", "tests.Todo", "--after", text)


def test_an_unreadable_object_is_named_and_kept(command, server):
    with declared(index_attrs=["city"]) as Thing:
        Thing.objects.create(id="bad", city="c")
        key = Thing._meta.space("default").objects + b"bad"
        server.client.set(key, b"garbage")
        with pytest.raises(CommandError, match="Left as they are"):
            command("ormist_reindex", "tests.Thing")
        assert server.client.get(key) == b"garbage"


def test_a_pending_index_refuses_queries(command, server):
    things(10)
    with declared(**NEW, pending_indexes=["city", "size", "code"]) as Thing:
        for ask in (
            lambda: Thing.objects.find(city="c1"),
            lambda: Thing.objects.find("city:c1"),
            lambda: Thing.objects.find(size__gt=3),
            lambda: Thing.objects.find(size=3),
            lambda: Thing.objects.find(code="x"),
            lambda: Thing.objects.find(code__in=["x"]),
            lambda: Thing.objects.order_by("-size"),
            lambda: Thing.objects.exclude(city="c1"),
            lambda: Thing.objects.facets("size"),
            lambda: Thing.objects.facets("city", ["c1"]),
            lambda: Thing.objects.aggregate(Max("size")),
            lambda: Thing.objects.latest("size"),
        ):
            with pytest.raises(ormist.FieldError, match="ormist_reindex tests.Thing"):
                ask()
        assert Thing.objects.find("t").count() == 10
        sizes = Thing.objects.values_list("size", flat=True)
        assert set(sizes.distinct()) == set(range(10))
        Thing.objects.create(city="c1")
        command("ormist_reindex", "tests.Thing")
    with declared(**NEW) as Thing:
        assert Thing.objects.find(city="c1").count() == 4


def test_only_an_index_can_be_pending():
    with (
        pytest.raises(ormist.ImproperlyConfigured, match="'x', which has no index"),
        declared(pending_indexes=["x"]),
    ):
        pass


# ---------------------------------------------------------------- --fill


def declare_attributes(**options):
    """Return the context of tests.Thing with declared attributes."""
    base = type(ormist.TaggedModel)(
        "DeclaredThing",
        (ormist.TaggedModel,),
        {
            "__module__": __name__,
            "__annotations__": {"size": int, "state": str, "owner": int, "at": int},
            "size": ormist.field(default=5),
            "state": ormist.field(default_factory=lambda: "new"),
            "Meta": type("Meta", (), {"abstract": True, "app_label": "tests"}),
        },
    )
    return declared(base, counters=["at"], **options)


def test_fill_stores_the_defaults_and_indexes_them(command, server):
    with declared() as Thing:
        Thing.objects.bulk_create(
            Thing("t", id=f"{n}", **({"size": n} if n % 2 else {"owner": n}))
            for n in range(1100)
        )
        Thing.objects.create(id="gone", expire=-1)
    with declare_attributes(index_attrs=["state"], ordered=["size"]) as Thing:
        assert Thing.objects.find(state="new").count() == 0
        said = command("ormist_reindex", "tests.Thing", fill=True)
        assert "Values stored in 1100 objects." in said
        assert "550 objects without the required owner." in said
        assert Thing.objects.find(state="new").count() == 1100
        assert Thing.objects.find(size=5).count() == 551
        assert Thing.objects.get("7").attrs == {"size": 7, "state": "new"}
        assert raw_faults(server.client, server.key_prefix) == []
        said = command("ormist_reindex", "tests.Thing", fill=True)
        assert "Values stored in 0 objects." in said


def test_fill_converts_stored_values(command, server):
    with declared() as Thing:
        for pk, size in (("text", "7"), ("odd", "x"), ("good", 3)):
            Thing.objects.create(id=pk, size=size, owner="1", state="s")
    with declare_attributes(ordered=["size"], pending_indexes=["size"]) as Thing:
        said = command("ormist_reindex", "tests.Thing", fill=True)
        assert "Values stored in 3 objects. 1 object with a size that does not" in said
        assert Thing.objects.get("text").attrs == {"size": 7, "owner": 1, "state": "s"}
        assert Thing.objects.get("odd").attrs["size"] == "x"
    with declare_attributes(ordered=["size"]) as Thing:
        assert Thing.objects.find(size__lt="8").ids() == ["text", "good"]
        assert raw_faults(server.client, server.key_prefix) == []


def test_fill_leaves_unreadable_objects_to_the_report(command, server):
    with declared() as Thing:
        Thing.objects.create("t", id="bad")
        Thing.objects.create("t", id="good")
        server.client.set(Thing(id="bad")._key(), b"\xff")
    with declare_attributes() as Thing:
        with pytest.raises(CommandError, match="Left as they are: 1"):
            command("ormist_reindex", "tests.Thing", fill=True)
        assert Thing.objects.get("good").attrs == {"size": 5, "state": "new"}


def test_fill_does_not_lose_what_others_write_meanwhile(server):
    with declared() as Thing:
        Thing.objects.create(id="one")
    with declare_attributes() as Thing:
        flow = fill_defaults(Thing, "default", [b"one"])
        stored = run(iter_one(next(flow)), "default")
        Thing.objects.update(owner=3, size=9)
        write = flow.send(stored)
        filled = run(rest_of(flow, write), "default")
        assert filled.objects == 1
        assert Thing.objects.get("one").attrs == {"owner": 3, "size": 9, "state": "new"}


def iter_one(request):
    return (yield request)


def rest_of(flow, request):
    """Flow that goes on with *flow*, which has yielded *request*."""
    try:
        while True:
            request = flow.send((yield request))
    except StopIteration as end:
        return end.value


def test_fill_is_not_for_move(command, server):
    with pytest.raises(CommandError, match="--fill is not for --move"):
        command("ormist_reindex", "tests.Todo", fill=True, move=True)
