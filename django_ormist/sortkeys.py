r"""Sort keys: bytes that sort as the values of ordered attributes do.

A sort key begins with a byte for the kind of value: kinds are never compared. A key is
never a prefix of another, so the rest of an index entry does not disturb the order, and
``key + b"\xff"`` is after every entry of that value, before those of the next. Equal
values of one kind have equal keys (1, 1.0, True and Decimal("1.00")), and different
ones different keys, however close and however large.
"""

import math
import struct
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from .storable import unwrap

KINDS = {
    "number": b"\x20\x21\x22",  # below zero, zero, above
    "timedelta": b"\x30",
    "date": b"\x40",
    "datetime": b"\x41",  # naive
    "aware datetime": b"\x42",
    "time": b"\x43",  # naive
    "str": b"\x50",
}
"""The first byte of each kind's keys, in the order in which kinds are sorted."""

AFTER = b"\xff"
"""A byte above the one after the key in each entry: that of the creation time."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_INT = 10_000
"""Most digits of an int that is made from a Decimal, whose exponent can be huge."""

_SHORT_BITS = 1024
_WHOLE_NUMBERS = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)

_EXACT, _MORE = b"\x00", b"\x01"


def sort_key(value: Any) -> bytes | None:
    """Return the sort key of a value. ``None``, nan and containers have none.

    str sorts by code point; int, float, bool and Decimal as numbers; naive and aware
    datetimes apart. Raises ValueError for a lone surrogate.
    """
    value = unwrap(value)
    if isinstance(value, str):
        return text_prefix(value) + b"\x00\x00"
    if isinstance(value, int | float | Decimal):
        return None if _is_nan(value) else _number(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return b"\x41" + _sortable_int((value - _EPOCH) // _MICROSECOND)
        return b"\x42" + _sortable_int((value - _EPOCH_UTC) // _MICROSECOND)
    if isinstance(value, date):
        return b"\x40" + _sortable_int(value.toordinal())
    if isinstance(value, timedelta):
        return b"\x30" + _sortable_int(value // _MICROSECOND, size=9)
    if isinstance(value, time) and value.tzinfo is None:
        since = timedelta(0, value.second, value.microsecond, 0, value.minute)
        return b"\x43" + _sortable_int(
            (since + timedelta(hours=value.hour)) // _MICROSECOND
        )
    return None


def decimal_of(value: int) -> Decimal:
    """Return an int as an exact Decimal. Almost O(digits).

    Decimal() is quadratic, and takes minutes for a million digits.
    """
    powers: dict[int, Decimal] = {}

    def power(bits: int) -> Decimal:
        if bits not in powers:
            half = bits >> 1
            powers[bits] = (
                Decimal(1 << bits)
                if bits <= _SHORT_BITS
                else _WHOLE_NUMBERS.multiply(power(half), power(bits - half))
            )
        return powers[bits]

    def convert(part: int, bits: int) -> Decimal:
        if bits <= _SHORT_BITS:
            return Decimal(part)
        half = bits >> 1
        high = part >> half
        low = part - (high << half)
        return _WHOLE_NUMBERS.fma(
            convert(high, bits - half), power(half), convert(low, half)
        )

    if value < 0:
        return convert(-value, value.bit_length()).copy_negate()
    return convert(value, value.bit_length())


def text_prefix(text: str) -> bytes:
    """Return the common prefix of the keys of all texts that start with *text*."""
    try:
        return b"\x50" + text.encode().replace(b"\x00", b"\x00\xff")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"The text {text!r} holds a lone surrogate, which no text can carry. "
            "Use valid Unicode."
        ) from error


def kind_of(key: bytes) -> str:
    """Return the kind of value of this key: a name in KINDS."""
    return next(name for name, firsts in KINDS.items() if key[:1] in firsts)


def value_of(key: bytes) -> Any:
    """Return a value that has this sort key.

    Of equal numbers it is the int if there is one, else the float, else the Decimal. An
    aware datetime is in UTC, unless UTC would be outside the years 1 to 9999.
    """
    kind, rest = kind_of(key), key[1:]
    if kind == "str":
        return rest[:-2].replace(b"\x00\xff", b"\x00").decode()
    if kind == "number":
        return _number_of(key[:1], rest)
    whole = int.from_bytes(rest, "big") - (1 << 8 * len(rest) - 1)
    if kind == "date":
        return date.fromordinal(whole)
    if kind == "time":
        return (_EPOCH + whole * _MICROSECOND).time()
    since = whole * _MICROSECOND
    if kind == "datetime":
        return _EPOCH + since
    return _moment(since) if kind == "aware datetime" else since


def _moment(since: timedelta) -> datetime:
    """Return the datetime *since* 1970, in UTC or with the largest offset."""
    try:
        return _EPOCH_UTC + since
    except OverflowError:
        offset = (timedelta(days=1) - _MICROSECOND) * (1 if since < timedelta() else -1)
        return (_EPOCH + (since + offset)).replace(tzinfo=timezone(offset))


def _number_of(sign: bytes, rest: bytes) -> int | float | Decimal:
    if sign == b"\x21":
        return 0
    if sign == b"\x20":
        size = _number_of(b"\x22", bytes(255 - byte for byte in rest))
        return size.copy_negate() if isinstance(size, Decimal) else -size
    below: float = struct.unpack(">d", rest[:8])[0]
    if rest[8:9] == _EXACT:
        return int(below) if below.is_integer() else below
    size = int.from_bytes(rest[9:17], "big") - (1 << 63)
    digits = rest[17:-1].decode()
    exact = Context(prec=len(digits) + 1500, Emin=-(10**9), Emax=10**9)
    more = Decimal(f"0.{digits}").scaleb(size, exact)
    if below != sys.float_info.max:
        more = exact.add(Decimal(below), more)
    is_whole = more.adjusted() < _LONGEST_INT and more == more.to_integral_value()
    return int(more) if is_whole else more


def _sortable_int(number: int, size: int = 8) -> bytes:
    """Return an integer of less than *size* bytes as that many sortable bytes."""
    return (number + (1 << 8 * size - 1)).to_bytes(size, "big")


def _is_nan(value: int | float | Decimal) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else value != value


def _number(value: int | float | Decimal) -> bytes:
    if value == 0:
        return b"\x21"
    if value > 0:
        return b"\x22" + _magnitude(value)
    # Copied: a context would round it, or raise.
    size = value.copy_abs() if isinstance(value, Decimal) else -value
    return b"\x20" + bytes(255 - byte for byte in _magnitude(size))


def _magnitude(value: int | float | Decimal) -> bytes:
    """Return a number above zero as the double at or below it, and the difference."""
    if isinstance(value, float):
        return struct.pack(">d", value) + _EXACT
    if isinstance(value, Decimal) and value.is_infinite():
        return struct.pack(">d", math.inf) + _EXACT
    below = _double_below(value)
    if below == value:
        return struct.pack(">d", below) + _EXACT
    return struct.pack(">d", below) + _MORE + _digits(_difference(value, below))


def _double_below(value: int | Decimal) -> float:
    """Return the largest finite double that is not above *value*."""
    try:
        nearest = float(value)
    except OverflowError:
        return sys.float_info.max
    if math.isinf(nearest):
        return sys.float_info.max
    return nearest if nearest <= value else math.nextafter(nearest, 0.0)


def _difference(value: int | Decimal, below: float) -> Decimal:
    """Return value - below, exactly. Beyond the doubles, return the value itself."""
    if below == sys.float_info.max:
        return decimal_of(value) if isinstance(value, int) else value
    if isinstance(value, int):
        return Decimal(value - int(below))
    if below == 0.0:
        return value
    # As many digits as both can have: the result is exact.
    precision = len(value.as_tuple().digits) + 1500
    exact = Context(prec=precision, Emin=-(10**9), Emax=10**9)
    return exact.subtract(value, Decimal(below))


def _digits(value: Decimal) -> bytes:
    """Return a Decimal above zero as its order of magnitude and its digits."""
    _, digits, exponent = value.as_tuple()
    size = len(digits) + int(exponent)
    text = "".join(map(str, digits))
    leading = len(text) - len(text.lstrip("0"))
    return _sortable_int(size - leading) + text.strip("0").encode() + b"\x00"


def build_entry(sort_key: bytes, created: float, pk: bytes) -> bytes | None:
    """Return the entry of an ordered attribute, if the creation time is valid.

    See keys.ordered_key(). The scripts build the same entry.
    """
    if not (created.is_integer() and 0 <= created < 2**53):
        return None
    return sort_key + int(created).to_bytes(7, "big") + pk + len(pk).to_bytes(3, "big")


def pk_of_entry(entry: bytes) -> bytes | None:
    """Return the id in an entry of an ordered attribute, if the entry is valid."""
    size = int.from_bytes(entry[-3:], "big")
    if len(entry) < size + 11:
        return None
    return entry[-3 - size : -3]
