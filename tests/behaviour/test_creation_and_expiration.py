"""created and expire as names of lookups and values, and the attribute created."""

import asyncio
import copy
import pickle
import re
from datetime import UTC, date, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from django.db.models import Count, F, Max, Q

import django_ormist as ormist
from django_ormist import Collection, FieldError
from django_ormist.admin.lookups import order_argument, sortable_names
from django_ormist.connections.executor import run
from django_ormist.flows import update
from django_ormist.keys import all_key, expires_key, object_key
from django_ormist.queries.conditions import NOTHING
from django_ormist.queries.query import Order
from django_ormist.queries.seeking import Ordering, Position, seek
from django_ormist.rest_framework.filters import _orders
from django_ormist.sessions.model import Session
from django_ormist.sortkeys import sort_key

FAR = datetime(2100, 1, 1, tzinfo=UTC)
UNIT = {
    "created": timedelta(microseconds=1),
    "expire": timedelta(milliseconds=1),
}


class DatedBundle(ormist.Verbose, ormist.TaggedModel):
    """Neither created nor expire is in Meta."""

    class Meta:
        index_attrs = ["state"]
        ordered = ["weight"]
        unique = ["code"]


class DatedCasket(ormist.Verbose, ormist.TaggedAttrsModel):
    """Every attribute is indexed by its text."""


class DatedShipment(ormist.Verbose, ormist.TaggedModel):
    """An attribute of its own is named created."""

    created: datetime
    place: str = ""

    class Meta:
        ordered = ["created"]


@pytest.fixture
def bundles(server):
    """Ten bundles of two states; p0 to p5 expire, two at a time."""
    DatedBundle.objects.bulk_create(
        DatedBundle(
            *(["odd"] if i % 2 else []),
            id=f"p{i}",
            state="new" if i < 4 else "sent",
            weight=i % 3,
            expire=FAR + timedelta(hours=i // 2) if i < 6 else None,
        )
        for i in range(10)
    )
    return DatedBundle.objects


def scores(server, model=DatedBundle):
    """Return {id: creation time} from the index itself."""
    pairs = server.client.zrange(
        all_key(model._meta.space("default")), 0, -1, False, True
    )
    return {
        pk.decode(): datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=score)
        for pk, score in pairs
    }


def ids(*numbers):
    return [f"p{number}" for number in numbers]


# ---------------------------------------------------------------- lookups


@pytest.mark.parametrize("name", ["created", "expire"])
def test_times_are_compared_exactly(ask, server, bundles, name):
    times = scores(server)
    if name == "expire":
        times = {f"p{i}": FAR + timedelta(hours=i // 2) for i in range(6)}
    for moment in times.values():
        for near in (moment - UNIT[name], moment, moment + timedelta(microseconds=1)):
            lookups = {
                "gt": lambda time, near=near: time > near,
                "gte": lambda time, near=near: time >= near,
                "lt": lambda time, near=near: time < near,
                "lte": lambda time, near=near: time <= near,
                "exact": lambda time, near=near: time == near,
            }
            for lookup, is_met in lookups.items():
                found = bundles.find(**{f"{name}__{lookup}": near})
                wanted = [pk for pk, time in times.items() if is_met(time)]
                assert found.ids() == wanted, lookup
                assert found.count() == len(wanted)
                rest = [f"p{i}" for i in range(10) if f"p{i}" not in wanted]
                assert bundles.exclude(**{f"{name}__{lookup}": near}).ids() == rest
    first, last = times["p1"], times["p4"]
    assert ask(bundles.find(**{f"{name}__range": (first, last)}).ids) == (
        ids(1, 2, 3, 4) if name == "created" else ids(0, 1, 2, 3, 4, 5)
    )
    assert ask(bundles.find(**{f"{name}__range": [last, first]}).ids) == []
    assert ask(bundles.find(**{f"{name}__in": [last, FAR - UNIT[name]]}).ids) == (
        ids(4) if name == "created" else ids(4, 5)
    )
    assert ask(bundles.find(**{f"{name}__in": []}).ids) == []
    assert ask(bundles.find(**{name: last}).first).id == "p4"
    assert ask(bundles.find(Q(**{name: last}) | Q(**{name: first}), "odd").count) == (
        1 if name == "created" else 2
    )


def test_objects_without_an_expiration_time_are_found(ask, bundles):
    assert ask(bundles.find(expire__isnull=True).ids) == ids(6, 7, 8, 9)
    assert ask(bundles.find(expire=None).count) == 4
    assert ask(bundles.find(expire__in=[None, FAR]).ids) == ids(0, 1, 6, 7, 8, 9)
    assert ask(bundles.find(expire__isnull=False).count) == 6
    assert ask(bundles.find(created__isnull=False).count) == 10
    assert bundles.find(created__isnull=True).query.condition == NOTHING
    assert ask(bundles.find(created__isnull=True).list) == []
    assert ask(bundles.exclude(expire__gte=FAR).ids) == ids(6, 7, 8, 9)


def test_times_combine_with_other_conditions_orders_and_slices(ask, server, bundles):
    moment = scores(server)["p3"]
    recent = bundles.find(created__gte=moment)
    assert ask(recent.find(state="new").ids) == ids(3)
    assert ask(recent.find("odd", weight__gte=1).ids) == ids(5, 7)
    assert ask(recent.order_by("-created")[1:3].ids) == ids(8, 7)
    assert ask(recent.order_by("-weight")[:2].ids) == ids(5, 8)
    assert ask(recent.order_by("-expire", "-created")[:3].ids) == ids(5, 4, 3)
    assert ask(recent.reverse().first).id == ask(recent.latest).id == "p9"
    assert ask(recent.last).id == "p9"
    assert ask(recent.find(~Q(expire__lte=FAR + timedelta(hours=1))).count) == 6
    assert ask((recent ^ bundles.find("odd")).ids) == ids(1, 4, 6, 8)
    assert ask(recent.facets, "state", ["new", "sent"]) == {"new": 1, "sent": 6}
    assert ask(recent.facets, "weight") == {0: 3, 1: 2, 2: 2}
    found = ask(recent.aggregate, Max("weight"), old=Count("pk", filter=Q(expire=None)))
    assert found == {"weight__max": 2, "old": 4}
    assert ask(recent.values_list("weight", flat=True).distinct().list) == [0, 1, 2]
    assert ask(recent.in_bulk, ["p1", "p4"]).keys() == {"p4"}
    assert ask(recent.contains, DatedBundle(id="p2")) is False
    assert len(ask(recent.order_by("?")[:4].ids)) == 4
    again = pickle.loads(pickle.dumps(recent))
    assert (again.query, again.ids()) == (recent.query, recent.ids())


def test_an_expired_object_is_not_found(ask, server, bundles):
    space = DatedBundle._meta.space("default")
    server.client.zadd(expires_key(space), {"p0": 1})
    server.client.delete(object_key(space, "p0"))
    for found in (
        bundles.find(expire__lt=FAR),
        bundles.find(expire=datetime(1970, 1, 1, 0, 0, 0, 1000, UTC)),
        bundles.find(expire__isnull=False, pk="p0"),
        bundles.find(created__lte=scores(server)["p0"]),
    ):
        assert ask(found.list) == []
        assert ask(found.count) == 0
    assert ask(bundles.find(expire__isnull=True).count) == 4
    assert ask(bundles.exclude(expire__isnull=True).ids) == ids(1, 2, 3, 4, 5)
    assert ask(bundles.find(~Q(expire__gte=FAR)).ids) == ids(6, 7, 8, 9)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2100-01-01", FAR),
        ("2100-01-01T00:30:00+00:30", FAR),
        (FAR.astimezone(timezone(timedelta(hours=5))), FAR),
        (FAR.replace(tzinfo=None), FAR),
        (date(2100, 1, 1), FAR),
    ],
)
@pytest.mark.filterwarnings("ignore:A datetime is expected to be aware")
def test_a_moment_may_be_a_text_a_date_or_naive(server, bundles, given, meant):
    assert bundles.find(expire=given).query == bundles.find(expire=meant).query
    assert bundles.find(expire=given).ids() == ids(0, 1)
    assert bundles.find(created__range=(given, given)).ids() == []


def test_a_naive_moment_is_in_the_time_zone_of_the_project(settings, server, bundles):
    settings.TIME_ZONE = "Europe/Zurich"
    local = datetime(2100, 1, 1, 1)
    with pytest.warns(RuntimeWarning, match="is naive"):
        assert bundles.find(expire=local).ids() == ids(0, 1)
    settings.USE_TZ = False
    assert bundles.find(expire=local).ids() == ids(0, 1)


def test_a_naive_moment_is_local_without_settings(settings, monkeypatch):
    settings.USE_TZ = False
    unconfigured = SimpleNamespace(configured=False)
    monkeypatch.setattr("django_ormist.deadlines.settings", unconfigured)
    local = datetime(2100, 1, 1, 1)
    found = DatedBundle.objects.find(expire=local)
    assert found.query == DatedBundle.objects.find(expire=local.astimezone()).query


@pytest.mark.parametrize(
    ("lookups", "error", "message"),
    [
        ({"created__gt": 5}, ValueError, "DatedBundle by created__gt: “5” value has"),
        ({"created": "soon"}, ormist.ValidationError, "DatedBundle by created: “soon”"),
        ({"expire__lt": None}, ValueError, "Use expire__isnull=True"),
        ({"expire__range": (FAR, None)}, ValueError, "expire__range=None"),
        ({"expire__range": "ab"}, ValueError, "expire__range takes two bounds"),
        ({"expire__range": [FAR]}, ValueError, "takes two bounds"),
        ({"expire__isnull": 1}, ValueError, "takes True or False"),
        ({"expire__in": FAR}, TypeError, "takes a list of values"),
        ({"created__year": 2026}, FieldError, "created__year: no index answers"),
        ({"created__lt": F("expire")}, FieldError, "no index compares two"),
    ],
)
def test_a_value_that_is_no_moment_is_refused(lookups, error, message):
    with pytest.raises(error, match=message):
        DatedBundle.objects.find(**lookups)


# ---------------------------------------------------------------- writes


def test_collections_by_time_are_updated_and_deleted(ask, server, bundles):
    times = scores(server)
    early = bundles.find(created__lt=times["p3"])
    assert ask(early.update, state="old") == 3
    assert ask(bundles.find(state="old").ids) == ids(0, 1, 2)
    assert ask(bundles.find(expire=FAR).update, weight=9) == 2
    assert ask(bundles.find(expire__isnull=True).set_expire, FAR) == 4
    assert ask(bundles.find(expire=FAR).ids) == ids(0, 1, 6, 7, 8, 9)
    assert ask(bundles.find(created__range=(times["p1"], times["p7"])).delete)[0] == 7
    assert ask(bundles.ids) == ids(0, 8, 9)
    given = [DatedBundle(id=f"p{i}", weight=50) for i in (0, 8)]
    found = bundles.find(created__gte=times["p8"])
    assert ask(found.bulk_update, given, ["weight"]) == 1
    assert ask(bundles.find(weight=50).ids) == ids(8)


def test_an_object_that_was_created_again_meanwhile_is_left(server, bundles):
    """A delete() by age must not remove what was stored under the id a moment ago."""
    times = scores(server)

    def replace_one():
        DatedBundle.objects.find(pk="p4").delete()
        DatedBundle(id="p4", state="again").save()
        DatedBundle.objects.find(pk="p5").update(weight=9)

    old = bundles.find(created__lte=times["p9"])
    assert delete_with(old, replace_one) == 9
    assert bundles.ids() == ids(4)
    assert bundles.get("p4").state == "again"


def delete_with(collection, meanwhile):
    """Delete a collection, and call *meanwhile* just before the first write."""

    def flow():
        steps, answer, is_called = update.delete_matches(collection), None, False
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                return done.value
            operations = step if isinstance(step, list) else [step]
            if any(each.is_write for each in operations) and not is_called:
                meanwhile()
                is_called = True
            answer = yield step

    return run(flow(), "default")


def test_times_of_another_query_are_looked_up(ask, server, bundles):
    """The values of the other query are known only when this one is run."""
    odd = DatedBundle.objects.find("odd").values_list("created", flat=True)
    found = bundles.find(created__in=odd, weight__gte=1)
    assert ask(found.ids) == ids(1, 5, 7)
    assert ask(found.update, state="seen") == 3
    assert ask(bundles.find(created__in=odd).bulk_update, [], ["state"]) == 0
    some = [DatedBundle(id=f"p{i}", weight=8) for i in (1, 2)]
    assert ask(bundles.find(created__in=odd).bulk_update, some, ["weight"]) == 1
    assert ask(bundles.find(state="seen", weight=8).ids) == ids(1)


def test_a_time_of_creation_is_computed_with(ask, server, bundles):
    times = scores(server)
    assert ask(bundles.find("odd").update, since=F("created")) == 5
    assert ask(bundles.get, "p3").since == times["p3"]
    assert ask(bundles.find(pk="p0").update, until=F("expire")) == 1
    assert ask(bundles.get, "p0").until == FAR


def test_get_or_create_looks_up_by_time(ask, server, bundles):
    moment = scores(server)["p9"]
    found, is_new = ask(bundles.get_or_create, created__gt=moment, state="new")
    assert (is_new, found.state) == (True, "new")
    again, is_new = ask(bundles.get_or_create, created__gt=moment, state="new")
    assert (is_new, again.id) == (False, found.id)
    changed, is_new = ask(
        bundles.update_or_create, {"weight": 7}, created__gt=moment, state="new"
    )
    assert (is_new, changed.id, changed.weight) == (False, found.id, 7)
    made, is_new = ask(bundles.get_or_create, expire=FAR + timedelta(9), state="late")
    assert (is_new, made.expire) == (True, FAR + timedelta(9))
    assert (
        ask(bundles.get_or_create, expire=FAR + timedelta(9), state="late")[1] is False
    )
    with pytest.raises(FieldError, match="created is set by the server"):
        ask(bundles.get_or_create, created=moment)


def test_update_or_create_by_time_searches_again_after_a_change(server, bundles):
    moment = scores(server)["p0"]

    class Racing(dict):
        changes = 0

        def items(self):
            if self.changes < 2:
                Racing.changes += 1
                bundles.find(pk="p0").update(weight=100 + self.changes)
            return super().items()

    found, is_new = bundles.update_or_create(Racing(note="x"), created__lte=moment)
    assert (is_new, found.id) == (False, "p0")
    stored = bundles.get("p0")
    assert (stored.note, stored.weight) == ("x", 102)


# ---------------------------------------------------------------- explain


def test_explain_names_the_times(ask, server, bundles):
    moment = scores(server)["p3"]
    text = ask(bundles.find(created__gte=moment, expire__isnull=False).explain)
    assert f"created >= {moment} and has expire" in text
    assert re.search(r"read: (all \(7\)|expires \(6\))", text)
    text = bundles.find(expire__range=(FAR, FAR + timedelta(hours=1)))[:2].explain()
    assert f"expire >= {FAR} and expire <= {FAR + timedelta(hours=1)}" in text
    assert "read and sort: expires (4)" in text
    assert f"expire = {FAR}" in bundles.find(expire=FAR).explain()
    assert "not has expire" in bundles.find(expire=None).explain()


# ---------------------------------------------------------------- the attribute


@pytest.mark.servers("valkey91", "fakeredis")
def test_created_is_the_time_in_the_index(ask, server, bundles):
    times = scores(server)
    for bundle in ask(bundles.all().list):
        assert bundle.created == times[bundle.id]
        assert bundle.created.tzinfo is UTC
    assert ask(bundles.get, "p3").created == times["p3"]


@pytest.fixture
def count(round_trips):
    """A function that returns the result of a function, and its round trips."""

    def counted(function, *args):
        with round_trips() as seen:
            result = function(*args)
        return result, seen.count

    return counted


@pytest.mark.servers("valkey91")
def test_it_is_loaded_for_all_objects_of_a_result_in_one_round_trip(
    ask, server, bundles, count
):
    times = scores(server)

    def created(items):
        return [each.created == times[each.id] for each in items]

    whole = ask(bundles.all().list)
    assert count(created, whole) == ([True] * 10, 1)
    assert count(created, whole) == ([True] * 10, 0)
    some = [each for each in ask(bundles.find("odd").list) if each.weight]
    assert count(created, some) == ([True] * 3, 1)
    evaluated = bundles.all()
    ask(list, evaluated)
    assert count(created, evaluated[2:5]) == ([True] * 3, 1)
    assert count(created, evaluated) == ([True] * 10, 0)
    assert count(created, ask(bundles.in_bulk).values()) == ([True] * 10, 1)
    assert count(created, [ask(bundles.get, "p1")]) == ([True], 1)
    chunks = count(lambda: created(bundles.iterator(chunk_size=4)))
    assert chunks == ([True] * 10, 1 + 3 + 3)
    assert count(created, [*ask(bundles.all().list)][:1]) == ([True], 1)
    made = [DatedBundle() for _ in range(3)]
    ask(bundles.bulk_create, made)
    times.update(scores(server))
    assert count(created, made) == ([True] * 3, 1)


@pytest.mark.servers("valkey91")
def test_a_list_that_does_not_use_it_takes_no_more_round_trips(ask, bundles, count):
    assert len(count(ask, bundles.all().list)[0]) == 10
    assert count(ask, bundles.all().list)[1] == 1
    assert count(ask, bundles.values_list("created", flat=True).list)[1] == 2
    assert count(ask, bundles.values_list("expire", flat=True).list)[1] == 1


@pytest.mark.servers("valkey91")
def test_an_object_that_is_not_stored_has_no_creation_time(ask, server, count):
    bundle = DatedBundle(id="x")
    assert count(lambda: bundle.created) == (None, 0)
    ask(bundle.save)
    first = bundle.created
    assert first == scores(server)["x"]
    ask(bundle.delete)
    assert count(lambda: bundle.created) == (None, 0)
    ask(bundle.save)
    assert bundle.created == scores(server)["x"] > first
    bundle.id = "other"
    assert bundle.created is None


@pytest.mark.servers("valkey91")
def test_saves_keep_it_and_an_object_that_is_written_anew_gets_another(
    ask, server, bundles, count
):
    bundle = ask(bundles.get, "p1")
    first = bundle.created
    bundle.weight = 5
    ask(bundle.save)
    assert count(lambda: bundle.created) == (first, 0)
    ask(bundles.find(pk="p1").delete)
    assert bundle.created == first
    bundle.weight = 6
    ask(bundle.save)
    assert bundle.created == scores(server)["p1"] > first
    again = ask(bundles.get, "p1")
    assert again.created == bundle.created
    ask(bundles.find(pk="p1").delete)
    ask(DatedBundle(id="p1").save)
    ask(again.refresh_from_db)
    assert again.created == scores(server)["p1"] > bundle.created


@pytest.mark.servers("valkey91")
def test_an_object_that_was_deleted_meanwhile_has_none(ask, bundles):
    one, other = ask(bundles.all().list)[:2]
    ask(bundles.find(pk="p0").delete)
    assert one.created is None
    assert other.created is not None


@pytest.mark.servers("valkey91")
def test_it_is_there_after_atomic(server, bundles):
    bundle = DatedBundle(id="new")
    with ormist.atomic():
        bundle.save()
        assert bundle.created is None
    assert bundle.created == scores(server)["new"]


@pytest.mark.servers("valkey91")
def test_an_odd_time_in_the_index_is_none(server, bundles):
    all_of_them = all_key(DatedBundle._meta.space("default"))
    server.client.zadd(all_of_them, {"p0": "inf", "p1": -5, "p2": 2**60})
    assert [each.created for each in bundles.find(pk__in=ids(0, 1, 2))] == [None] * 3


@pytest.mark.servers("valkey91")
def test_copies_and_pickles_load_it_again(ask, server, bundles, count):
    bundle = ask(bundles.get, "p1")
    known = bundle.created
    for other in (copy.copy(bundle), pickle.loads(pickle.dumps(bundle))):
        assert count(lambda other=other: other.created) == (known, 1)


@pytest.mark.servers("valkey91")
def test_async_code_loads_it_before_it_is_read(server, bundles, count, monkeypatch):
    times = scores(server)

    async def work():
        found = await bundles.all().alist()
        with pytest.raises(
            ormist.SynchronousOnlyOperation,
            match=r"DatedBundle.created.*arefresh_from_db",
        ):
            found[0].created  # noqa: B018
        await found[0].arefresh_from_db(fields=["created"])
        created = [each.created for each in found]
        assert created == [times[each.id] for each in found]
        values = bundles.values_list("created", flat=True)
        assert created == await values.alist()
        assert DatedBundle().created is None
        monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        assert (await bundles.aget("p1")).created == created[1]

    asyncio.run(work())


# ---------------------------------------------------------------- values


@pytest.mark.servers("valkey91", "fakeredis")
def test_values_have_the_creation_time(ask, server, bundles):
    times = scores(server)
    odd = bundles.find("odd").order_by("-created")[:2]
    assert ask(odd.values("id", "created").list) == [
        {"id": "p9", "created": times["p9"]},
        {"id": "p7", "created": times["p7"]},
    ]
    flat = bundles.values_list("created", flat=True)
    assert ask(flat.list) == [*times.values()]
    assert ask(flat.distinct().list) == [*times.values()]
    assert ask(flat.distinct().count) == 10
    assert ask(flat.get, "p2") == ask(flat.get, pk="p2") == times["p2"]
    assert ask(flat.first) == times["p0"]
    assert ask(flat.last) == flat[9] == times["p9"]
    assert list(flat.iterator(chunk_size=3)) == [*times.values()]
    assert ask(flat.in_bulk, ["p3"]) == {"p3": times["p3"]}
    assert "created" not in ask(bundles.values().first)
    named = ask(bundles.values_list("created", "expire", named=True).first)
    assert (named.created, named.expire) == (times["p0"], FAR)


# ---------------------------------------------------------------- another meaning


@pytest.mark.servers("valkey91", "fakeredis")
def test_a_stored_attribute_comes_first(ask, server):
    ask(DatedBundle(id="a", created="yesterday").save)
    ask(DatedBundle(id="b").save)
    a, b = ask(DatedBundle.objects.all().list)
    assert a.created == "yesterday"
    assert b.created == scores(server)["b"]
    assert ask(DatedBundle.objects.values_list("created", flat=True).list) == [
        "yesterday",
        b.created,
    ]
    b.created = "today"
    assert b.created == "today"
    ask(b.save)
    del a.created
    assert a.created == scores(server)["a"]
    assert ask(DatedBundle.objects.get, "b").created == "today"
    assert ask(DatedBundle.objects.find(created__gte=scores(server)["b"]).ids) == ["b"]


@pytest.mark.servers("valkey91", "fakeredis")
def test_equality_is_that_of_an_indexed_attribute(ask, server):
    """As before 0.3, where each attribute of the model is indexed."""
    ask(DatedCasket(id="a", created="yesterday").save)
    ask(DatedCasket(id="b").save)
    caskets, times = DatedCasket.objects, scores(server, DatedCasket)
    assert ask(caskets.find(created="yesterday").ids) == ["a"]
    assert ask(caskets.find(created__in=["yesterday"]).ids) == ["a"]
    assert ask(caskets.find("created:yesterday").ids) == ["a"]
    assert ask(caskets.find(created__lt=times["b"]).ids) == ["a"]
    assert ask(caskets.order_by("-created").ids) == ["b", "a"]
    assert ask(caskets.get_or_create, created="today")[0].created == "today"


@pytest.mark.parametrize(
    "meta",
    [
        {"index_attrs": ["created"]},
        {"unique": ["created"]},
        {"counters": ["created"]},
        {"exclude_attrs": ["created"]},
    ],
    ids=lambda meta: next(iter(meta)),
)
@pytest.mark.servers("fakeredis")
def test_meta_can_name_an_attribute_created(ask, server, meta):
    Meta = type("Meta", (), {**meta, "app_label": "tests"})
    model = type(
        "Box", (ormist.TaggedAttrsModel,), {"Meta": Meta, "__module__": __name__}
    )
    box = model(id="a")
    ask(box.save)
    found = ask(model.objects.get, "a")
    if "counters" in meta:
        assert found.created == 0
        assert ask(model.objects.values_list("created", flat=True).list) == [0]
    else:
        with pytest.raises(AttributeError):
            found.created  # noqa: B018
        assert ask(model.objects.values_list("created", flat=True).list) == [None]
    with pytest.raises(FieldError):
        model.objects.find(created__gte=FAR)
    assert ask(model.objects.order_by("-created").ids) == ["a"]


@pytest.mark.servers("valkey91")
def test_a_property_of_the_class_is_no_attribute(ask, server):
    """A session's created is the time of its key; lookups are by the index."""
    session = Session(id="2::a", created_ms=1000)
    ask(session.save)
    found = ask(Session.objects.get, "2::a")
    assert found.created == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    time = scores(server, Session)["2::a"]
    assert ask(Session.objects.find(created__gte=time).ids) == ["2::a"]
    assert ask(Session.objects.find(created__gt=time).count) == 0
    assert ask(Session.objects.values_list("created", flat=True).get) == time


@pytest.fixture
def shipments(server):
    """Three shipments whose own created is in another order than they are stored."""
    for day in (2, 3, 1):
        DatedShipment(id=str(day), created=datetime(2020, 1, day, tzinfo=UTC)).save()
    return DatedShipment.objects


@pytest.mark.servers("valkey91", "fakeredis")
def test_a_declared_attribute_comes_first_everywhere(ask, shipments):
    second = datetime(2020, 1, 2, tzinfo=UTC)
    assert ask(shipments.find(created__gte=second).ids) == ["2", "3"]
    assert ask(shipments.find(created="2020-01-02T00:00Z").ids) == ["2"]
    assert ask(shipments.order_by("created").ids) == ["1", "2", "3"]
    assert ask(shipments.order_by("-created")[:2].ids) == ["3", "2"]
    assert ask(shipments.order_by(F("created").desc()).ids) == ["3", "2", "1"]
    assert ask(shipments.latest, "created").id == "3"
    assert ask(shipments.latest).id == "1"
    assert ask(shipments.earliest).id == "2"
    assert ask(shipments.ids) == ["2", "3", "1"]
    assert ask(shipments.all().reverse().ids) == ["1", "3", "2"]
    assert ask(shipments.get, "2").created == second
    times = shipments.values_list("created", flat=True)
    assert ask(times.distinct().list) == sorted(ask(times.list))
    assert ask(times.order_by("created").distinct().last) == ask(times[1:2].get)
    assert ask(shipments.facets, "created").keys() == {*ask(times.list)}
    assert ask(shipments.find(created__lt=second).update, place="x") == 1
    with pytest.raises(AttributeError):
        DatedShipment().created  # noqa: B018
    again = pickle.loads(pickle.dumps(shipments.order_by("-created")))
    assert again.ids() == ["3", "2", "1"]
    assert "Order: -created" in ask(shipments.order_by("-created").explain)


@pytest.mark.servers("valkey91")
def test_the_admin_sorts_by_creation_where_it_says_id(shipments):
    for word in ("-id", "-pk", F("id").desc()):
        assert shipments.order_by(order_argument(word)).ids() == ["1", "3", "2"]
    assert shipments.order_by(order_argument(F("pk"))).ids() == ["2", "3", "1"]
    assert shipments.order_by(order_argument("created")).ids() == ["1", "2", "3"]
    assert order_argument(F("created").desc()) == "-created"
    assert "created" in sortable_names(DatedShipment._meta)
    assert "created" in sortable_names(DatedBundle._meta)


@pytest.mark.servers("fakeredis")
def test_a_declared_attribute_without_an_index_is_no_order(server):
    class Package(ormist.Model):
        created: int = 0

    with pytest.raises(FieldError, match=r"Package.Meta.ordered"):
        Package.objects.order_by("-created")
    with pytest.raises(FieldError, match=r"Package.Meta.ordered"):
        Package.objects.find(created__gt=1)
    assert "created" not in sortable_names(Package._meta)
    Package(id="a").save()
    assert Package.objects.latest().created == 0


@pytest.mark.servers("valkey91")
def test_rest_framework_pages_by_an_attribute_of_this_name(shipments):
    query = shipments.order_by("-created").query
    assert Ordering.of(query) == (query.order, False)
    key = sort_key(shipments.get("3").created)
    (part, _) = seek(query, Position((key,), 0))
    assert Collection(DatedShipment, part).ids() == ["3", "2", "1"]
    names = [name for name, _ in _orders(DatedShipment._meta)]
    assert names == ["created", "expire"]
    assert "created" in dict(_orders(DatedBundle._meta))


def test_an_order_pickled_by_an_earlier_version_is_that_of_creation():
    assert Order("created", True) == ("created", True, False)
    assert Order("created").is_creation
    assert not Order("created", False, True).is_creation
