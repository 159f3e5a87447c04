"""What an instance says of itself to Django and to pickle."""

from typing import Any, NamedTuple

from ..exceptions import NotSupportedError

VERSION = 1
"""Of what is pickled: raised with a name in it that goes or changes its meaning."""

_MARK = "django_ormist"


class ModelState(NamedTuple):
    """Django's ``_state``: whether the object was never stored, and its alias."""

    adding: bool
    db: str | None


def marked(state: dict[str, Any]) -> dict[str, Any]:
    """What to pickle of an instance or a collection."""
    return {**state, _MARK: VERSION}


def unmarked(kind: type, pickled: dict[str, Any]) -> dict[str, Any]:
    """The state that was pickled. NotSupportedError if another version did it."""
    state = dict(pickled)
    version = state.pop(_MARK, None)
    if version != VERSION:
        raise NotSupportedError(
            f"This {kind.__name__} was pickled by a version of django_ormist whose "
            f"state is {version}, not {VERSION}. Get it from the server anew."
        )
    return state
