"""References to objects of this package and of Django."""

import asyncio
import copy
import io
import json
import pickle
from decimal import Decimal
from functools import cache

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import (
    FieldError,
    ImproperlyConfigured,
    SynchronousOnlyOperation,
)
from django.core.management import call_command
from django.db import transaction
from django.db.models import F, ProtectedError, Q, Value
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject

import django_ormist as ormist
from django_ormist import ValidationError
from django_ormist.connections.instrumentation import listening
from django_ormist.testing import assert_round_trips
from tests.checker import raw_faults
from tests.models import Page


class Publisher(ormist.TaggedModel):
    name: str = ""

    class Meta:
        app_label = "tests"
        index_attrs = ("name",)


class Volume(ormist.TaggedModel):
    publisher: ormist.Ref[Publisher] = ormist.ref(related_name="volumes")
    before: "ormist.Ref[Volume] | None"
    owner = ormist.ref("auth.User", null=True)
    title: str = ""

    class Meta:
        app_label = "tests"
        index_attrs = ("publisher", "owner", "title")
        ordered = ("owner",)


class Shelf(ormist.Model):
    publisher: ormist.Ref[Publisher] = ormist.ref(on_delete=ormist.CASCADE)
    owner = ormist.ref(User, null=True, on_delete="SET_NULL", related_name="shelves")

    class Meta:
        app_label = "tests"
        index_attrs = ("publisher", "owner")


class Plank(ormist.Model):
    shelf: ormist.Ref[Shelf] = ormist.ref(
        on_delete=ormist.CASCADE, related_name="planks"
    )
    part_of = ormist.ref("self", null=True, on_delete=ormist.CASCADE)

    class Meta:
        app_label = "tests"
        index_attrs = ("shelf", "part_of")


class Loan(ormist.Model):
    plank: ormist.Ref[Plank] = ormist.ref(on_delete=ormist.PROTECT)
    shelf = ormist.ref("tests.Shelf", null=True, on_delete=ormist.SET_NULL)

    class Meta:
        app_label = "tests"
        index_attrs = ("plank", "shelf")


class Key(ormist.Model):
    group = ormist.ref(Group, on_delete=ormist.PROTECT)

    class Meta:
        app_label = "tests"
        index_attrs = ("group",)


class Pass(ormist.Model):
    group = ormist.ref("auth.Group", on_delete=ormist.CASCADE, related_name="passes")

    class Meta:
        app_label = "tests"
        index_attrs = ("group",)


with isolate_apps("django.contrib.auth"):  # makemigrations does not see it

    class ProxyUser(User):
        class Meta:
            proxy = True
            app_label = "auth"


class Badge(ormist.Model):
    user = ormist.ref(ProxyUser, null=True, on_delete=ormist.CASCADE)
    publisher = ormist.ref(Publisher, default="none", related_name="badges")

    class Meta:
        app_label = "tests"
        index_attrs = ("user", "publisher")


class Licence(ormist.Model):
    publisher: ormist.Ref[Publisher]
    text: str = ""

    class Meta:
        app_label = "tests"
        unique = ("publisher",)
        ordered = ("publisher",)


class Sticker(ormist.TaggedModel):
    publisher: ormist.Ref[Publisher] | None = ormist.ref(related_name="stickers")

    class Meta:
        app_label = "tests"
        index_attrs = ("publisher",)


class Pictured(ormist.Model):
    """The same objects as Volume before it declared references."""

    class Meta:
        app_label = "tests"
        model_name = "Old"


ormist_only = pytest.mark.servers("valkey91", "fakeredis", "valkey91-cluster")


@pytest.fixture
def publisher(ask, server):
    return ask(Publisher.objects.create, name="P")


def loaded(instance):
    return set(instance.__dict__.get("_loaded", {}))


# ---------------------------------------------------------------- storing


def test_the_primary_key_is_stored(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher)
    assert volume.attrs == {"publisher_id": publisher.id, "before_id": None, "owner_id": None, "title": ""}  # fmt: skip  # noqa: E501
    assert volume.publisher is publisher
    found = ask(Volume.objects.get, volume.id)
    assert found.publisher_id == publisher.id
    assert loaded(found) == set()


def test_an_object_or_a_key_is_assigned(ask, publisher):
    other = ask(Publisher.objects.create)
    volume = Volume(publisher=publisher.id)
    volume.publisher = other
    assert (volume.publisher_id, volume.publisher) == (other.id, other)
    volume.publisher_id = publisher.id
    assert loaded(volume) == {"publisher_id"}
    ask(volume.save)
    volume.set(publisher=other)
    assert volume.publisher is other
    volume.before = volume
    volume.before = None
    assert volume.before is volume.before_id is None
    with pytest.raises(ValueError, match="takes an object of tests.Publisher"):
        volume.publisher = volume
    with pytest.raises(ValueError, match="save it first"):
        Volume(owner=User())


def test_a_required_reference_is_missed_at_save(ask, server):
    volume = Volume()
    with pytest.raises(AttributeError, match="no 'publisher'"):
        _ = volume.publisher
    with pytest.raises(ValidationError) as raised:
        ask(volume.save)
    assert raised.value.message_dict == {"publisher": ["This field is required."]}
    volume.publisher = None
    with pytest.raises(ValidationError, match="cannot be null"):
        ask(volume.save)
    volume.publisher = ["x"]
    with pytest.raises(ValidationError, match="An id of Publisher is a str"):
        ask(volume.save)


def test_keys_have_their_own_type(ask, publisher):
    volume = ask(Volume.objects.create, publisher=5, owner="7")
    assert volume.attrs["publisher_id"] == "5"
    assert volume.attrs["owner_id"] == 7
    assert ask(Volume.objects.find(owner="7").count) == 1
    with pytest.raises(ValidationError, match="must be an integer"):
        ask(Volume.objects.create, publisher=5, owner="x")


def test_stored_ids_can_be_declared_later(ask, server):
    ask(Pictured.objects.create, id="old", publisher_id="p", title="t")
    ask(Pictured.objects.create, id="odd", publisher_id=[1], before_id=5)

    class Later(ormist.Model):
        publisher: ormist.Ref[Publisher]
        before = ormist.ref("self", null=True)

        class Meta:
            app_label = "tests"
            model_name = "Old"

    old, odd = ask(Later.objects.get, "old"), ask(Later.objects.get, "odd")
    assert (old.publisher_id, old.before_id) == ("p", None)
    ask(old.save)
    found = ask(list, Later.objects.select_related())
    assert [(each.publisher, each.before) for each in found] == [(None, None)] * 2
    assert (odd.publisher_id, odd.before_id) == ([1], 5)


def test_an_object_that_was_never_saved_is_refused(ask, server):
    publisher = Publisher(name="new")
    volume = Volume(publisher=publisher)
    with pytest.raises(ValueError, match="unsaved related object 'publisher' of Vol"):
        ask(volume.save)
    with pytest.raises(ValueError, match="unsaved related object"):
        ask(Volume.objects.bulk_create, [volume])
    ask(publisher.save)
    ask(volume.save)
    ask(Volume(publisher=Publisher(id="known")).save)
    assert ask(Volume.objects.count) == 2


@pytest.mark.parametrize(
    ("verb", "write"),
    [
        ("save", lambda one: (one.save, {"update_fields": ["publisher"]})),
        ("save", lambda one: (Volume.objects.bulk_save, {"objs": [one]})),
        (
            "bulk_update",
            lambda one: (
                Volume.objects.bulk_update,
                {"objs": [one], "fields": ["publisher_id"]},
            ),
        ),
    ],
)
def test_no_method_stores_a_reference_to_an_unsaved_object(ask, publisher, verb, write):
    volume = ask(Volume.objects.create, publisher=publisher)
    volume.publisher = new = Publisher(name="new")
    method, arguments = write(volume)
    match = rf"{verb}\(\) prohibited .* unsaved related object 'publisher' of Volume"
    with pytest.raises(ValueError, match=match):
        ask(method, **arguments)
    assert ask(Volume.objects.get, volume.id).publisher_id == publisher.id
    ask(new.save)
    ask(method, **arguments)
    assert ask(Volume.objects.get, volume.id).publisher_id == new.id


def test_an_unsaved_object_in_place_of_a_key_is_refused(ask, publisher):
    new, stored = Publisher(), ask(Volume.objects.create, publisher=publisher)
    for value in (new, SimpleLazyObject(lambda: new)):
        for write in (
            lambda value=value: ask(Volume.objects.create, publisher_id=value),
            lambda value=value: ask(
                Volume.objects.bulk_create, [Volume(publisher_id=value)]
            ),
            lambda value=value: ask(Volume.objects.update, publisher_id=value),
            lambda: ask(stored.save),
            lambda: ask(stored.save, update_fields=["publisher_id"]),
            lambda: ask(Volume.objects.bulk_update, [stored], ["publisher"]),
        ):
            stored.publisher_id = value
            with pytest.raises(ValueError, match=r"nsaved (model|related)"):
                write()
    assert [each.publisher_id for each in ask(list, Volume.objects.all())] == [
        publisher.id
    ]
    ask(new.save)
    stored.publisher_id = new
    ask(stored.save)
    assert ask(Volume.objects.get).publisher_id == new.id


@pytest.mark.django_db
@pytest.mark.servers("valkey91", "fakeredis")
def test_an_object_of_django_that_was_deleted_meanwhile_is_refused(server):
    user = User.objects.create(username="gone")
    badge = Badge(user=user)
    user.delete()
    with pytest.raises(ValueError, match="unsaved related object 'user' of Badge"):
        badge.save()
    badge.user_id = 5
    badge.save()
    assert Badge.objects.get().user_id == 5


@pytest.mark.servers("valkey91", "fakeredis")
@pytest.mark.parametrize("is_saved", [True, False])
def test_a_block_refuses_a_reference_to_what_it_deletes(server, is_saved):
    for take_back in ("delete", "new id"):
        publisher = Publisher()
        with ormist.atomic():
            if is_saved:
                publisher.save()
            volume = Volume(publisher=publisher)
            if take_back == "delete":
                publisher.delete()
            else:
                publisher.id = None
                volume.publisher = publisher
            with pytest.raises(ValueError, match="unsaved related object"):
                volume.save()
    assert not Volume.objects.exists()


def test_an_update_refuses_an_unsaved_object(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher)
    new = Publisher(name="new")
    for value in (new, Value(new), SimpleLazyObject(lambda: new)):
        with pytest.raises(ValueError, match="Unsaved model instance .* Volume.publis"):
            ask(Volume.objects.update, publisher=value)
    assert ask(Volume.objects.get, volume.id).publisher_id == publisher.id
    ask(new.save)
    assert ask(Volume.objects.update, publisher=Value(new)) == 1
    assert ask(Volume.objects.get, volume.id).publisher_id == new.id


@ormist.atomic
def discard_save(publisher):
    publisher.save()
    raise ValueError("without a name")


@pytest.mark.servers("valkey91", "fakeredis")
def test_a_block_refuses_a_reference_to_an_unsaved_object(server):
    publisher = Publisher(name="new")
    with ormist.atomic():
        with pytest.raises(ValueError, match="unsaved related object 'publisher'"):
            Volume(publisher=publisher).save()
        with ormist.atomic():
            publisher.save()
            Volume(publisher=publisher).save()
        Volume(publisher=publisher).save()
    assert Volume.objects.filter(publisher=publisher).count() == 2
    other = Publisher(name="other")
    with ormist.atomic():
        with pytest.raises(ValueError, match="without a name"):
            discard_save(other)
        with pytest.raises(ValueError, match="unsaved related object 'publisher'"):
            Volume(publisher=other).save()


@pytest.mark.servers("valkey91", "fakeredis")
def test_an_object_may_wait_for_the_end_of_the_same_block(server):
    with ormist.atomic():
        publisher = Publisher.objects.create(name="new")
        Volume.objects.create(publisher=publisher)
    assert Volume.objects.get().publisher == publisher


# ---------------------------------------------------------------- loading


def store_volumes(ask, number=3):
    publishers = [Publisher(id=f"p{n}", name=f"{n}") for n in range(number)]
    ask(Publisher.objects.bulk_create, publishers)
    volumes = [
        Volume(id=f"v{n}", publisher=publishers[n], title=f"t{n}")
        for n in range(number)
    ]
    ask(Volume.objects.bulk_create, volumes)


@pytest.mark.servers("valkey91")
def test_the_first_access_loads_for_all_objects_of_the_result(server, round_trips):
    asyncio_free = lambda bound, *args: bound(*args)  # noqa: E731
    store_volumes(asyncio_free)
    with round_trips() as seen:
        page = Volume.objects.find()[:3].list()
        names = [volume.publisher.name for volume in page]
    assert names == ["0", "1", "2"]
    assert seen.count == 2
    with round_trips() as seen:
        assert Volume.objects.get("v1").publisher.name == "1"
    assert seen.count == 2
    with round_trips() as seen:
        assert [volume.publisher_id for volume in page] == ["p0", "p1", "p2"]
        assert [volume.before for volume in page] == [None] * 3
    assert seen.count == 0


@pytest.mark.servers("valkey91")
def test_select_related_loads_with_the_result(ask, server, round_trips):
    store_volumes(ask)
    with round_trips() as seen:
        page = ask(list, Volume.objects.select_related("publisher")[:3])
        assert [volume.publisher.name for volume in page] == ["0", "1", "2"]
    assert seen.count == 2
    with round_trips() as seen:
        volume = ask(Volume.objects.select_related("publisher").get, "v1")
        assert volume.publisher.name == "1"
    assert seen.count == 2


@ormist_only
def test_select_related_follows_paths_and_is_kept_by_chains(ask, server):
    store_volumes(ask)
    ask(Volume.objects.find(title="t2").update, before="v1")
    ask(Volume.objects.find(title="t1").update, before="v0")
    found = Volume.objects.select_related("before__before", "before__publisher")
    by_id = ask(found.in_bulk)
    last = by_id["v2"]
    assert last.before.before.id == "v0"
    assert last.before.publisher.name == "1"
    assert loaded(last.before.before) == set()
    chained = found.exclude(title="t0").using("default").all()
    assert loaded(ask(chained.first)) == {"before_id"}
    assert loaded(ask(chained.select_related(None).first)) == set()
    assert loaded(ask(Volume.objects.select_related().first)) == {"publisher_id"}
    for wrong in ("title", "before__title", "nope"):
        with pytest.raises(ormist.FieldError, match=r"Invalid field name\(s\) given"):
            Volume.objects.select_related(wrong)


def test_an_access_in_async_code_says_what_to_do(server):
    async def main():
        publisher = await Publisher.objects.acreate(name="P")
        made = await Volume.objects.acreate(publisher=publisher)
        found = await Volume.objects.aget(made.id)
        with pytest.raises(
            SynchronousOnlyOperation, match=r"select_related\('publisher'\)"
        ):
            _ = found.publisher
        found = await Volume.objects.select_related("publisher").aget(made.id)
        assert found.publisher == publisher
        assert found.before is None

    asyncio.run(main())


def test_a_reference_to_a_deleted_object_reads_none(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher)
    ask(publisher.delete)
    found = ask(Volume.objects.select_related("publisher").get, volume.id)
    assert (found.publisher, found.publisher_id) == (None, publisher.id)
    ask(Volume.objects.find(publisher=publisher).get)


def test_copies_and_pickles_keep_what_is_loaded(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher)
    for other in (copy.copy(volume), pickle.loads(pickle.dumps(volume))):
        assert other.publisher == publisher
        other.publisher = None
        assert volume.publisher is publisher
    again = pickle.loads(pickle.dumps(Volume.objects.select_related("publisher")))
    assert loaded(again[0]) == {"publisher_id"}


@pytest.mark.django_db
def test_objects_of_django_are_loaded_by_one_query(server, django_assert_num_queries):
    users = [User.objects.create(username=f"u{n}") for n in range(3)]
    for user in users:
        Volume.objects.create(publisher="p", owner=user)
    Volume.objects.create(publisher="p", owner=999)
    found = Volume.objects.all()
    with django_assert_num_queries(1):
        assert [volume.owner for volume in found] == [*users, None]
    with django_assert_num_queries(1):
        assert [v.owner for v in Volume.objects.select_related("owner")][:3] == users


@pytest.mark.django_db(transaction=True)
def test_select_related_loads_objects_of_django_in_async_code(server):
    user = User.objects.create(username="u")

    async def main():
        await Volume.objects.acreate(publisher="p", owner=user)
        found = await Volume.objects.select_related("owner").aget(owner=user)
        assert found.owner == user
        mine = User.objects.filter(username="u")
        assert await Volume.objects.find(owner__in=mine).acount() == 1

    asyncio.run(main())


def test_a_refresh_forgets_what_is_loaded(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher)
    volume.before = volume
    ask(Publisher.objects.all().update, name="new")
    ask(volume.refresh_from_db, fields=["before"])
    assert loaded(volume) == {"publisher_id"}
    related = Volume.objects.select_related("publisher")
    ask(volume.refresh_from_db, from_queryset=related)
    assert volume.publisher.name == "new"
    ask(volume.refresh_from_db)
    assert loaded(volume) == set()


def test_a_default_reference_of_an_object_without_one_is_loaded(ask, server):
    ask(Publisher.objects.create, id="none", name="N")
    ask(undeclared_badge().objects.create, id="old")
    assert (
        ask(Badge.objects.select_related("publisher").get, "old").publisher.name == "N"
    )


@cache
def undeclared_badge():
    class OldBadge(ormist.Model):
        class Meta:
            app_label = "tests"
            model_name = "Badge"

    return OldBadge


@pytest.mark.django_db
def test_stored_keys_of_no_user_read_none(server):
    user = User.objects.create(username="u")
    odd = [10**30, float("inf"), 1.0 * user.pk, user.pk == 1, "x", [1], {}, "\0"]
    for number, key in enumerate(odd):
        undeclared_badge().objects.create(id=f"{number}", user_id=key)
    Badge.objects.create(user=user)
    assert [each.user for each in Badge.objects.all()] == [None] * len(odd) + [user]


@pytest.mark.django_db
def test_many_objects_of_django_are_loaded_by_several_queries(
    server, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr("django_ormist.flows.references.KEYS_PER_QUERY", 2)
    users = [User.objects.create(username=f"{n}") for n in range(3)]
    Badge.objects.bulk_create([Badge(user=each) for each in users])
    with django_assert_num_queries(2):
        assert [each.user for each in list(Badge.objects.all())] == users


# ---------------------------------------------------------------- lookups


def test_an_object_that_is_not_saved_is_not_looked_up():
    for lookups in ({"owner": User()}, {"owner__in": [User()]}):
        with pytest.raises(ValueError, match="related filters must be saved"):
            Volume.objects.find(**lookups)


def test_a_key_is_converted_if_nothing_is_lost(server):
    for key in (1.5, float("inf"), Decimal("1E+9000000"), 2**63):
        with pytest.raises(ormist.InvalidLookupValue):
            Volume.objects.find(owner=key)
    made = Volume(publisher="p", owner=2.0)
    made.full_clean()
    assert made.attrs["owner_id"] == 2


@ormist_only
def test_lookups_take_objects_keys_and_other_queries(ask, server):
    store_volumes(ask)
    one = ask(Publisher.objects.get, "p1")

    def titles(*args, **lookups):
        return [v.title for v in ask(list, Volume.objects.find(*args, **lookups))]

    assert titles(publisher=one) == titles(publisher="p1") == ["t1"]
    assert titles(publisher_id=one) == titles(publisher_id="p1") == ["t1"]
    assert titles(publisher__in=[one, "p2"]) == ["t1", "t2"]
    assert titles(Q(publisher=one) | Q(title="t0")) == ["t0", "t1"]
    assert titles(publisher__in=Publisher.objects.find(name="2")) == ["t2"]
    assert titles(publisher__in=Publisher.objects.find(name="9")) == []
    assert titles(publisher__in=Publisher.objects.order_by("-created")[:2]) == ["t1", "t2"]  # fmt: skip  # noqa: E501
    names = Publisher.objects.values_list("name", flat=True)
    assert titles(title__in=Volume.objects.values_list("title")) == ["t0", "t1", "t2"]
    assert titles(publisher__in=names) == []
    keys = Volume.objects.find(title="t2").values_list("publisher", flat=True)
    assert [p.id for p in ask(list, Publisher.objects.find(pk__in=keys))] == ["p2"]
    without = Publisher.objects.exclude(pk__in=keys)
    assert [p.id for p in ask(list, without)] == ["p0", "p1"]
    assert ask(without.count) == 2
    assert ask(without.exists)
    assert ask(without.ids) == ["p0", "p1"]


@ormist_only
@ormist_only
def test_none_of_another_query_matches_nothing_as_in_django(ask, publisher):
    ask(publisher.stickers.create)
    ask(Sticker.objects.create, id="bare")
    keys = Sticker.objects.values("publisher")
    found = ask(list, Sticker.objects.filter(publisher__in=keys))
    assert [each.publisher_id for each in found] == [publisher.id]
    only_none = Sticker.objects.filter(pk="bare").values("publisher")
    assert ask(list, Sticker.objects.filter(publisher__in=only_none)) == []


@pytest.mark.parametrize(
    "name", ["publisher__pk__in", "publisher__name", "publisher__name__in"]
)
def test_a_lookup_over_a_reference_says_what_to_write(server, name):
    with pytest.raises(FieldError, match=r"Write find.publisher__in=\.\.\.find"):
        Volume.objects.filter(**{name: ["x"]})


@pytest.mark.parametrize("name", ["attrs", "_state", "objects", "save", "pages__x"])
def test_a_lookup_by_another_name_of_the_class_is_a_field_error(server, name):
    with pytest.raises(FieldError, match="Cannot filter Publisher by"):
        Publisher.objects.filter(**{name: "x"})


@pytest.mark.parametrize("name", ["volumes", "volumes__title", "volumes__isnull"])
def test_a_lookup_by_what_refers_to_it_says_what_to_write(server, name):
    wanted = r"Write find.pk__in=Volume.objects.find.\.\.\..\.values_list.'publisher'.."
    for value in (True, Volume(), "x"):
        with pytest.raises(FieldError, match=wanted):
            Publisher.objects.filter(**{name: value})


def test_another_query_is_evaluated_each_time(ask, server):
    store_volumes(ask)
    found = Volume.objects.find(publisher__in=Publisher.objects.find(name="new"))
    assert ask(found.count) == 0
    ask(Publisher.objects.find(name="0").update, name="new")
    assert ask(found.count) == 1
    assert ask(found.update, title="x") == 1
    assert ask(found.facets, "title", ["x"]) == {"x": 1}
    assert "everything" not in ask(found.explain)
    assert ask(found.set_expire, 100) == 1
    assert ask(found.delete)[0] == 1
    made = ask(
        Volume.objects.get_or_create,
        {"publisher": "p0"},
        publisher__in=Publisher.objects.find(name="new"),
    )
    assert made[1]
    assert not ask(
        Volume.objects.update_or_create,
        {"title": "y"},
        publisher__in=Publisher.objects.find(name="new"),
    )[1]


@pytest.mark.django_db
@pytest.mark.servers("valkey91", "fakeredis")
@pytest.mark.parametrize(
    "narrow",
    [
        lambda: Volume.objects.filter(publisher__in=Publisher.objects.find(name="P")),
        lambda: Volume.objects.filter(owner__in=User.objects.filter(username="u")),
        lambda: Volume.objects.filter(pk__in=Volume.objects.find(title="a")[:1]),
        lambda: Volume.objects.filter(pk__in=Volume.objects.find(title="a")),
        lambda: Publisher.objects.filter(pk__in=Volume.objects.values("publisher")),
    ],
)
def test_a_collection_with_another_query_is_pickled(
    alias, django_assert_num_queries, narrow
):
    publisher = Publisher.objects.create(name="P")
    user = User.objects.create(username="u")
    publisher.volumes.create(title="a", owner=user)
    collection = narrow()
    stored = collection.list()
    with assert_round_trips(0), django_assert_num_queries(0):
        restored = pickle.loads(pickle.dumps(collection))
        assert restored.list() == stored
    assert len(stored) == 1
    assert copy.deepcopy(collection).list() == stored
    publisher.volumes.create(title="a", owner=user)
    again = restored.all()
    assert again.count() == narrow().count()


def test_the_wrong_kind_of_object_is_refused(publisher):
    for lookups in ({"publisher": User(pk=1)}, {"publisher__in": [User(pk=1)]}):
        with pytest.raises(ValueError, match="publisher takes an object of tests.Pub"):
            Volume.objects.find(**lookups)
    with pytest.raises(ormist.FieldError, match=r"Write find\(publisher__in=...find"):
        Volume.objects.find(publisher__name="x")
    with pytest.raises(ormist.FieldError, match=r"Write find\(owner__in=...find"):
        Volume.objects.find(owner__username="x")
    with pytest.raises(ormist.FieldError, match=r"Write find\(publisher_id=None\)"):
        Volume.objects.find(publisher__isnull=True)
    with pytest.raises(TypeError, match="takes one value per row"):
        Volume.objects.find(publisher__in=Publisher.objects.values_list("pk", "name"))
    with pytest.raises(TypeError, match="takes objects of Publisher, not objects of V"):
        Volume.objects.find(publisher__in=Volume.objects.all())
    with pytest.raises(TypeError, match="title__in takes values, not objects of Vol"):
        Volume.objects.find(title__in=Volume.objects.all())
    with pytest.raises(TypeError, match="Pass pk__in"):
        Volume.objects.find(pk=Publisher.objects.all())
    with pytest.raises(ormist.FieldError, match="not a storable type"):
        Volume.objects.find(title=publisher)


def test_other_methods_take_the_name_of_the_reference(ask, publisher):
    volume = ask(Volume.objects.create, publisher=publisher, owner=1)
    other = ask(Publisher.objects.create)
    volumes = Volume.objects.all()
    assert ask(list, volumes.values("publisher", "owner_id")) == [
        {"publisher": publisher.id, "owner_id": 1}
    ]
    assert ask(volumes.order_by("-owner").first) == volume
    assert ask(volumes.update, publisher=other, title=F("publisher")) == 1
    ask(volume.refresh_from_db, fields=["publisher"])
    assert volume.publisher_id == other.id
    volume.publisher = publisher
    ask(volume.save, update_fields=["publisher"])
    assert ask(volumes.get).publisher_id == publisher.id
    volume.publisher = other
    ask(volumes.bulk_update, [volume], ["publisher"])
    assert ask(volumes.get).publisher_id == other.id
    assert ask(volumes.facets, "owner") == {1: 1}
    with pytest.raises(ValidationError) as raised:
        ask(volumes.update, publisher=None)
    assert raised.value.message_dict == {"publisher": ["This field cannot be null."]}
    found, is_new = ask(Volume.objects.get_or_create, publisher=other)
    assert (found.id, is_new) == (volume.id, False)
    made, is_new = ask(Volume.objects.get_or_create, publisher=publisher)
    assert (made.publisher, is_new) == (publisher, True)


@ormist_only
def test_update_or_create_stores_only_the_reference(ask, publisher, monkeypatch):
    sticker, seen = ask(Sticker.objects.create, size=1), []
    real = Sticker.save, Sticker.asave

    def save(self, **options):
        seen.append(options)
        return real[0](self, **options)

    async def asave(self, **options):
        seen.append(options)
        await real[1](self, **options)

    monkeypatch.setattr(Sticker, "save", save)
    monkeypatch.setattr(Sticker, "asave", asave)
    defaults = {"publisher": publisher}
    found, _ = ask(Sticker.objects.update_or_create, defaults, pk=sticker.pk)
    assert seen == [{"using": "default", "update_fields": {"publisher"}}]
    assert ask(Sticker.objects.get, sticker.pk).publisher_id == publisher.pk
    assert found.size == 1


@ormist_only
def test_a_unique_reference_is_taken_by_its_own_name(ask, publisher):
    other = ask(Publisher.objects.create)
    one, two = (ask(Licence.objects.create, publisher=p) for p in (publisher, other))
    keys = Licence.objects.order_by("publisher")
    for name in ("publisher", "publisher_id"):
        found = ask(Licence.objects.in_bulk, [publisher, None], field_name=name)
        assert found == {publisher.id: one}
        found = ask(Licence.objects.in_bulk, field_name=name)
        assert found == {publisher.id: one, other.id: two}
        new = Licence(publisher=other, text=name)
        ask(
            Licence.objects.bulk_create,
            [new],
            update_conflicts=True,
            update_fields=["text"],
            unique_fields=[name],
        )
        assert new.id == two.id
        assert ask(Licence.objects.get, two.id).text == name
        distinct = keys.values_list(name, flat=True).distinct()
        assert "come from the index of publisher_id" in ask(distinct.explain)
        assert ask(list, distinct) == sorted([publisher.id, other.id])
    with pytest.raises(FieldError, match=r"by \['text'\]: these are not unique"):
        ask(
            Licence.objects.bulk_create,
            [],
            update_conflicts=True,
            update_fields=["text"],
            unique_fields=["text"],
        )


# ---------------------------------------------------------------- the other side


@ormist_only
def test_the_referring_objects_are_a_manager(ask, publisher):
    volumes = publisher.volumes
    made = ask(volumes.create, title="a")
    assert made.publisher is publisher
    other = ask(Publisher.objects.create)
    theirs = ask(other.volumes.create, title="b")
    assert ask(list, volumes.all()) == [made]
    assert ask(volumes.find(title="b").count) == 0
    assert not ask(volumes.get_or_create, title="a")[1]
    assert ask(volumes.update_or_create, {"title": "c"}, title="a")[0].title == "c"
    ask(volumes.add, theirs)
    assert ask(volumes.count) == 2
    assert theirs.publisher is publisher
    assert ask(list, other.volumes.all()) == []
    assert Publisher.volumes.reference is Volume.publisher
    with pytest.raises(ValidationError):
        ask(volumes.clear)
    with pytest.raises(AttributeError, match="defines 'volumes' itself"):
        Publisher(volumes=1)


@ormist_only
@pytest.mark.parametrize("name", ["bulk_create", "bulk_save"])
def test_bulk_methods_of_the_referring_objects_let_objects_refer(ask, publisher, name):
    other = ask(Publisher.objects.create)
    some = [Volume(title="a"), Volume(title="b", publisher=other)]
    ask(getattr(publisher.volumes, name), iter(some))
    assert {each.title for each in ask(list, publisher.volumes.all())} == {"a", "b"}
    assert some[0].publisher is some[1].publisher is publisher
    assert ask(other.volumes.count) == 0


@ormist_only
def test_the_referring_objects_know_what_they_refer_to(ask, publisher):
    other = ask(Publisher.objects.create)
    for _ in range(2):
        ask(publisher.volumes.create, title="a")
    ask(other.volumes.create, title="a")
    volumes = publisher.volumes
    found = [
        *ask(list, volumes.all()),
        *ask(list, volumes.find(title="a").using("default")),
        ask(volumes.first),
        ask(volumes.last),
        *ask(volumes.in_bulk).values(),
    ]
    with assert_round_trips(0):
        assert all(each.publisher is publisher for each in found)
    assert len(found) == 8
    both = volumes.all() | other.volumes.all()
    assert {each.publisher_id for each in ask(list, both)} == {publisher.id, other.id}
    restored = pickle.loads(pickle.dumps(volumes.all()))
    with assert_round_trips(0):
        assert [each.publisher for each in restored] == [publisher] * 2


@ormist_only
def test_add_takes_stored_objects_as_in_django(ask, publisher):
    new, stored = Sticker(), ask(Sticker.objects.create)
    with pytest.raises(ValueError, match="instance isn't saved. Use bulk=False or"):
        ask(publisher.stickers.add, stored, new)
    assert stored.publisher_id is None
    for wrong in (stored.id, publisher, None):
        with pytest.raises(TypeError, match="'Sticker' instance expected, got "):
            ask(publisher.stickers.add, wrong)
    ask(publisher.stickers.add, stored, new, bulk=False)
    assert set(ask(list, publisher.stickers.all())) == {stored, new}
    assert ask(Sticker.objects.get, new.id).publisher_id == publisher.id


@ormist_only
def test_remove_and_set_as_in_django(ask, publisher):
    stickers = publisher.stickers
    one, two, three = (ask(stickers.create) for _ in range(3))
    ask(stickers.remove, one, SimpleLazyObject(lambda: two))
    assert ask(list, stickers.all()) == [three]
    one = ask(Sticker.objects.get, one.id)
    assert one.publisher_id is None
    with pytest.raises(Publisher.DoesNotExist, match="is not related to <Publisher"):
        ask(stickers.remove, three, one)
    assert ask(stickers.count) == 1
    ask(stickers.set, [one, three])
    assert set(ask(list, stickers.all())) == {one, three}
    with pytest.raises(ValueError, match="instance isn't saved"):
        ask(stickers.set, [Sticker()])
    ask(stickers.set, iter([two]), clear=True)
    assert ask(list, stickers.all()) == [two]
    assert ask(stickers.set, []) is None
    assert not ask(stickers.exists)


@ormist_only
def test_set_keeps_others_of_a_required_reference(ask, publisher):
    other = ask(Publisher.objects.create)
    kept = ask(publisher.volumes.create)
    added = ask(other.volumes.create)
    ask(publisher.volumes.set, [added])
    assert set(ask(list, publisher.volumes.all())) == {kept, added}
    with pytest.raises(ValidationError, match="cannot be null"):
        ask(publisher.volumes.remove, kept)


def test_the_referring_objects_are_on_the_alias_of_the_object(server, settings):
    default = settings.ORMIST["default"]
    other = {**default, "KEY_PREFIX": f"{server.key_prefix}:2"}
    settings.ORMIST = {"default": default, "other": other}
    there = Publisher.objects.using("other").create()
    made = there.badges.create()
    assert (made._state.db, there.badges.db) == ("other", "other")
    assert Publisher.objects.using("other").get().badges.get() == made
    assert not Badge.objects.exists()
    assert made.publisher is there
    assert Badge.objects.using("other").get().publisher == there


@pytest.mark.django_db(transaction=True)
def test_the_referring_objects_of_an_object_of_django(ask, server):
    user = User.objects.create(username="u")
    shelf = ask(user.shelves.create, publisher="p")
    assert ask(user.shelves.get) == shelf
    assert ask(user.shelves.clear) == 1
    assert ask(Shelf.objects.get).owner_id is None


# ---------------------------------------------------------------- deletion


def store_shelf(ask):
    publisher = ask(Publisher.objects.create)
    shelf = ask(Shelf.objects.create, publisher=publisher)
    planks = [ask(Plank.objects.create, shelf=shelf) for _ in range(3)]
    return publisher, shelf, planks


def fail_after(delete):
    delete()
    raise RuntimeError


@ormist_only
def test_a_deletion_cascades(ask, server):
    publisher, shelf, _ = store_shelf(ask)
    loan = ask(Loan.objects.create, plank="other", shelf=shelf)
    kept = ask(Shelf.objects.create, publisher="other")
    wanted = {"tests.Publisher": 1, "tests.Shelf": 1, "tests.Plank": 3}
    assert ask(publisher.delete) == (5, wanted)
    assert ask(Loan.objects.get).shelf_id is None
    assert ask(list, Shelf.objects.all()) == [kept]
    assert not ask(Plank.objects.exists)
    assert loan.shelf_id == shelf.id
    assert raw_faults(server.client, server.key_prefix) == []


class Rail(ormist.TaggedModel):
    class Meta:
        app_label = "tests"
        slot = "hooks"


class Hook(ormist.TaggedModel):
    """A reference of each kind."""

    cascade = ormist.ref(Rail, null=True, on_delete=ormist.CASCADE)
    clear = ormist.ref(Rail, null=True, on_delete=ormist.SET_NULL)
    protect = ormist.ref(Rail, null=True, on_delete=ormist.PROTECT)
    note: str = ""

    class Meta:
        app_label = "tests"
        index_attrs = ("cascade", "clear", "protect")
        slot = "hooks"
        counters = ("views",)


class Hanger(ormist.Model):
    hook: ormist.Ref[Hook]

    class Meta:
        app_label = "tests"
        slot = "hooks"


def hooks():
    """Return the stored hooks, by id, with the ids that they refer to."""
    return {
        each.id: (each.cascade_id, each.clear_id, each.protect_id, each.note)
        for each in Hook.objects.all()
    }


@pytest.mark.servers("valkey91", "fakeredis", "valkey91-cluster")
class TestADeletionInABlock:
    """What the same block has written before it counts."""

    @pytest.fixture(autouse=True)
    def stored(self, server):
        self.old, self.new = (Rail.objects.create(id=pk) for pk in ("old", "new"))
        old = self.old
        self.hook = Hook.objects.create(id="h", cascade=old, clear=old)

    def test_objects_that_refer_elsewhere_by_now_are_left(self):
        self.hook.cascade = self.hook.clear = self.new
        with ormist.atomic():
            self.hook.save()
            self.old.delete()
        assert hooks() == {"h": ("new", "new", None, "")}

    def test_objects_that_refer_to_it_since_then_are_changed(self):
        with ormist.atomic():
            Hook.objects.create(id="made", cascade=self.old)
            cleared = Hook.objects.create(id="cleared", clear=self.old, views=3)
            Hook.objects.filter(id="h").get().delete()
            assert self.old.delete() == (2, {"tests.Hook": 1, "tests.Rail": 1})
        assert hooks() == {"cleared": (None, None, None, "")}
        cleared.note = "x"
        cleared.save()
        found = Hook.objects.get("cleared")
        assert (found.clear_id, found.note, found.views) == (None, "x", 3)

    def test_a_changed_reference_is_cleared(self):
        other = Hook.objects.create(id="other", clear=self.new)
        self.hook.delete()
        with ormist.atomic():
            other.clear, other.note = self.old, "kept"
            other.save()
            again = Hook.objects.get("other")
            again.protect = self.new
            again.save()
            self.old.delete()
        assert hooks() == {"other": (None, None, "new", "kept")}

    def test_an_object_that_got_another_id_is_deleted_under_the_one_it_was_saved(self):
        with ormist.atomic():
            made = Hook.objects.create(id="made", cascade=self.old)
            made.id = "other"
            self.old.delete()
            made.cascade = None
            made.save()
        assert hooks() == {"other": (None, None, None, "")}

    def test_an_object_that_protects_it_since_then_protects(self):
        with ormist.atomic():
            made = Hook.objects.create(protect=self.old)
            with pytest.raises(ProtectedError, match=r"'Hook\.protect'") as raised:
                self.old.delete()
            assert raised.value.protected_objects == {made}
            made.delete()
            self.old.delete()
        assert hooks() == {}

    def test_an_object_that_is_deleted_and_saved_again_counts(self):
        with ormist.atomic():
            self.hook.delete()
            self.hook.save()
            self.old.delete()
        assert hooks() == {}
        self.hook.cascade, self.hook.clear = self.new, None
        with ormist.atomic():
            self.new.delete()
            with pytest.raises(ValueError, match="unsaved related object 'cascade'"):
                self.hook.save()
        assert not Rail.objects.exists()

    @pytest.mark.parametrize("is_other", [False, True])
    def test_a_reference_that_is_saved_there_and_back_counts(self, is_other):
        with ormist.atomic():
            for target in (self.new, self.old):
                self.hook.cascade = target
                self.hook.clear = self.new if target is self.old else self.old
                self.hook.save()
                if is_other:
                    Hook(id="h2", cascade=target).save()
            self.new.delete()
        wanted = {"h": ("old", None, None, "")}
        assert hooks() == {
            **wanted,
            **({"h2": ("old", None, None, "")} if is_other else {}),
        }
        with ormist.atomic():
            for target in (None, self.old):
                self.hook.cascade = target
                self.hook.save()
            self.old.delete()
        assert hooks() == {}

    def test_an_object_that_a_save_creates_again_counts(self):
        """Another process has deleted it."""
        protecting = Hook.objects.create(id="p", protect=self.old)
        clearing = Hook.objects.create(id="c", clear=self.old)
        Hook.objects.all().delete()
        with ormist.atomic():
            protecting.save()
            with pytest.raises(ProtectedError) as raised:
                self.old.delete()
            assert raised.value.protected_objects == {protecting}
            protecting.delete()
            self.hook.save()
            clearing.save()
            assert self.old.delete()[0] == 2
        assert hooks() == {"c": (None, None, None, "")}

    def test_contents_that_were_not_saved_are_not_read(self):
        with ormist.atomic():
            made = Hook.objects.create(id="made", clear=self.old)
            made.note, made.other = "unsaved", object()
            self.old.delete()
        assert hooks() == {"made": (None, None, None, "")}
        assert made.note == "unsaved"

    def test_a_save_that_has_expired_does_not_protect(self):
        made = Hook.objects.create(protect=self.old)
        with ormist.atomic():
            made.expire = -5
            made.save()
            self.old.delete()
        assert hooks() == {}

    def test_an_instance_of_two_ids_is_protected_under_both(self):
        with ormist.atomic():
            made = Hook.objects.create(id="one", protect=self.old)
            made.id = "two"
            made.save()
            with pytest.raises(ProtectedError) as raised:
                self.old.delete()
            protected = {each.id for each in raised.value.protected_objects}
            assert protected == {"one", "two"}
            Hook.objects.create(id="three", cascade=self.new)
            made.id = "three"
            made.protect = None
            made.save()

    def test_a_cascade_under_a_former_id_leaves_the_new_one(self):
        with ormist.atomic():
            made = Hook.objects.create(id="made", cascade=self.old)
            made.id, made.cascade = "kept", None
            made.save()
            self.old.delete()
            Hanger.objects.create(hook=made)
        assert hooks() == {"kept": (None, None, None, "")}
        assert Hanger.objects.get().hook == made

    def test_a_discarded_inner_block_does_not_count(self):
        with ormist.atomic():
            self.hook.cascade = None
            with pytest.raises(ValueError, match="without a name"):
                discard_save(self.hook)
            self.old.delete()
        assert hooks() == {}

    def test_an_inner_block_counts(self):
        self.hook.cascade = self.hook.clear = self.new
        with ormist.atomic():
            self.hook.save()
            with ormist.atomic():
                self.old.delete()
        assert hooks() == {"h": ("new", "new", None, "")}


@ormist_only
def test_protect_wins_as_in_django(ask, server):
    """Not only against other references, but also among objects that are deleted."""
    old, other = ask(Rail.objects.create), ask(Rail.objects.create)
    both = ask(Hook.objects.create, cascade=old, protect=old)
    second = ask(Hook.objects.create, cascade=old, protect=other)
    third = ask(Hook.objects.create, protect=old)
    for delete in (old.delete, Rail.objects.all().delete):
        with pytest.raises(ProtectedError) as raised:
            ask(delete)
        wanted = {both, third} if delete == old.delete else {both, second, third}
        assert raised.value.protected_objects == wanted
    assert ask(Rail.objects.count) == 2


@ormist_only
def test_a_deletion_of_many_cascades(ask, server):
    for _ in range(2):
        store_shelf(ask)
    assert ask(Publisher.objects.all().delete)[0] == 10
    assert ask(Publisher.objects.all().delete) == (0, {})


@ormist_only
def test_references_to_many_objects_are_found_by_several_queries(server, monkeypatch):
    def call(method, *args, **named):
        return method(*args, **named)

    monkeypatch.setattr("django_ormist.flows.delete.KEYS_PER_QUERY", 2)
    found = [store_shelf(call)[0] for _ in range(5)]
    seen = []
    with listening(seen.append):
        assert Publisher.objects.all().delete()[0] == 25
    ids = {publisher.id.encode() for publisher in found}
    named = [
        {
            pk
            for pk in ids
            for key in operation.keys
            if b"publisher" in key and pk in key
        }
        for trip in seen
        for operation in trip.operations
        if "delete_many" not in str(operation.command)
    ]
    assert set().union(*named) == ids
    assert max(map(len, named)) == 2


@ormist_only
def test_circles_are_deleted_once(ask, server):
    one = ask(Plank.objects.create, shelf="s")
    other = ask(Plank.objects.create, shelf="s", part_of=one)
    one.part_of = other
    ask(one.save)
    assert ask(one.delete) == (2, {"tests.Plank": 2})
    assert not ask(Plank.objects.exists)


@ormist_only
def test_a_protected_object_is_kept_with_all_others(ask, server):
    publisher, _, planks = store_shelf(ask)
    loan = ask(Loan.objects.create, plank=planks[1])
    for delete in (planks[1].delete, publisher.delete, Publisher.objects.all().delete):
        with pytest.raises(ProtectedError, match="'Loan.plank'") as raised:
            ask(delete)
        assert raised.value.protected_objects == {loan}
    assert ask(Plank.objects.count) == 3
    assert ask(Shelf.objects.count) == 1
    ask(loan.delete)
    assert ask(publisher.delete)[0] == 5


def test_a_cascade_in_a_block_is_one_step(server):
    if server.variant.is_cluster:
        pytest.skip("models in several slots have no block on a cluster")
    publisher, shelf, _ = store_shelf(lambda bound, *a, **k: bound(*a, **k))
    Loan.objects.create(plank="x", shelf=shelf)
    with ormist.atomic():
        assert publisher.delete()[0] == 5
        assert Plank.objects.count() == 3
    assert not Plank.objects.exists()
    assert Loan.objects.get().shelf_id is None
    publisher, shelf, _ = store_shelf(lambda bound, *a, **k: bound(*a, **k))
    with pytest.raises(RuntimeError), ormist.atomic():
        fail_after(publisher.delete)
    assert Plank.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_deletion_in_the_database_is_followed_when_it_commits(ask, server):
    user = User.objects.create(username="u")
    group, other = Group.objects.create(name="g"), Group.objects.create(name="o")
    shelf = ask(Shelf.objects.create, publisher="p", owner=user)
    ask(Pass.objects.create, group=group)
    ask(Pass.objects.create, group=other)
    with pytest.raises(RuntimeError), transaction.atomic():
        fail_after(user.delete)
    assert ask(Shelf.objects.get).owner_id is not None
    user = User.objects.get()
    with transaction.atomic():
        user.delete()
        assert ask(Shelf.objects.get, shelf.id).owner_id is not None
    assert ask(Shelf.objects.get, shelf.id).owner_id is None
    Group.objects.filter(name="g").delete()
    assert [each.group_id for each in ask(list, Pass.objects.all())] == [other.pk]
    key = ask(Key.objects.create, group=other)
    with pytest.raises(ProtectedError):
        other.delete()
    assert Group.objects.filter(name="o").exists()
    ask(key.delete)
    other.delete()
    assert not ask(Pass.objects.exists)


@pytest.mark.django_db(transaction=True)
def test_proxies_are_the_same_objects(server):
    user = User.objects.create(username="u")
    proxy = ProxyUser.objects.get()
    Badge.objects.create(user=user)
    Shelf.objects.create(publisher="p", owner=proxy)
    assert Badge.objects.find(user__in=User.objects.all()).count() == 1
    assert Shelf.objects.find(owner__in=ProxyUser.objects.all()).count() == 1
    ProxyUser.objects.all().delete()
    assert Shelf.objects.get().owner_id is None
    assert not Badge.objects.exists()
    Badge.objects.create(user=User.objects.create(username="v"))
    User.objects.all().delete()
    assert not Badge.objects.exists()


def test_expiration_triggers_nothing(ask, server):
    publisher, shelf, _ = store_shelf(ask)
    ask(Publisher.objects.find(pk=publisher.id).set_expire, -1)
    assert ask(Shelf.objects.get, shelf.id).publisher_id == publisher.id


# ---------------------------------------------------------------- declarations


def declare(annotations=None, /, meta=None, **body):
    body["Meta"] = type("Meta", (), {"app_label": "tests", **(meta or {})})
    body |= {"__annotations__": annotations or {}, "__module__": __name__}
    return type(ormist.Model)("Declared", (ormist.Model,), body)


def test_a_wrong_declaration_is_refused():
    with pytest.raises(ImproperlyConfigured, match="Add 'user' to Declared.Meta.index"):
        declare(user=ormist.ref(User, on_delete=ormist.CASCADE))
    with pytest.raises(ImproperlyConfigured, match="related_name='things', and no"):
        declare(user=ormist.ref(User, related_name="things"))
    with pytest.raises(TypeError, match="SET_NULL. Pass null=True as well"):
        declare(user=ormist.ref(User, on_delete=ormist.SET_NULL))
    with pytest.raises(ImproperlyConfigured, match="'groups', which User defines"):
        declare(
            user=ormist.ref(User, related_name="groups"),
            meta={"index_attrs": ["user"]},
        )
    with pytest.raises(ImproperlyConfigured, match="which Volume.publisher has alre"):
        declare(
            publisher=ormist.ref(Publisher, related_name="volumes"),
            meta={"index_attrs": ["publisher"]},
        )
    with pytest.raises(ImproperlyConfigured, match=r"is in Page.Meta.index_attrs\."):
        declare(
            page=ormist.ref(Page, related_name="site"), meta={"index_attrs": ["page"]}
        )
    with pytest.raises(TypeError, match=r"Declare a reference, ormist.Ref.Publisher"):
        type(ormist.Model)(
            "Declared", (ormist.Model,), {"__annotations__": {"by": Publisher}}
        )
    with pytest.raises(ValueError, match="DO_NOTHING, not 'RESTRICT'"):
        ormist.ref(User, on_delete="RESTRICT")
    with pytest.raises(TypeError, match="is no model to refer to"):
        declare(user=ormist.ref(int))
    lost = declare(user=ormist.ref("shop.Nobody"))
    with pytest.raises(TypeError, match="no model 'shop.Nobody' to refer to"):
        lost(user=1)

    class Labelled(ormist.Model):
        user: ormist.Ref["auth.User"]  # noqa: F821

    with pytest.raises(TypeError, match=r"by its label, write ormist\.ref\('shop"):
        Labelled(user=1)


def test_a_derived_model_leaves_the_related_name_to_its_base(server):
    class Owner(ormist.Model):
        pass

    class Thing(ormist.Model):
        owner = ormist.ref(Owner, related_name="things")
        part_of = ormist.ref("self", null=True, related_name="parts")

        class Meta:
            index_attrs = ("owner", "part_of")

    class Leaf(Thing):
        pass

    owner = Owner.objects.create()
    thing = owner.things.create()
    leaf = Leaf.objects.create(owner=owner)
    below = Leaf.objects.create(owner=owner, part_of=leaf)
    assert owner.things.get() == thing
    assert leaf.parts.get() == below
    assert not thing.parts.exists()

    with pytest.raises(ImproperlyConfigured, match="Thing.owner has already"):
        type(
            "Clash",
            (ormist.Model,),
            {
                "owner": ormist.ref(Owner, related_name="things"),
                "Meta": type("Meta", (), {"index_attrs": ("owner",)}),
            },
        )


def test_a_reference_by_name_waits_for_its_model():
    declare(
        late=ormist.ref("tests.Late", related_name="%(model_name)s_set"),
        meta={"index_attrs": ["late"]},
    )

    class Late(ormist.Model):
        class Meta:
            app_label = "tests"

    assert Late.declared_set.reference.related_model is Late


def test_references_are_fields():
    fields = Volume._meta.get_fields()
    assert [each.name for each in fields] == ["publisher", "before", "title", "owner"]
    owner = Volume._meta.get_field("owner")
    assert owner is Volume._meta.get_field("owner_id") is Volume.owner
    assert (owner.attname, owner.is_relation, owner.null) == ("owner_id", True, True)
    assert owner.related_model is User
    assert owner.type.text == "Ref[auth.User] | None"
    assert (owner.is_to_django, Volume.publisher.is_to_django) == (True, False)
    assert Volume.before.related_model is Volume
    assert not Volume.publisher.null
    assert Volume._meta.get_field("title").related_model is None
    assert Volume.publisher_id.reference is Volume.publisher


# ---------------------------------------------------------------- verification


@pytest.mark.django_db
@pytest.mark.servers("valkey91", "fakeredis")
def test_verify_notes_references_to_no_object(server):
    publisher = Publisher.objects.create()
    user = User.objects.create(username="u")
    Volume.objects.create(id="good", publisher=publisher, owner=user)
    Volume.objects.create(id="bad", publisher="gone", owner=999)
    Volume.objects.create(id="odd", publisher=publisher, before="good")
    out = io.StringIO()
    options = {"verify": True, "format": "json", "stdout": out}
    call_command("ormist_inspect", "tests.Volume", **options)
    found = json.loads(out.getvalue())
    assert found["models"][0]["notes"] == {"dangling-reference": 2}
    noted = {(f["id"], f["detail"]) for f in found["faults"]}
    assert noted == {("bad", "publisher"), ("bad", "owner")}
