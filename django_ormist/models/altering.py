"""Verbs that write: no template calls them, as none calls Django's."""

from collections.abc import Callable
from inspect import isfunction
from typing import Any, TypeVar

V = TypeVar("V", bound=Callable[..., Any])


def alters_data(verb: V) -> V:
    """Mark a verb as one that writes, in the way that Django's templates know."""
    verb.__dict__["alters_data"] = True
    return verb


class Altering:
    """Marks the verbs that a subclass has in place of marked ones."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, verb in vars(cls).items():
            if isfunction(verb) and any(
                getattr(vars(base).get(name), "alters_data", False)
                for base in cls.__mro__[1:]
            ):
                alters_data(verb)
