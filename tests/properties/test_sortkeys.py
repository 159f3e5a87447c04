"""Sort keys: their bytes sort exactly as the values do."""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_ormist.sortkeys import (
    AFTER,
    KINDS,
    decimal_of,
    kind_of,
    sort_key,
    text_prefix,
    value_of,
)

decimals = st.decimals(allow_nan=False, allow_infinity=False)
close = st.integers(2**53 - 3, 2**53 + 3).flatmap(
    lambda n: st.sampled_from(
        [n, -n, float(n), Decimal(n), Decimal(n) + Decimal("0.1")]
    )
)
numbers = st.one_of(
    st.integers(),
    st.integers(-(2**1100), 2**1100),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    decimals,
    decimals.map(lambda d: float(d) if abs(d) < 10**300 else 0.5),
    close,
)
OFFSET = timedelta(days=1) - timedelta(microseconds=1)  # the largest that there is
KIND_VALUES = {
    "str": st.text(),
    "date": st.dates(),
    "datetime": st.datetimes(),
    "aware datetime": st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]),
    ),
    "time": st.times(),
    "timedelta": st.timedeltas(),
}

anything = st.one_of(numbers, *KIND_VALUES.values())


def order(a, b):
    return (a > b) - (a < b)


@given(numbers, numbers)
@example(0.1, Decimal("0.1"))
@example(2**53, 2**53 + 1)
@example(float(10**23), 10**23)
@example(2**1024, 2**1024 + 1)
@example(-(2**1024), -(2**1024) - 1)
@example(5e-324, Decimal("1E-400"))
@example(True, Decimal("1.000"))
@example(-0.0, 0)
@example(Decimal("9007199254740993.0"), 9007199254740993)
def test_numbers_sort_exactly(a, b):
    assert order(sort_key(a), sort_key(b)) == order(Fraction(a), Fraction(b))


@pytest.mark.parametrize("kind", KIND_VALUES)
@given(data=st.data())
def test_values_of_a_kind_sort_exactly(kind, data):
    a, b = data.draw(KIND_VALUES[kind]), data.draw(KIND_VALUES[kind])
    assert order(sort_key(a), sort_key(b)) == order(a, b)
    assert kind_of(sort_key(a)) == kind


@given(anything, st.binary(min_size=7, max_size=30))
def test_an_entry_sorts_between_its_value_and_the_next_one(value, behind):
    key = sort_key(value)
    assert key < key + behind[:6] < key + AFTER or behind[:1] == AFTER


@given(anything, anything)
def test_a_key_is_never_a_prefix_of_another(a, b):
    one, other = sort_key(a), sort_key(b)
    assert one == other or not other.startswith(one)


@given(st.text(max_size=3), st.text())
def test_a_prefix_range_covers_exactly_the_texts_that_start_with_it(start, text):
    low = text_prefix(start)
    assert (low <= sort_key(text) < low + AFTER) == text.startswith(start)


def test_datetimes_at_the_ends_of_the_calendar_sort_exactly():
    offsets = [timezone(thirds * OFFSET / 3) for thirds in range(-3, 4)]
    ends = [
        end.replace(tzinfo=o) for end in (datetime.min, datetime.max) for o in offsets
    ]
    for a in ends:
        for b in ends:
            assert order(sort_key(a), sort_key(b)) == order(a, b)


def test_infinities_sort_at_the_ends():
    values = [-math.inf, -(10**400), -1e308, -5e-324, 0, 5e-324, 1e308, 10**400]
    keys = [sort_key(value) for value in [*values, Decimal("Infinity")]]
    assert keys == sorted(keys)
    assert sort_key(math.inf) == sort_key(Decimal("Infinity"))
    assert sort_key(-math.inf) == sort_key(Decimal("-Infinity"))


def test_a_decimal_with_an_enormous_exponent_is_not_expanded():
    tiny, huge = Decimal("1E-999999"), Decimal("1E+999999")
    keys = [sort_key(v) for v in (-huge, -1, -tiny, 0, tiny, 5e-324, huge)]
    assert keys == sorted(keys)
    assert max(map(len, keys)) < 40


@pytest.mark.parametrize(
    "value",
    [
        None,
        math.nan,
        Decimal("NaN"),
        Decimal("sNaN"),
        b"x",
        [1],
        {"a": 1},
        time(1, tzinfo=UTC),
    ],
)
def test_a_value_without_an_order_has_no_key(value):
    assert sort_key(value) is None


def test_kinds_of_values_sort_separately():
    values = [5, timedelta(5), date(2020, 1, 1), datetime(2020, 1, 1), "5"]
    keys = [sort_key(value) for value in values]
    assert keys == sorted(keys)
    assert {kind_of(key) for key in keys} < set(KINDS)


def test_a_lone_surrogate_is_refused():
    with pytest.raises(ValueError, match="lone surrogate"):
        sort_key("\ud800")


@given(anything)
@example(float("inf"))
@example(Decimal("-Infinity"))
@example(Decimal("1E-400"))
@example(Decimal("1E+100000"))
@example(Decimal("-461505916293413.53958020916954"))
@example(datetime.min.replace(tzinfo=timezone(OFFSET)))
@example(datetime.max.replace(tzinfo=timezone(-OFFSET)))
def test_a_value_can_be_recovered_from_its_key(value):
    key = sort_key(value)
    if key is not None:
        again = value_of(key)
        assert again == value
        assert sort_key(again) == key


@given(st.integers(-(2**20_000), 2**20_000))
@example(10**5000)
@example(-(10**5000) + 1)
@example(1 << 1024)
@example((1 << 4096) - 1)
def test_an_int_of_any_size_is_the_decimal_of_the_same_value(number):
    assert decimal_of(number) == Decimal(number)
    assert decimal_of(number).as_tuple().exponent == 0
