"""Types that the formats lack: each value becomes a name and a body of plain values."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)

SETS = frozenset(("set", "frozenset"))
"""The names whose body is the set itself: the codec packs and sorts its members."""


class PairList(list[Any]):
    """The items of a dict with keys other than str: key, value, key, value."""


def encode_extension(value: Any) -> tuple[str, Any]:
    """Return the name and body of a value of an extension type.

    Raises TypeError with the name of any other type.
    """
    if isinstance(value, datetime):
        if value.tzinfo is UTC:
            return "utc", (value - EPOCH_UTC) // MICROSECOND
        wall = (value.replace(tzinfo=None) - _EPOCH) // MICROSECOND
        return "datetime", [wall, value.fold, _zone(value)]
    if isinstance(value, date):
        return "date", value.toordinal()
    if isinstance(value, time):
        plain = value.replace(tzinfo=None, fold=0).isoformat()
        return "time", [plain, value.fold, _zone(value)]
    if isinstance(value, timedelta):
        return "timedelta", [value.days, value.seconds, value.microseconds]
    if isinstance(value, Decimal):
        return "decimal", Decimal.__str__(value)
    if isinstance(value, UUID):
        return "uuid", value.hex
    if isinstance(value, PairList):
        return "dict", list(value)
    if isinstance(value, tuple):
        return "tuple", list(value)
    if isinstance(value, frozenset | set):
        return "frozenset" if isinstance(value, frozenset) else "set", value
    if isinstance(value, int) and not isinstance(value, bool):
        return "int", f"{value:x}"
    raise TypeError(type(value).__name__)


def _zone(value: datetime | time) -> Any:
    """Return None (naive), the key of a ZoneInfo, or an offset in microseconds."""
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        return value.tzinfo.key
    offset = value.utcoffset()
    return None if offset is None else offset // MICROSECOND


@lru_cache(maxsize=512)
def _tzinfo(zone: str | int | None) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        try:
            return ZoneInfo(zone)
        except (LookupError, OSError, ValueError):
            # Python's own error does not escape the name for a terminal or a log.
            raise ValueError(f"There is no time zone {zone!r}.") from None
    return timezone(timedelta(microseconds=zone)) if zone else UTC


def _datetime(body: Any) -> datetime:
    wall, fold, zone = body
    naive = _EPOCH + timedelta(microseconds=wall)
    return naive.replace(fold=fold, tzinfo=_tzinfo(zone))


def _time(body: Any) -> time:
    plain, fold, zone = body
    return time.fromisoformat(plain).replace(fold=fold, tzinfo=_tzinfo(zone))


def _dict(body: list[Any]) -> dict[Any, Any]:
    return dict(zip(body[::2], body[1::2], strict=True))


BUILDERS: dict[str, Callable[[Any], Any]] = {
    "utc": lambda body: EPOCH_UTC + timedelta(microseconds=body),
    "datetime": _datetime,
    "date": date.fromordinal,
    "time": _time,
    "timedelta": lambda body: timedelta(body[0], body[1], body[2]),
    "decimal": Decimal,
    "uuid": lambda body: UUID(hex=body),
    "dict": _dict,
    "tuple": tuple,
    "frozenset": frozenset,
    "set": set,
    "int": lambda body: int(body, 16),
}
"""Functions that build the value from the body."""

_PLAIN_TYPES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__pos__),
    (float, float.__pos__),
    (dict, dict),
    (list, list),
    (bytes, lambda each: bytes(memoryview(each))),
)


def plain_value(value: Any) -> Any:
    """Return an instance of a subclass of a plain type as that type.

    Raises TypeError with the name of any other type.
    """
    for kind, convert in _PLAIN_TYPES:
        if isinstance(value, kind) and type(value) is not kind:
            return convert(value)
    raise TypeError(type(value).__name__)
