"""Methods of Django's QuerySet, and the results and errors of ours."""

import inspect
from decimal import Decimal

import pytest
from django.db.models import Avg, Count, F, Manager, Max, Min, Model, Q, QuerySet, Sum
from django.db.models import Value as V

import django_ormist as ormist
from django_ormist.models.values import ValuesCollection
from tests.models import City, Page, Plain, Todo, User

OURS = {QuerySet: (ormist.Collection, ValuesCollection), Manager: (ormist.Manager,)}
OURS[Model] = (ormist.Model,)

# Its SQL tables have parents, and ours takes another option.
OTHERWISE = {"save", "asave", "delete", "adelete"}


def pairs():
    """Return each public method of Django's that ours have, too."""
    for theirs, owners in OURS.items():
        for owner in owners:
            for name in dir(theirs):
                method, own = getattr(theirs, name), getattr(owner, name, None)
                is_public = not name.startswith("_") and name not in OTHERWISE
                if is_public and inspect.isfunction(method) and own:
                    yield pytest.param(method, own, id=f"{owner.__name__}.{name}")


def by_name(method):
    """Return the arguments that are passed by name, with their defaults."""
    return {
        each.name: (each.kind is each.KEYWORD_ONLY, each.default)
        for each in inspect.signature(method).parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        and each.name != "self"
    }


@pytest.mark.parametrize(("theirs", "ours"), list(pairs()))
def test_arguments_have_the_names_and_defaults_of_django(theirs, ours):
    name, mine = theirs.__name__, by_name(ours)
    for argument, (is_by_name, default) in by_name(theirs).items():
        assert argument in mine, name
        expected = None if name == "aiterator" else default
        assert mine[argument] == (is_by_name, expected), name


@pytest.fixture
def cities(alias):
    return [
        City.objects.create(code=code, name=name, population=number)
        for code, name, number in [("b", "Bern", 3), ("z", "Zug", 1), ("c", "Cham", 2)]
    ]


def test_explain_refuses_formats_and_options(ask, cities):
    for collection in (City.objects, City.objects.all(), City.objects.values("name")):
        assert ask(collection.explain, format=None) == ask(collection.explain)
        with pytest.raises(ValueError, match="YAML is not a recognized format"):
            ask(collection.explain, format="YAML")
        with pytest.raises(ValueError, match="Unknown options: analyze, verbose"):
            ask(collection.explain, verbose=True, analyze=True)


def test_iterator_accepts_a_chunk_size_of_none(cities):
    for collection in (City.objects, City.objects.all(), City.objects.values("name")):
        assert list(collection.iterator(None)) == list(
            collection.iterator(chunk_size=2)
        )
        assert len(list(collection.iterator(chunk_size=None))) == 3


@pytest.mark.parametrize("wrong", [0, -1])
def test_iterator_refuses_a_chunk_size_at_once(wrong):
    for collection in (City.objects, City.objects.all(), City.objects.values("name")):
        with pytest.raises(ValueError, match="strictly positive"):
            collection.iterator(chunk_size=wrong)


def test_in_bulk_of_values_gives_rows(ask, cities):
    one, two, three = (city.id for city in cities)
    assert ask(City.objects.values("name").in_bulk, [one, three, "none"]) == {
        one: {"name": "Bern"},
        three: {"name": "Cham"},
    }
    names = City.objects.order_by("name").values_list("name", flat=True)
    assert ask(names.in_bulk) == {one: "Bern", three: "Cham", two: "Zug"}
    assert list(ask(names.in_bulk)) == [one, three, two]
    pairs = City.objects.values_list("name", "population")
    assert ask(pairs.in_bulk, ["z", "b"], field_name="code") == {
        "b": ("Bern", 3),
        "z": ("Zug", 1),
    }
    rows = City.objects.values_list("name", named=True)
    assert ask(rows.in_bulk, [two])[two].name == "Zug"
    assert ask(names.in_bulk, []) == {}
    assert ask(City.objects.values("name").distinct().in_bulk) == {
        city.id: {"name": city.name} for city in cities
    }
    pages = ask(Page.objects.create, views=3)
    assert ask(Page.objects.values("views").in_bulk) == {pages.id: {"views": 3}}


def test_in_bulk_refuses_slices_and_names_that_are_not_unique(ask, cities):
    for collection in (City.objects.all(), City.objects.values("name")):
        for ids in (None, [cities[0].id], []):
            with pytest.raises(TypeError, match="Cannot use 'limit' or 'offset'"):
                ask(collection[:2].in_bulk, ids)
        with pytest.raises(ValueError, match="must be a unique field but 'name'"):
            ask(collection.in_bulk, ["Bern"], field_name="name")


def test_totally_ordered_is_false_only_for_a_random_order(cities):
    for collection in (City.objects.all(), City.objects.values("name")):
        assert collection.totally_ordered
        assert collection.order_by("name").reverse()[:2].totally_ordered
        assert not collection.order_by("?").totally_ordered
        assert not collection.order_by("name", "?").totally_ordered
        assert collection.order_by("?").ordered


def test_callables_of_get_or_create_are_called_only_if_needed(ask, alias):
    called = []

    def text():
        called.append(1)
        return "new"

    todo, is_new = ask(Todo.objects.get_or_create, {"text": text}, id="one")
    assert (todo.text, is_new, called) == ("new", True, [1])
    assert ask(Todo.objects.get_or_create, {"text": text}, id="one") == (todo, False)
    assert called == [1]
    ask(Todo.objects.update_or_create, {"text": "x"}, {"text": text}, id="one")
    assert called == [1]
    ask(Todo.objects.update_or_create, {"text": text}, {"text": "x"}, id="one")
    assert called == [1, 1]


@pytest.mark.parametrize("by", [2, 2.5, Decimal("0.1")])
def test_increment_counts_none_as_zero(ask, alias, by):
    plain = ask(Plain.objects.create, n=None)
    assert ask(plain.increment, "n", by) == by
    assert ask(Plain.objects.get, plain.id).n == by
    assert ask(Plain.objects.all().update, m=F("m") + by) == 1
    assert ask(Plain.objects.get, plain.id).m is None


def test_bulk_update_changes_and_counts_only_matches(ask, is_sound):
    users = [User(id=f"u{i}", n=i, team="ab"[i % 2]) for i in range(6)]
    ask(User.objects.bulk_create, users)
    for user in users:
        user.n += 10
    assert ask(User.objects.find(team="a").bulk_update, users, ["n"]) == 3
    assert ask(User.objects.none().bulk_update, users, ["n"]) == 0
    assert [user.n for user in User.objects.all()] == [10, 1, 12, 3, 14, 5]
    absent = User(id="absent", n=1)
    assert ask(User.objects.bulk_update, [*users, absent], ["n"], batch_size=4) == 6
    assert ask(User.objects.bulk_update, users, ["n"]) == 6  # of the same values
    assert ask(User.objects.bulk_update, [users[0], users[0]], ["n"]) == 1
    assert ask(User.objects.bulk_update, [], ["n"]) == 0
    assert [user.n for user in User.objects.all()] == list(range(10, 16))
    with pytest.raises(TypeError, match="once a slice has been taken"):
        ask(User.objects.all()[:2].bulk_update, users, ["n"])
    assert is_sound()


def test_bulk_update_of_a_filtering_manager_respects_its_filter(ask, alias):
    class Mine(ormist.Manager):
        def get_collection(self):
            return super().get_collection().find("mine")

    class Task(ormist.TaggedModel):
        objects = Mine()

    tasks = [ask(Task.objects.create, "mine", n=1), ask(Task.objects.create, n=1)]
    for task in tasks:
        task.n = 2
    assert ask(Task.objects.bulk_update, tasks, ["n"]) == 1
    assert sorted(task.n for task in Task._base_manager.all()) == [1, 2]
    tasks[1].n = 3
    ask(tasks[1].save, update_fields=["n"])
    assert ask(Task._base_manager.get, tasks[1].id).n == 3


class Total(Sum):
    """A sum by another name, as Django allows."""

    name = "Total"


class Spread(Max):
    """An aggregate with another computation."""

    template = "MAX(%(expressions)s) - MIN(%(expressions)s)"


class Median(Avg):
    """An aggregate with another function."""

    function = "MEDIAN"


def test_an_aggregate_derived_from_djangos_is_computed(ask, cities):
    class Least(Min):
        pass

    class Number(Count):
        name = "Number"

    results = ask(
        City.objects.aggregate,
        Total("population"),
        Least("population"),
        Number("population"),
        Number("pk"),
        mean=type("Mean", (Avg,), {"name": "Mean"})("population"),
    )
    assert results == {
        "population__total": 6,
        "population__min": 1,
        "population__number": 3,
        "pk__number": 3,
        "mean": 2,
    }


@pytest.mark.parametrize("aggregate", [Spread, Median])
def test_an_aggregate_with_another_function_is_refused(cities, aggregate):
    with pytest.raises(ormist.FieldError, match="takes Django's Count, Min, Max, Sum"):
        City.objects.aggregate(aggregate("population"))


def test_the_default_of_an_aggregate_must_be_a_value(ask, alias):
    for given in (0, V(0)):
        assert ask(City.objects.aggregate, n=Sum("population", default=given)) == {
            "n": 0
        }
    for computed in (F("population"), F("population") + 1, V(1) + V(2)):
        with pytest.raises(ormist.FieldError, match="Cannot compute the default"):
            ask(City.objects.aggregate, n=Sum("population", default=computed))


def test_empty_collections_behave_as_in_django(ask, cities):
    none = City.objects.none()
    assert ask(none.delete) == (0, {})
    assert ask(none.update, name="x") == 0
    assert ask(none.aggregate, Sum("population"), Count("pk")) == {
        "population__sum": None,
        "pk__count": 0,
    }
    assert ask(none.in_bulk) == {}
    assert (ask(none.first), ask(none.last), ask(none.count)) == (None, None, 0)
    assert ask(City.objects.aggregate) == {}
    assert list(City.objects.all()[2:1]) == []
    assert [each.name for each in City.objects.all()[::-1]] == ["Cham", "Zug", "Bern"]
    with pytest.raises(City.DoesNotExist):
        ask(none.latest, "population")
    with pytest.raises(City.DoesNotExist):
        ask(none.get, Q(name="Bern"))
