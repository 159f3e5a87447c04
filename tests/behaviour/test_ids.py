"""Ids are texts; a number and a UUID become texts, as in Django's URLs."""

import enum
from decimal import Decimal
from uuid import UUID

import pytest
from django.db.models import Q
from django.urls import path
from django.utils.functional import SimpleLazyObject

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo

ONE = UUID(int=1)


class Kind(enum.IntEnum):
    FIVE = 5


CASES = [
    (5, "5"),
    (0, "0"),
    (-3, "-3"),
    (10**30, "1" + "0" * 30),
    (Kind.FIVE, "5"),
    (ONE, str(ONE)),
    (SimpleLazyObject(lambda: 5), "5"),
    ("05", "05"),
]


@pytest.fixture(params=CASES, ids=lambda case: case[1][:8])
def case(request):
    return request.param


@pytest.mark.servers("valkey91", "fakeredis")
def test_numbers_and_uuids_are_ids_by_their_text(ask, server, case):
    given, text = case
    page = ask(Page.objects.create, "t", id=given, site="x")
    assert (page.id, page.pk) == (text, text)
    assert ask(Page.objects.get, text) == page
    find, objects = Page.objects.filter, Page.objects
    assert ask(objects.get, given) == page
    assert ask(objects.get_or_none, given) == page
    for lookup in ({"pk": given}, {"id": given}, {"pk__exact": given}):
        assert ask(objects.get, **lookup) == page
        assert ask(find(**lookup).exists)
        assert not ask(objects.exclude(**lookup).exists)
    assert ask(find(pk__in=[given, "no"]).ids) == [text]
    assert ask(find(Q(pk=given) | Q(pk="no")).count) == 1
    assert ask(find(~Q(id__in=[given])).count) == 0
    assert ask(find(pk=given, site="x").ids) == [text]
    assert ask(objects.in_bulk, [given]) == {text: page}
    assert ask(objects.get_or_create, pk=given) == (page, False)
    assert ask(objects.update_or_create, {"n": 1}, id=given) == (page, False)
    assert ask(find(pk=given).update, n=2) == 1
    with pytest.raises(ormist.IntegrityError):
        ask(objects.create, pk=given)
    assert ask(find(pk=given).delete)[0] == 1
    assert server.keys() == []


def test_an_assigned_id_is_a_text_and_makes_another_object(ask, server):
    plain = ask(Plain.objects.create, id=1)
    plain.id = 1
    assert plain._state.adding is False
    plain.pk = 2
    assert (plain.id, plain._state.adding) == ("2", True)
    assert Plain(id=5) == Plain(pk="5") == Plain(id="5", pk=5)
    with pytest.raises(ValueError, match="name one thing"):
        Plain(id=5, pk=6)


def test_a_number_in_a_url_finds_its_object(ask, server):
    ask(Plain.objects.create, id=7)
    view = path("plain/<int:pk>/", lambda request, pk: pk, name="plain")
    found = view.resolve("plain/7/")
    assert ask(Plain.objects.get, **found.kwargs).id == "7"


WRONG = [True, 5.0, Decimal(5), b"5", ("5",), ["5"], {"5": 1}, object()]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_an_invalid_id_is_refused_with_a_fix(ask, server, wrong):
    fix = "Decode it" if isinstance(wrong, bytes) else "Pass a str, an int or a UUID"
    match = f"An id of Todo is a str, not {type(wrong).__name__}.*{fix}"
    with pytest.raises(TypeError, match=match):
        ask(Todo.objects.get, wrong)
    with pytest.raises(TypeError, match=match):
        Todo.objects.filter(pk=wrong)
    with pytest.raises(TypeError, match=match):
        Todo.objects.filter(pk__in=[wrong])
    with pytest.raises(TypeError, match=match):
        Todo(id=wrong)
    with pytest.raises(TypeError, match=match):
        Todo().id = wrong
    assert server.keys() == []


@pytest.mark.parametrize("wrong", ["01", b"01", 5, ONE])
def test_a_list_of_ids_is_not_accepted_as_an_id(ask, server, wrong):
    ask(Plain.objects.bulk_create, [Plain(id=i) for i in (0, 1, 5, 48, 49)])
    with pytest.raises(TypeError, match=r"in_bulk\(\) takes a list of ids.*Pass \["):
        ask(Plain.objects.in_bulk, wrong)
    with pytest.raises(TypeError, match=r"pk__in takes a list of ids.*Pass \["):
        Plain.objects.filter(pk__in=wrong)
    with pytest.raises(TypeError, match=r"takes a list"):
        ask(City.objects.in_bulk, wrong, field_name="code")
    assert len(ask(Plain.objects.in_bulk, range(6))) == 3


def test_an_id_of_none_finds_no_object(ask, server):
    ask(Plain.objects.create, id=1)
    assert ask(Plain.objects.filter(pk=None).count) == 0
    assert ask(Plain.objects.in_bulk, [None, 1]).keys() == {"1"}
    with pytest.raises(TypeError, match="NoneType"):
        ask(Plain.objects.get, None)
