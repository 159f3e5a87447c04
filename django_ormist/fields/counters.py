"""CounterField: a declared counter."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator

from ..validators import HIGHEST_COUNTER, LOWEST_COUNTER
from .field import MISSING, Field
from .types import Scalar, Validated


class CounterField(Field):
    """A declared counter of Meta.counters. Its bounds are kept by the server."""

    def resolve(self) -> None:
        super().resolve()
        kind = self.type.inner if isinstance(self.type, Validated) else self.type
        if not (isinstance(kind, Scalar) and kind.kind is int):
            raise self._error(f"a counter is an int, not {self.type.text}")
        if self._factory is not None or self._stored_default not in (MISSING, 0):
            raise self._error("a counter begins at 0. Remove its default")
        if self._choices is not None:
            raise self._error("a counter has no choices")
        for each in self.all_validators:
            if type(each) not in (MinValueValidator, MaxValueValidator):
                raise self._error(
                    "the server keeps no other bounds of a counter than those of "
                    f"MinValueValidator and MaxValueValidator. Remove {each!r}"
                )

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """The lowest and the highest value, if there are."""
        low, high = self._limits(MinValueValidator), self._limits(MaxValueValidator)
        return max(low, default=None), min(high, default=None)

    def _limits(self, kind: type) -> list[int]:
        own: list[Any] = [each for each in self.all_validators if type(each) is kind]
        limits = [each.limit_value for each in own]
        return [each() if callable(each) else each for each in limits]

    def formfield(self, form_class: Any = None, **options: Any) -> Any:
        low, high = self.bounds
        own = {
            "required": False,
            "initial": 0,
            "show_hidden_initial": True,  # others may increment it meanwhile
            "min_value": LOWEST_COUNTER if low is None else low,
            "max_value": HIGHEST_COUNTER if high is None else high,
        }
        return super().formfield(form_class, **{**own, **options})

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return instance._state.counters.get(self.attname, 0)

    def __set__(self, instance: Any, value: Any) -> None:
        instance._set_counter(self.attname, value)
