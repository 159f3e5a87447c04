"""The same requests to our ModelSerializer and to that of REST framework."""

import json

import pytest
from rest_framework import serializers, viewsets
from rest_framework.test import APIRequestFactory

from django_ormist.rest_framework import ModelSerializer
from tests.rest.models import Gadget, SqlGadget

pytestmark = pytest.mark.servers("valkey91")

NAMES = (
    *("code", "owner", "slot", "total", "state", "size", "note", "ends", "moment"),
    *("opens", "is_gift", "ratio", "token", "waits", "email", "secret"),
)


class GadgetSerializer(ModelSerializer):
    class Meta:
        model = Gadget
        fields = NAMES


class SqlGadgetSerializer(serializers.ModelSerializer):
    class Meta:
        model = SqlGadget
        fields = NAMES


class Gadgets(viewsets.ModelViewSet):
    queryset = Gadget.objects.all()
    serializer_class = GadgetSerializer
    authentication_classes = ()


class SqlGadgets(viewsets.ModelViewSet):
    queryset = SqlGadget.objects.all()
    serializer_class = SqlGadgetSerializer
    authentication_classes = ()


FACTORY = APIRequestFactory()


def send(view, method, data, pk=None, format="json"):
    """Return the status and the JSON of a response."""
    action = {"post": "create", "put": "update", "patch": "partial_update"}[method]
    request = getattr(FACTORY, method)("/", data, format=format)
    response = view.as_view({method: action})(request, **({"pk": pk} if pk else {}))
    return response.status_code, json.loads(response.render().content)


GOOD = {"code": "a", "owner": 1}
FULL = {
    "code": "b",
    "owner": "7",
    "slot": 3,
    "total": "12.5",
    "state": "paid",
    "size": "9",
    "note": "  trimmed ",
    "ends": "2026-02-03",
    "moment": "2026-02-03T04:05:06.000007+02:00",
    "opens": "07:30",
    "is_gift": "true",
    "ratio": "0.25",
    "token": "12345678-1234-5678-1234-567812345678",
    "waits": "1 00:00:01",
    "email": "a@b.ch",
    "secret": "ignored",
    "unknown": "ignored",
}


@pytest.fixture
def both(alias, table_of_gadgets, db):
    """Send a request to both views, and return the answer, which is the same."""

    def send_to_both(method, data, pks=(None, None), **options):
        ours = send(Gadgets, method, data, pks[0], **options)
        theirs = send(SqlGadgets, method, data, pks[1], **options)
        assert ours == theirs
        return ours

    return send_to_both


@pytest.fixture
def pks(both):
    both("post", GOOD)
    return Gadget.objects.first().pk, SqlGadget.objects.first().pk


@pytest.mark.parametrize("format", ["json", "multipart"])
def test_objects_are_created_from_the_same_data(both, format):
    status, shown = both("post", GOOD, format=format)
    assert status == 201
    assert (shown["total"], shown["state"]) == ("0.00", "open")
    status, shown = both("post", FULL, format=format)
    assert status == 201
    assert (shown["owner"], shown["note"], shown["waits"]) == (
        7,
        "trimmed",
        "1 00:00:01",
    )


WRONG = [
    {},
    {"code": "", "owner": ""},
    {"code": None, "owner": None},
    {"code": "123456789", "owner": "x"},
    GOOD | {"total": "x"},
    GOOD | {"total": "123456789.00"},
    GOOD | {"total": "1.234"},
    GOOD | {"state": "lost", "size": 0},
    GOOD | {"size": 10, "ends": "x", "moment": "x", "opens": "x"},
    GOOD | {"is_gift": "x", "ratio": "x", "token": "x", "waits": "x"},
    GOOD | {"email": "nobody", "note": [], "state": []},
    GOOD | {"note": None, "size": None, "state": None, "total": None},
    GOOD | {"code": "a\0b"},
]


@pytest.mark.parametrize("data", WRONG)
def test_wrong_data_has_the_same_errors(both, data):
    status, errors = both("post", data)
    assert status == 400
    assert errors
    assert Gadget.objects.count() == 0


def test_not_a_dict_has_the_same_error(both):
    assert both("post", ["x"])[0] == 400


@pytest.mark.parametrize("method", ["put", "patch"])
def test_updates_answer_the_same(both, pks, method):
    assert both(method, FULL, pks)[0] == 200
    assert Gadget.objects.get().size == 9
    assert both(method, {"size": 4}, pks)[0] == (200 if method == "patch" else 400)


def test_unique_values_have_the_same_errors(both, pks):
    assert both("post", GOOD | {"owner": 2})[1] == {
        "code": ["gadget with this code already exists."]
    }
    assert both("post", {"code": "z", "owner": 1})[1] == {
        "non_field_errors": ["The fields owner, slot must make a unique set."]
    }
    assert both("post", {"code": "z", "owner": 1, "slot": 1})[0] == 201
    assert both("patch", {"slot": 1}, pks)[0] == 400
    assert both("patch", {"code": "z"}, pks)[0] == 400
    assert both("patch", {"code": "a", "slot": 0}, pks)[0] == 200


def test_the_fields_have_the_same_arguments():
    """But for our own classes, and for the text area of a TextField."""
    ours, theirs = GadgetSerializer().fields, SqlGadgetSerializer().fields
    for name in NAMES:
        one, other = ours[name], theirs[name]
        assert isinstance(one, type(other)), name
        assert one.label == other.label, name
        assert one.help_text == other.help_text, name
        for argument in ("required", "allow_null", "read_only", "max_length"):
            assert getattr(one, argument, 0) == getattr(other, argument, 0), name
        for argument in ("allow_blank", "max_digits", "decimal_places", "choices"):
            assert getattr(one, argument, 0) == getattr(other, argument, 0), name
    # SQLite limits the other ints to 64 bits.
    assert (ours["size"].min_value, ours["size"].max_value) == (1, 9)
    assert (theirs["size"].min_value, theirs["size"].max_value) == (1, 9)
