"""Checks of the arguments of field() and ref()."""

from collections.abc import Iterable, Mapping
from typing import Any

_INSTEAD = {
    "max_length": "an annotation: Annotated[str, MaxLengthValidator(...)]",
    "max_digits": "an annotation: Annotated[Decimal, DecimalValidator(...)]",
    "null": "an annotation: int | None",
    "unique": "Meta.unique",
    "db_index": "Meta.index_attrs",
    "primary_key": "no field: every object has an id",
}
"""Arguments of Django's fields, and what to write in place of them."""


def refuse_unknown(unknown: Iterable[str]) -> None:
    """Raise TypeError for arguments that a field does not take."""
    for name in unknown:
        hint = f" Write {_INSTEAD[name]}." if name in _INSTEAD else ""
        raise TypeError(f"A declared attribute takes no argument {name!r}.{hint}")


def check_validators(validators: Any) -> list[Any]:
    """Return the validators as a list. Raises TypeError."""
    if callable(validators) or not isinstance(validators, Iterable):
        raise TypeError(f"validators is a list of functions, not {validators!r}.")
    return list(validators)


def check_choices(choices: Any) -> Any:
    """Return the choices as pairs. A group is a pair of its label and its pairs.

    Raises TypeError unless they are pairs, a dict or an Enum.
    """
    if choices is None:
        return None
    return [
        (value, [*map(_check_pair, _pairs(label))])
        if isinstance(label, Mapping | list | tuple)
        else (value, label)
        for value, label in map(_check_pair, _pairs(choices))
    ]


def _pairs(choices: Any) -> Iterable[Any]:
    given = getattr(choices, "choices", choices)
    if isinstance(given, Mapping):
        return given.items()
    return given if isinstance(given, Iterable) else [given]


def _check_pair(pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(
            f"choices are pairs of a value and a label, not {pair!r}. Declare a "
            "Literal for values without labels."
        )
    return pair[0], pair[1]
