"""Records that keep the index entries of others, without building them."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from django_ormist.codecs import pack
from django_ormist.flows.record import Record
from tests.models import City, User

VALUES = (
    *(None, "None", "", "1", "a:1", 1, True, 1.0, 0.0, -0.0, float("nan")),
    *(Decimal("1"), Decimal("1.0"), b"1", [1], datetime(2026, 1, 1, tzinfo=UTC)),
)
NAMES = ("country", "population", "slug")
"""An indexed attribute, an ordered one, and one of two that are unique together."""


def city(tags=(), **attrs):
    return Record({"code": "x", **attrs}, list(tags), None)


def entries(record):
    packed = pack(record.attrs, record.tags)
    return record.stored_image(packed, City._meta)._replace(packed=b"")


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_keeps_the_entries_of_another_has_the_same_ones(name):
    for mine, other in product(VALUES, VALUES):
        new, old = city(**{name: mine}), city(**{name: other})
        if new.has_entries_of(old, City._meta):
            assert entries(new) == entries(old)


@pytest.mark.parametrize("value", [None, "", "1", 1, True])
def test_a_record_keeps_entries_if_only_an_attribute_without_index_changes(value):
    old = city(["t"], country=value, mayor="a")
    assert city(["t"], country=value, mayor="b").has_entries_of(old, City._meta)
    assert city(["t"], country=value).has_entries_of(old, City._meta)


def test_a_record_that_adds_or_removes_an_indexed_value_keeps_no_entries():
    with_none, without = city(country=None), city()
    assert not with_none.has_entries_of(without, City._meta)
    assert not without.has_entries_of(with_none, City._meta)


def test_other_tags_and_tags_that_read_like_attributes_keep_no_entries():
    assert not city(["a"]).has_entries_of(city(["b"]), City._meta)
    assert not city(["a:1"]).has_entries_of(city(["a:1"]), City._meta)


def test_a_model_whose_attributes_are_all_indexed_keeps_no_entries():
    assert not city().has_entries_of(city(), User._meta)
