"""The state of an instance for Django and for pickle."""

from typing import TYPE_CHECKING, Any

from ..exceptions import NotSupportedError

if TYPE_CHECKING:
    from .base import Model

VERSION = 1
"""Of what is pickled: raised with a name in it that goes or changes its meaning."""

_MARK = "django_ormist"


class ModelState:
    """Django's ``_state``: whether the object is new, and its alias."""

    __slots__ = ("_instance",)

    def __init__(self, instance: "Model") -> None:
        self._instance = instance

    @property
    def adding(self) -> bool:
        """Whether the object is not stored. Set it to True to copy an object."""
        return self._instance._packed is None

    @adding.setter
    def adding(self, value: bool) -> None:
        if value:
            self._instance._forget()
        elif self.adding:
            raise ValueError("An object is stored by save(), not by its state.")

    @property
    def db(self) -> str | None:
        """The alias that the object was loaded from or stored to."""
        return self._instance._using

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelState):
            return NotImplemented
        return (self.adding, self.db) == (other.adding, other.db)

    def __repr__(self) -> str:
        return f"<ModelState: adding={self.adding}, db={self.db!r}>"


def add_version(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state to pickle, marked with the version."""
    return {**state, _MARK: VERSION}


def remove_version(kind: type, pickled: dict[str, Any]) -> dict[str, Any]:
    """Return the pickled state. NotSupportedError if it is of another version."""
    state = dict(pickled)
    version = state.pop(_MARK, None)
    if version != VERSION:
        raise NotSupportedError(
            f"This {kind.__name__} was pickled by a version of django_ormist whose "
            f"state is {version}, not {VERSION}. Get it from the server anew."
        )
    return state
