"""The state of an instance for Django and for pickle."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from ..codecs import Deadline
from ..exceptions import NotSupportedError

if TYPE_CHECKING:
    from .peers import Peers

VERSION = 1
"""The version of pickled states. Raise it if a name is removed or changes meaning."""

_MARK = "django_ormist"

PICKLED = {
    "_tags": "tags",
    "_expire_at_ms": "expire_at_ms",
    "_packed": "packed",
    "_using": "using",
}
"""Attributes of a ModelState by the names under which they are pickled."""

PICKLED_COUNTERS = ("_counters", "_assigned")
"""The names under which a CountersState is pickled in addition."""


class ModelState:
    """The state of an instance besides its id and attributes, as Django's ``_state``.

    packed: the bytes under the id that were last read from the alias *using*, or
    written to it. None if the object is not stored. A save sends the changes since
    these bytes, so they are set together with the contents and the alias, and only by
    mark_stored(), by reading, and by mark_unsaved().

    is_id_random: whether the id was drawn for an object that was never stored. Then no
    other client can store an object under it.

    tags, expire_at_ms: the explicit tags, and the deadline or lifetime. They may have
    unsaved changes. counters: the values last read or assigned. assigned: the names of
    counters assigned since then. Models without counters share both, which stay empty.

    peers: the link to the objects that were read with this one, if any. created_us: the
    creation time in microseconds, if it was loaded. Neither is pickled or copied.
    """

    # There is no __init__(), which would take longer than all the rest.
    __slots__ = (
        *("created_us", "expire_at_ms", "is_id_random", "packed", "peers", "tags"),
        "using",
    )

    tags: list[str]
    expire_at_ms: Deadline | None
    packed: bytes | None
    using: str | None
    peers: "Peers | None"
    created_us: float | None
    is_id_random: bool
    counters: dict[str, int] = {}  # noqa: RUF012
    assigned: set[str] = set()  # noqa: RUF012

    @property
    def db(self) -> str | None:
        """The alias from which the object was read, or to which it was written."""
        return self.using

    @property
    def adding(self) -> bool:
        """Whether the object is not stored. Set it to True to copy an object."""
        return self.packed is None

    @adding.setter
    def adding(self, value: bool) -> None:
        if value:
            self.mark_unsaved()
        elif self.adding:
            raise ValueError("An object is stored by save(), not by its state.")

    def mark_stored(self, packed: bytes, using: str) -> None:
        """Mark the object as stored on the alias *using*, in these bytes."""
        if self.packed is None or self.using != using:
            self.created_us = None
        self.packed = packed
        self.using = using
        if self.assigned:
            self.assigned.clear()

    def mark_unsaved(self) -> None:
        """Mark the object as not stored."""
        self.packed = None
        self.is_id_random = False
        self.forget_creation()

    def forget_creation(self) -> None:
        """Forget the creation time, as that of another object under the same id."""
        self.created_us = None

    def to_pickle(self) -> dict[str, Any]:
        """Return the state by pickled name."""
        return {name: getattr(self, key) for name, key in PICKLED.items()}

    @classmethod
    def from_pickle(cls, pickled: dict[str, Any]) -> Self:
        """Return the state, and remove it from *pickled*."""
        state = cls()
        state.is_id_random = False
        state.peers = state.created_us = None
        for name, key in PICKLED.items():
            if name in pickled:
                setattr(state, key, pickled.pop(name))
        return state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelState):
            return NotImplemented
        return (self.adding, self.db) == (other.adding, other.db)

    def __repr__(self) -> str:
        return f"<ModelState: adding={self.adding}, db={self.db!r}>"


class CountersState(ModelState):
    """The state of an instance of a model with counters."""

    __slots__ = ("assigned", "counters")

    counters: dict[str, int]
    assigned: set[str]

    def to_pickle(self) -> dict[str, Any]:
        own = {"_counters": self.counters, "_assigned": self.assigned}
        return {**super().to_pickle(), **own}

    @classmethod
    def from_pickle(cls, pickled: dict[str, Any]) -> Self:
        state = super().from_pickle(pickled)
        # The instance may have been pickled before its model had counters.
        state.counters = pickled.pop("_counters", {})
        state.assigned = pickled.pop("_assigned", set())
        return state


class HasDict:
    """The base that gives instances a ``__dict__``."""


own_dict: Callable[[object], dict[str, Any]] = vars(HasDict)["__dict__"].__get__
"""Return the ``__dict__`` of an instance as it is."""


class ReadRow(HasDict):
    """The base of instances: what one was read from, until it is first used.

    Its ``__dict__`` is filled when that or an attribute is read, and it has no state
    until that is read. To make both for each object of a list would take twice as long
    as all else that makes an instance.
    """

    __slots__ = ("_read_row",)

    _read_row: "ReadColumns"


ReadColumns = tuple[
    bytes,  # the id
    bytes,  # the packed bytes
    dict[str, Any],  # the attributes
    list[str],  # the tags
    "ReadFacts",
]

ReadFacts = tuple[
    dict[str, int] | None,  # the counters, if declared
    int | None,  # the deadline in ms
    str,  # the alias
    "Peers | None",
]
"""Most objects of a result share one: each item of a row takes time."""


def filled_dict(instance: ReadRow) -> dict[str, Any]:
    """Return the ``__dict__`` with the id and the attributes that were read."""
    own = own_dict(instance)
    if "id" not in own and hasattr(instance, "_read_row"):
        take_contents(instance)
    return own


set_read_row: Callable[[ReadRow, Any], None] = vars(ReadRow)["_read_row"].__set__
"""Set what an instance was read from, without its ``__setattr__()``."""


def take_contents(instance: ReadRow) -> dict[str, Any]:
    """Set the attributes and the id that were read, and return the attributes.

    Raises AttributeError if it was not read, as while it is unpickled.
    """
    pk, _, attrs, *_ = instance._read_row
    own = own_dict(instance)
    own.setdefault("attrs", attrs)  # another thread may have done it
    own.setdefault("id", pk.decode())
    found: dict[str, Any] = own["attrs"]
    return found


def read_state(instance: ReadRow) -> ModelState:
    """Return the state, made of the row that was read.

    Raises AttributeError if it was not read, as while it is unpickled.
    """
    _, packed, _, tags, (counters, deadline, using, peers) = instance._read_row
    if counters is None:
        state = ModelState()
    else:
        state = CountersState()
        state.counters, state.assigned = counters, set()
    state.tags, state.expire_at_ms = tags, deadline
    state.packed, state.using, state.peers = packed, using, peers
    state.is_id_random, state.created_us = False, None
    made: ModelState = filled_dict(instance).setdefault("_state", state)  # or another's
    return made


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
            f"state is {version}, not {VERSION}. Load it from the server again."
        )
    return state
