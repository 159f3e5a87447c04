"""The id of an object, equality, state, copies and pickles."""

import pickle

import pytest

from django_ormist.models.state import ModelState
from tests.models import City, Page, Plain, Todo, Token


def test_a_generated_id_has_the_length_in_meta():
    assert len(Plain().id) == 16
    assert Token().id.isalnum()
    assert len(Token().id) == 32
    assert len({Plain().id for _ in range(1000)}) == 1000


@pytest.mark.parametrize("name", ["id", "pk"])
def test_an_id_can_be_chosen(name):
    assert Plain(**{name: "a:b*"}).pk == "a:b*"


def test_two_different_ids_are_refused():
    assert Plain(id="a", pk="a").id == "a"
    with pytest.raises(ValueError, match="id='a' and pk='b' name one thing"):
        Plain(id="a", pk="b")


def test_an_empty_id_is_refused():
    with pytest.raises(ValueError, match="cannot be empty"):
        Plain(id="")


@pytest.mark.parametrize("pk", [True, b"x", 1.5])
def test_an_id_is_a_text(pk):
    with pytest.raises(TypeError, match="is a str"):
        Plain(id=pk)


def test_equality_and_hash_are_by_class_and_id():
    assert Plain(id="x") == Plain(id="x", a=1)
    assert Plain(id="x") != Todo(id="x")
    assert Plain(id="x") != "x"
    assert len({Plain(id="x"), Plain(id="x"), Plain(id="y")}) == 2


def test_state_has_the_attributes_of_djangos(ask, alias):
    plain = Plain()
    assert (plain._state.adding, plain._state.db) == (True, None)
    ask(plain.save)
    assert (plain._state.adding, plain._state.db) == (False, "default")
    with pytest.raises(AttributeError):
        plain._state.db = "other"  # its bytes are those of "default"


def test_assigning_an_id_makes_another_object(ask, alias):
    plain = ask(Plain.objects.create, id="one", a=1)
    plain.pk = "two"
    ask(plain.save)
    assert sorted(ask(Plain.objects.ids)) == ["one", "two"]


def test_an_object_is_copied_as_django_documents(ask, server):
    city = ask(City.objects.create, "old", name="Bern")
    first = city.id
    assert repr(city._state) == "<ModelState: adding=False, db='default'>"
    city.pk = None
    city._state.adding = True
    ask(city.save)
    assert city.id != first
    assert ask(City.objects.find("old", name="Bern").count) == 2
    assert not city._state.adding
    with pytest.raises(ValueError, match="stored by save"):
        City()._state.adding = False


def test_a_pickle_from_before_counters_can_be_read(ask, server):
    first, second = Page.__new__(Page), Page.__new__(Page)
    for each in (first, second):
        pickled = pickle.loads(pickle.dumps(ask(Page.objects.create).__getstate__()))
        del pickled["_counters"], pickled["_assigned"]
        each.__setstate__(pickled)
    first.views = 3
    shared = ModelState.counters, ModelState.assigned
    assert (second.views, *shared) == (0, {}, set())
    second.text = "only this"
    ask(second.save)
    assert ask(Page.objects.get, second.id).views == 0
