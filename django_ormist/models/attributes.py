"""Attribute access of instances: attributes, counters, tags and expiration time."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from ..deadlines import Expire, remaining_ms, to_datetime, to_deadline
from ..flows.clean import clean_counter
from ..flows.guards import Guard
from ..flows.record import Record
from ..queries.query import CREATED
from ..validators import validate_set, validate_tags
from .creation import creation_time
from .options import Options
from .state import ModelState, ReadRow, own_dict, read_state, take_contents
from .tags import Tags
from .unsupported import MODEL, missing_name
from .writing import alters_data

if TYPE_CHECKING:
    pass


class AttributeAccess(ReadRow):
    """The base of Model with the names that an instance gets, sets and deletes.

    Every name that the class does not define, and that does not begin with ``_``, is an
    attribute of the object, or a counter. Without an attribute ``created``, that is the
    creation time.
    """

    attrs: dict[str, Any]
    _state: ModelState
    _meta: ClassVar[Options]
    _guard: Guard | None = None

    def __getattr__(self, name: str) -> Any:
        meta = self._meta
        if name in meta.own_names:
            if name == "attrs":
                return take_contents(self)
            if name == "_state":
                return read_state(self)
            return object.__getattribute__(self, name)  # a property that raised
        if name[:2] == "__" == name[-2:]:  # a protocol of Python's, not an attribute
            raise missing_name(type(self).__name__, name, {})
        own = own_dict(self)
        attrs = own["attrs"] if "attrs" in own else take_contents(self)
        if name in attrs and name not in meta.counters:
            return attrs[name]
        if name in meta.counters:
            return self._state.counters.get(name, 0)
        if name in meta.fields_by_name:
            raise meta.fields_by_name[name].absent_error(self)
        if name == CREATED and not meta.created_is_attribute:
            return creation_time(self)
        raise missing_name(type(self).__name__, name, MODEL)

    def __setattr__(self, name: str, value: Any) -> None:
        meta = self._meta
        if name in meta.counters:
            self._set_counter(name, value)
        elif name in meta.own_setters or (
            name[:1] == "_" and name not in meta.private_names
        ):
            object.__setattr__(self, name, value)
        elif name in meta.own_names or meta.declared_only:
            raise AttributeError(meta.refusal(name))
        else:
            self.attrs[name] = value

    def __delattr__(self, name: str) -> None:
        meta = self._meta
        name = meta.stored_name(name)
        if name in self.__dict__ and name not in meta.private_names:
            object.__delattr__(self, name)  # its own, or what a cached_property kept
        elif name in meta.own_names:
            raise AttributeError(meta.refusal(name))
        elif name in self.attrs:
            del self.attrs[name]
        else:
            raise missing_name(type(self).__name__, name, {})

    def __dir__(self) -> Iterable[str]:
        return sorted({*super().__dir__(), *self.attrs, *self._meta.counters})

    def _set_attributes(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Set attributes, all or nothing, and return the values of properties.

        Counters are not among them. Raises AttributeError for other names.
        """
        meta = self._meta
        if meta.are_plain(tuple(attrs)):
            self.attrs.update(attrs)
            return {}
        own = {n: attrs[n] for n in attrs if n in meta.own_setters and n[:1] != "_"}
        plain = {name: attrs[name] for name in attrs if name not in own}
        for name in plain:
            why = meta.refusal(name)
            if why is not None:
                raise AttributeError(why)
        self.attrs.update(plain)
        for name in filter(meta.declares, own):
            object.__setattr__(self, name, own[name])
        return {name: own[name] for name in own if not meta.declares(name)}

    def _set_counter(self, name: str, value: Any) -> None:
        state = self._state
        state.counters[name] = clean_counter(self._meta, name, value)
        state.assigned.add(name)

    @property
    def tags(self) -> list[str]:
        """The explicit tags, then ``name:text`` of each indexed attribute.

        Changes of this list, and assigning a list, change the explicit tags. Removing
        the text of an attribute is a ValueError.
        """
        return Tags(self, has_attributes=True)

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        if isinstance(value, Tags) and value.belongs_to(self) and value == self.tags:
            return  # as after tags += [...], which has changed them
        own = set(Record(self.attrs, [], None).all_tags(self._meta))
        given = validate_tags(type(self), value)
        self._state.tags = [tag for tag in given if tag not in own]

    @property
    def own_tags(self) -> list[str]:
        """The explicit tags only: those that are stored as tags, and assigned."""
        return Tags(self, has_attributes=False)

    @own_tags.setter
    def own_tags(self, value: Iterable[str]) -> None:
        self._state.tags = validate_tags(type(self), value)

    @property
    def expire(self) -> datetime | None:
        """The expiration time, aware and in UTC, or None.

        Seconds and timedeltas count from the server's clock when the object is saved.
        Before that, it is the time that a save at this moment would set, by the local
        clock.
        """
        return to_datetime(self._state.expire_at_ms)

    @expire.setter
    def expire(self, value: Expire) -> None:
        self._state.expire_at_ms = to_deadline(value)

    @alters_data
    def set(self, /, **attrs: Any) -> None:
        """Set attributes, counters and properties. Nothing is stored before save().

        Raises TypeError for id, pk, tags and expire, which are assigned, and
        AttributeError for other names of the class and names that begin with ``_``.
        """
        given, meta = validate_set(attrs), self._meta
        counters = meta.counters & given.keys()
        counted = {name: clean_counter(meta, name, given[name]) for name in counters}
        properties = self._set_attributes(
            {name: given[name] for name in given if name not in counters}
        )
        for name, value in counted.items():
            self._set_counter(name, value)
        for name, value in properties.items():
            object.__setattr__(self, name, value)

    @alters_data
    def unset(self, /, *names: str) -> None:
        """Remove attributes.

        Absent ones are ignored. Nothing is stored before save().
        """
        live = own_dict(self).get("_live", {})
        for name in map(self._meta.stored_name, names):
            self.attrs.pop(name, None)
            live.pop(name, None)

    @alters_data
    def set_expire(self, expire: Expire) -> None:
        """Set the expiration time. ``None`` removes it. save() stores it."""
        self._state.expire_at_ms = to_deadline(expire)

    def ttl(self) -> float | None:
        """Return the seconds to the expiration time by the local clock, or None.

        0.0 if it is past; all seconds of an expiration that is not saved yet.
        """
        deadline = self._state.expire_at_ms
        return None if deadline is None else max(remaining_ms(deadline), 0) / 1000
