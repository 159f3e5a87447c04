"""The tags of an instance as a list that changes them."""

from collections.abc import Callable, Iterable
from typing import Any, Self, SupportsIndex

from ..flows.record import Record
from ..flows.types import HasContents
from ..validators import validate_tags


class Tags(list[str]):
    """The tags of an instance. Changes of this list change its explicit tags.

    has_attributes: ``name:text`` of each indexed attribute follows the explicit tags.
    Removing one is a ValueError. Two such lists of an instance may differ until one is
    changed, because a change starts from the present tags. A copy, by slicing,
    ``copy()`` or pickle, is a plain list.
    """

    __slots__ = ("_has_attributes", "_instance")

    def __init__(self, instance: HasContents, has_attributes: bool) -> None:
        self._instance = instance
        self._has_attributes = has_attributes
        super().__init__(self._current())

    def belongs_to(self, instance: HasContents) -> bool:
        """Whether this list is that of this instance."""
        return self._instance is instance

    def _current(self) -> list[str]:
        instance = self._instance
        if not (self._has_attributes and _indexes_attributes(instance)):
            return list(instance._state.tags)
        return instance._contents().all_tags(instance._meta)

    def _change(self, change: Callable[[list[str]], Any], drops: bool = False) -> Any:
        """Apply a change to the present tags. drops: allow removing the attributes."""
        instance, new = self._instance, self._current()
        answer = change(new)
        if self._has_attributes and _indexes_attributes(instance):
            before = set(instance._state.tags)
            shown = Record(instance.attrs, [], None).all_tags(instance._meta)
            for text in shown:
                if not drops and text not in before and text not in new:
                    raise ValueError(
                        f"The tag {text!r} is an attribute's. Change the attribute "
                        f"{text.partition(':')[0]!r}, or own_tags."
                    )
            new = validate_tags(type(instance), new)
            own = [tag for tag in new if tag not in shown or tag in before]
        else:
            own = _remove_duplicates(new)
        instance._state.tags = own
        super().__setitem__(slice(None), self._current())
        return answer

    def append(self, tag: str, /) -> None:
        if self._has_attributes and tag in self._current():
            self._change(lambda new: None)
        else:
            at = len(self._instance._state.tags)
            self._change(lambda new: new.insert(at, tag))

    def extend(self, tags: Iterable[str], /) -> None:
        if isinstance(tags, str | bytes):
            tags = validate_tags(type(self._instance), tags)  # which refuses it
        more, at = list(tags), len(self._instance._state.tags)
        self._change(lambda new: new.__setitem__(slice(at, at), more))

    def insert(self, index: SupportsIndex, tag: str, /) -> None:
        self._change(lambda new: new.insert(index, tag))

    def remove(self, tag: str, /) -> None:
        self._change(lambda new: new.remove(tag))

    def pop(self, index: SupportsIndex = -1, /) -> str:
        popped: str = self._change(lambda new: new.pop(index))
        return popped

    def clear(self) -> None:
        """Remove every explicit tag. Those of attributes stay."""
        self._change(lambda new: new.clear(), drops=True)

    def sort(self, /, **how: Any) -> None:
        self._change(lambda new: new.sort(**how))

    def reverse(self) -> None:
        self._change(lambda new: new.reverse())

    def __setitem__(self, index: Any, value: Any) -> None:
        drops = self._is_all(index)
        given = list(value) if isinstance(index, slice) else value
        self._change(lambda new: new.__setitem__(index, given), drops)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        self._change(lambda new: new.__delitem__(index), self._is_all(index))

    def __iadd__(self, tags: Iterable[str]) -> Self:  # type: ignore[override,misc]
        self.extend(tags)
        return self

    def __imul__(self, times: SupportsIndex) -> Self:
        if times.__index__() < 1:
            self.clear()
        return self

    def _is_all(self, index: Any) -> bool:
        """Whether it is a slice of the full list, as in ``tags[:] = [...]``."""
        if not isinstance(index, slice):
            return False
        size = len(self._current())
        return range(*index.indices(size)) == range(size)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (list(self),)


def _remove_duplicates(tags: list[str]) -> list[str]:
    """Return the tags without duplicates. save() refuses other types than str."""
    try:
        return list(dict.fromkeys(tags))
    except TypeError:
        return [tag for place, tag in enumerate(tags) if tag not in tags[:place]]


def _indexes_attributes(instance: HasContents) -> bool:
    meta = instance._meta
    return bool(meta.index_attrs or meta.indexes_all)
