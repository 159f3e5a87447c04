"""Terms: the texts that equality compares, and their form in keys."""

import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from django_ormist import terms
from django_ormist.terms import (
    KnownSuffixes,
    attribute_term,
    encode_text,
    object_tags,
    object_terms,
    tag_term,
    term_suffix,
    term_suffixes,
    text,
)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (Colour.RED, "red"),
        (30, "30"),
        (10**30, "1" + "0" * 30),
        pytest.param(10**5000, "1" + "0" * 5000, id="more digits than repr() has"),
        pytest.param(-(10**5000) - 1, "-1" + "0" * 4999 + "1", id="below zero"),
        (
            datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
            "0001-01-01T00:00:00+05:00",
        ),
        (1.0, "1.0"),
        (True, "True"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (datetime(2026, 1, 2), "2026-01-02T00:00:00"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (
            datetime(2026, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T00:00:00+00:00",
        ),
    ],
)
def test_a_value_has_the_text_of_its_type(value, expected):
    assert text(value) == expected
    assert attribute_term("n", value) == f"n:{expected}"


@pytest.mark.parametrize("value", [b"x", [1], (1,), {}, set(), frozenset()])
def test_bytes_and_containers_have_no_text(value):
    assert text(value) is None
    assert attribute_term("n", value) is None


def test_long_terms_are_stored_as_digests_that_do_not_collide():
    short, long = "é" * 32, "é" * 33
    assert term_suffix(short) == b"t:" + short.encode()
    assert term_suffix(long)[:2] == b"h:"
    assert len(term_suffix(long)) == 34
    assert term_suffix(long) != term_suffix(long + "x")


def test_terms_are_the_tags_then_the_indexed_attributes_without_duplicates():
    attrs = {"a": 1, "b": [2], "d": 4}
    terms = object_terms(attrs, ["t", "c:1", "t"], lambda name: name != "c")
    assert terms == ["t", "c:1", "a:1", "d:4"]


def test_a_tag_that_reads_like_an_indexed_attribute_has_its_own_term():
    tag = tag_term("a:1", lambda name: name == "a")
    assert tag != attribute_term("a", 1) == "a:1"
    assert term_suffix(tag) == b"t:\xffa:1"
    assert tag_term("b:1", lambda name: name == "a") == "b:1"
    assert term_suffix(tag_term("a:" + "x" * 99, bool)) != term_suffix("a:" + "x" * 99)


def test_a_text_never_has_the_term_of_none():
    assert term_suffix(attribute_term("n", None)) == b"t:n:None"
    assert term_suffix(attribute_term("n", "None")) == b"t:\xfen:None"


@pytest.mark.parametrize("text", ["\udcffa:1", "\udcfea:None", "a\udcff"])
def test_a_storable_text_never_contains_a_mark(text):
    with pytest.raises(ValueError, match="lone surrogate"):
        encode_text(text)


def test_tags_include_texts_of_attributes_except_none():
    attrs = {"a": 1, "b": None, "c": "None", "d": [1]}
    assert object_tags(attrs, ["x", "a:1"]) == ["x", "a:1", "c:None"]


@pytest.mark.parametrize(
    "terms",
    [
        [],
        [""],
        ["home", "city:Rome"],
        ["a\0b", "home"],
        ["\0", "\0t:x"],
        ["x" * 64, "y" * 65],
        ["\u00e9" * 32, "\u00e9" * 33],
        [f"tag{number}" for number in range(200)],
    ],
)
def test_terms_together_have_the_suffixes_of_each_alone(terms):
    assert term_suffixes(terms) == (tuple(map(term_suffix, terms)), False)


@pytest.mark.parametrize(
    ("attrs", "tags"),
    [
        ({}, []),
        ({"city": "Oslo", "age": 30}, ["new", "a b"]),
        ({"age": 30, "city": "Oslo"}, ["new"]),
        ({"age": "30", "city": ""}, ["", "city"]),
        ({"wide": 10**5000, "long": "x" * 70}, ["y" * 70, "\0t", "\u00e9"]),
    ],
)
def test_known_suffixes_are_those_of_each_object(attrs, tags):
    known = KnownSuffixes()
    whole = term_suffixes(object_terms(attrs, tags, lambda name: True))[0]
    assert known.of(attrs, tags) == known.of(attrs, tags) == whole
    assert known.of({}, tags) == whole[: len(tags)]


def test_suffixes_of_equal_values_of_other_types_are_not_mixed_up():
    known = KnownSuffixes()
    assert known.of({"n": 1}, []) == (b"t:n:1",)
    for value in (True, 1.0, Decimal(1), None):
        assert known.of({"n": value}, []) is None
    assert known.of({"n": "1", "m": 1}, []) == (b"t:n:1", b"t:m:1")


def test_terms_that_may_have_a_mark_are_not_known():
    known = KnownSuffixes()
    assert known.of({"n": "None"}, []) is None
    assert known.of({}, ["n:1"]) is None


def test_no_more_suffixes_are_kept_than_some(monkeypatch):
    monkeypatch.setattr(terms, "MOST_KNOWN", 2)
    known = KnownSuffixes()
    for number in range(9):
        found = known.of({"n": number, "m": number}, [str(number)])
        assert found == tuple(f"t:{s}{number}".encode() for s in ("", "n:", "m:"))
        assert max(len(known._by_tag), len(known._by_value)) <= 2
