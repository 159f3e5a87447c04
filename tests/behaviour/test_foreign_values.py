"""Values of Django and of other libraries: lazy ones, and unsupported ones."""

from collections import deque
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as Account
from django.core.files.base import ContentFile
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, override

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo, User

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


class Colour(Enum):
    RED = "red"


class Status(models.TextChoices):
    NEW = "new", gettext_lazy("New")


class Money(Decimal):
    """A subclass of a supported type."""


@dataclass
class Point:
    x: int = 1


def no(value):
    """Return a lazy object of this value."""
    return SimpleLazyObject(lambda: value)


LAZY = [
    (gettext_lazy("Monday"), "Monday"),
    (format_lazy("{}-{}", gettext_lazy("Monday"), 1), "Monday-1"),
    (lazy(lambda: 5, int)(), 5),
    (no("text"), "text"),
    (no(7), 7),
    (no(True), True),
    (no(None), None),
    (no(date(2026, 1, 2)), date(2026, 1, 2)),
    (no(gettext_lazy("Monday")), "Monday"),
    (no([1, no("x")]), [1, "x"]),
    (
        [gettext_lazy("Monday"), {"a": gettext_lazy("Monday")}],
        ["Monday", {"a": "Monday"}],
    ),
    ({gettext_lazy("Monday"): 1, "b": no(2)}, {"Monday": 1, "b": 2}),
    ({gettext_lazy("Monday"): 1, 2: no(2)}, {"Monday": 1, 2: 2}),
    ((no(1), {no("m")}), (1, {"m"})),
    (Status.NEW, "new"),
    (Status.NEW.label, "New"),
    (mark_safe("<b>"), "<b>"),
    (Money("1.50"), Decimal("1.50")),
]


@pytest.mark.parametrize("codec", ["msgpack", "json"])
@pytest.mark.parametrize(("value", "stored"), LAZY)
def test_a_lazy_value_is_stored_as_its_result(server, value, stored, codec):
    server.connect(CODEC=codec)
    pk = Plain.objects.create(value=value).id
    found = Plain.objects.get(pk).value
    assert (found, type(found)) == (stored, type(stored))
    plain = Plain.objects.get(pk)
    plain.value = value
    plain.save(strict=True)
    assert Plain.objects.get(pk).value == stored
    Plain.objects.all().update(value=value)
    assert Plain.objects.get(pk).value == stored


def test_a_lazy_text_is_stored_in_the_active_language(alias):
    plain = Plain.objects.create(day=gettext_lazy("Monday"))
    with override("de"):
        other = Plain.objects.create(day=gettext_lazy("Monday"))
        assert str(plain.day) == "Montag"  # the instance keeps it, as Django's does
    assert Plain.objects.get(plain.id).day == "Monday"
    assert Plain.objects.get(other.id).day == "Montag"


def test_a_lazy_value_is_indexed_by_its_result(is_sound):
    day = gettext_lazy("Monday")
    city = City.objects.create(
        gettext_lazy("tag"), name=day, population=no(5), code=no("be"), country=no(True)
    )
    assert {"tag", "name:Monday", "country:True"} <= set(city.tags)
    for lookups in (
        {"name": "Monday"},
        {"name": day},
        {"name__in": [day]},
        {"name__startswith": lazy(lambda: "Mon", str)()},
        {"population": 5},
        {"population__gte": no(5)},
        {"population__range": (no(4), no(5))},
        {"population__isnull": no(False)},
        {"code": no("be")},
        {"country": no(True)},
        {"pk": no(city.id)},
        {"pk__in": [no(city.id)]},
        {"tags": gettext_lazy("tag")},
        {"tags__in": [gettext_lazy("tag")]},
    ):
        assert City.objects.find(**lookups).list() == [city], lookups
        assert City.objects.find(Q(**lookups)).list() == [city], lookups
    assert City.objects.find(gettext_lazy("tag")).get() == city
    with pytest.raises(ormist.IntegrityError, match="code='be' is taken"):
        City.objects.create(code=no("be"))
    assert is_sound()


def test_ids_tags_counters_and_expire_may_be_lazy(alias):
    page = Page(gettext_lazy("tag"), id=no("one"), views=no(3), expire=no(600))
    page.tags = [*page.tags, no("other")]
    page.save()
    assert Page.objects.get(no("one")) == page
    found = Page.objects.get("one")
    assert (found.id, found.tags, found.views) == ("one", ["tag", "other"], 3)
    assert 590 < found.ttl() <= 600
    for each in (found.id, found.tags[0], page.tags[1], page.id):
        assert type(each) is str
    assert type(page.views) is int


def test_get_or_create_accepts_lazy_values(alias):
    todo, is_new = Todo.objects.get_or_create(
        {"text": gettext_lazy("Monday")}, tags=no("home")
    )
    assert (is_new, todo.tags) == (True, ["home"])
    again = Todo.objects.get_or_create({"text": "x"}, tags=gettext_lazy("home"))
    assert again == (todo, False)
    assert again[0].text == "Monday"


def files():
    return ContentFile(b"x", "a.txt")


REFUSED = [
    (lambda: Account(pk=5), "User", r"\.pk"),
    (lambda: no(Account(pk=5)), "User", r"\.pk"),
    (lambda: [Account(pk=5)], "User", r"\.pk"),
    (lambda: {"a": (no(Account(pk=5)),)}, "User", r"\.pk"),
    (lambda: Plain(id="x"), "Plain", r"\.pk"),
    (lambda: Account.objects.all(), "QuerySet", r"list\(.*values_list"),
    (lambda: Account.objects.values_list("pk"), "QuerySet", r"list\("),
    (lambda: Account.objects, "UserManager", r"list\("),
    (lambda: Plain.objects.all(), "Collection", r"list\("),
    (lambda: Plain.objects.values("x"), "ValuesCollection", r"list\("),
    (lambda: Plain.objects, "Manager", r"list\("),
    (lambda: F("n"), "F", r"update\("),
    (lambda: F("n") + 1, "CombinedExpression", r"update\("),
    (lambda: Value(1), "Value", r"update\("),
    (lambda: Case(When(n=1, then=1)), "Case", r"update\("),
    (lambda: Q(n=1), "Q", r"update\("),
    (lambda: Colour.RED, "Colour", r"\.value"),
    (lambda: {"c": [Colour.RED]}, "Colour", r"\.value"),
    (lambda: Point(), "Point", r"asdict"),
    (lambda: files(), "ContentFile", r"read\(\)"),
    (lambda: (n for n in "ab"), "generator", r"list\(\)"),
    (lambda: {"a": 1}.keys(), "dict_keys", r"list\(\)"),
    (lambda: range(3), "range", r"list\(\)"),
    (lambda: deque([1]), "deque", r"list\(\)"),
    (lambda: bytearray(b"x"), "bytearray", r"bytes\(\)"),
    (lambda: files, "function", "returns"),
    (lambda: object(), "object", "a str, int, float, .* UUID or None"),
    (lambda: Plain, "ModelBase", "a str, int"),
    (lambda: no(AnonymousUser()), "AnonymousUser", "a str, int"),
]


@pytest.mark.parametrize("codec", ["msgpack", "json"])
@pytest.mark.parametrize(("make", "kind", "instead"), REFUSED)
def test_a_value_that_cannot_be_stored_gets_a_hint(server, make, kind, instead, codec):
    server.connect(CODEC=codec)
    message = f"attribute 'a': {kind} is not a storable type. Store .*{instead}"
    with pytest.raises(TypeError, match=message):
        Plain.objects.create(a=make())
    plain = Plain.objects.create(a=1)
    plain.a = make()
    with pytest.raises(TypeError, match=message):
        plain.save()
    assert Plain.objects.get(plain.id).a == 1


@pytest.mark.parametrize(("make", "kind", "instead"), REFUSED)
def test_update_gives_the_same_hint(alias, make, kind, instead):
    if kind in ("F", "CombinedExpression", "Value", "Case", "Q"):
        return
    Plain.objects.create(a=1)
    with pytest.raises(TypeError, match=rf"{kind} is not a storable type\..*{instead}"):
        Plain.objects.all().update(a=make())


@pytest.mark.parametrize(("make", "kind", "instead"), REFUSED)
def test_a_lookup_by_an_unsupported_value_gets_a_hint(make, kind, instead):
    value = make()
    if isinstance(value, list | dict):
        return
    if "update" in instead:
        kind, instead = "two attributes", "a value"
    with pytest.raises(ormist.FieldError, match=rf"'name'.*{kind}.*Pass .*{instead}"):
        User.objects.find(name=value)


def test_a_queryset_of_django_is_passed_with_one_value_per_row(server, db):
    Account.objects.create(username="Bern")
    City.objects.create(name="Bern")
    names = Account.objects.values_list("username", flat=True)
    assert City.objects.find(name__in=names).count() == 1
    with pytest.raises(TypeError, match=r"name__in takes values, not objects of User"):
        City.objects.find(name__in=Account.objects.all())
    with pytest.raises(ormist.FieldError, match=r"QuerySet .* Pass a list, list\("):
        City.objects.find(population__gt=Account.objects.all())


def test_a_list_of_instances_must_be_passed_as_ids():
    for users in ([Account(pk=5)], [no(Account(pk=5))]):
        with pytest.raises(ormist.FieldError, match=r"User is not .*Pass its .*\.pk"):
            User.objects.find(name__in=users)
        with pytest.raises(TypeError, match=r"is a str, not User: .* Pass its \.pk"):
            User.objects.find(pk__in=users)
    with pytest.raises(TypeError, match=r"is a str, not Plain: .* Pass its \.pk"):
        Plain.objects.get(Plain(id="x"))


def test_a_lazy_object_works_as_the_object_it_wraps(alias):
    plain, other = Plain.objects.create(n=1), Plain.objects.create(n=1)
    assert plain == no(plain) == plain
    assert plain != no(other)
    assert no(plain) in [plain]
    assert no(plain) in Plain.objects.all()
    assert Plain.objects.contains(no(plain))
    assert not Todo.objects.contains(no(plain))
    plain.n = 2
    assert Plain.objects.bulk_update([no(plain)], ["n"]) == 1
    assert Plain.objects.bulk_save([no(plain)]) == 1
    assert Plain.objects.bulk_create([no(Plain(n=3))])[0].n == 3
    assert Plain.objects.get(plain.id).n == 2


def test_an_expression_in_a_counter_suggests_increment(alias):
    page = Page.objects.create(views=1)
    with pytest.raises(
        TypeError, match=r"Call increment\('views'\), or update\(views="
    ):
        page.views = F("views") + 1


def test_a_numpy_number_suggests_the_python_number(alias):
    class Int64:
        """A stand-in for numpy.int64, which is not an int."""

        def tolist(self):
            return 5

    with pytest.raises(TypeError, match=r"Int64 is not .*Store its \.tolist\(\)"):
        Plain.objects.create(a=Int64())
