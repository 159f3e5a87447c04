"""The contents of an object, between its Python attributes and its stored image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..codecs import Deadline, is_marked, mark, pack, pack_many, pack_value, unpack
from ..operations.objects import Image
from ..schema import BaseOptions
from ..sortkeys import sort_key
from ..terms import (
    KnownSuffixes,
    any_marked,
    object_tags,
    object_terms,
    term_suffixes,
    text,
    unique_value,
    unmark,
)

_ABSENT = object()

_EXACT = (str, int, bool)
"""Types whose equal values have the same text. 0.0 and -0.0 have not."""


@dataclass(slots=True)
class Record:
    """The attributes, explicit tags, and expiration time or lifetime of one object."""

    attrs: dict[str, Any]
    tags: list[str]
    expire_at_ms: Deadline | None

    @classmethod
    def of(cls, packed: bytes, key: bytes) -> "Record":
        """Return the contents of stored bytes.

        Raises CorruptDataError that names *key*.
        """
        return cls(*unpack(packed, key))

    def all_tags(self, meta: BaseOptions) -> list[str]:
        """Return the explicit tags, then ``name:text`` of each indexed attribute."""
        return object_tags(self._select_indexed(meta), self.tags)

    def terms(self, meta: BaseOptions) -> list[str]:
        """Return the index terms of explicit tags, then of indexed attributes.

        Raises ValueError for an indexed attribute whose name no lookup can contain.
        """
        if not meta.is_indexed:
            return []
        return object_terms(self._select_indexed(meta), self.tags, meta.indexes)

    def _select_indexed(self, meta: BaseOptions) -> dict[str, Any]:
        """Return the indexed attributes. Raises ValueError."""
        if meta.indexes_all:
            self.check_names(meta)
            if not meta.exclude_attrs:
                return self.attrs
            return {name: self.attrs[name] for name in filter(meta.indexes, self.attrs)}
        named, attrs = meta.index_attrs, self.attrs
        return {name: attrs[name] for name in attrs if name in named} if named else {}

    def check_names(self, meta: BaseOptions) -> None:
        """Raise ValueError for an indexed attribute whose name no lookup can contain.

        Needed if all attributes are indexed: those in Meta.index_attrs were checked.
        """
        for name in self.attrs:
            if (":" in name or "__" in name) and meta.indexes(name):
                raise ValueError(
                    f"Cannot index the attribute {name!r} of {meta.object_name}: "
                    "the name of an indexed attribute has no ':' and no '__'. "
                    "Rename it, or add it to "
                    f"{meta.object_name}.Meta.exclude_attrs."
                )

    def image(self, meta: BaseOptions, codec: str) -> Image:
        """Return the image to store. Raises TypeError, ValueError."""
        return self.add_entries(self.pack(codec), meta)

    def add_entries(
        self, packed: bytes, meta: BaseOptions, known: KnownSuffixes | None = None
    ) -> Image:
        """Return the image to store, of the bytes that pack() returned.

        Raises TypeError, ValueError.
        """
        for names in meta.unique:
            self._check_unique(meta, names)
        if known is not None and meta.is_indexed:
            found = known.of(self._select_indexed(meta), self.tags)
            if found is not None:
                return self._image(packed, found, meta)
        suffixes, has_marks = term_suffixes(self.terms(meta))
        return self._image(mark(packed) if has_marks else packed, suffixes, meta)

    def detach(self) -> None:
        """Keep the contents as they are when the instance is changed."""
        self.attrs, self.tags = self.attrs.copy(), self.tags.copy()

    def has_entries_of(self, stored: "Record", meta: BaseOptions) -> bool:
        """Return whether both have the same index entries, without building them.

        False if that needs a closer look. So a save that changes no indexed attribute
        computes no entries.
        """
        if meta.indexes_all or self.tags != stored.tags:
            return False
        for name in meta.entry_names:
            value = self.attrs.get(name, _ABSENT)
            known = stored.attrs.get(name, _ABSENT)
            kind = type(value)
            if value is not known and (
                kind is not type(known) or kind not in _EXACT or value != known
            ):
                return False
            if value == "None":  # 0.1.0 stored it without a mark
                return False
        return ":" not in "".join(self.tags)  # as it did such a tag

    def stored_image(self, packed: bytes, meta: BaseOptions) -> Image:
        """Return the stored image of these bytes."""
        terms = self.terms(meta)
        if not is_marked(packed) and any_marked(terms):  # of 0.1.0
            terms = list(dict.fromkeys(map(unmark, terms)))
        return self._image(packed, term_suffixes(terms)[0], meta)

    def upgrade_image(self, packed: bytes, meta: BaseOptions) -> Image | None:
        """Return the image in the present layout, unless these bytes have it."""
        suffixes, has_marks = term_suffixes(self.terms(meta))
        if is_marked(packed) or not has_marks:
            return None
        return self._image(mark(packed), suffixes, meta)

    def split_counters(
        self, packed: bytes, meta: BaseOptions
    ) -> tuple[Image | None, dict[str, int]]:
        """Return the image without attributes that are counters now, and the counters.

        There is no image if a value cannot be a counter, or if the object cannot be
        written.
        """
        moved = {name: self.attrs[name] for name in meta.counters & self.attrs.keys()}
        attrs = {name: self.attrs[name] for name in self.attrs if name not in moved}
        if not all(type(value) is int for value in moved.values()):
            return None, {}
        codec = "json" if packed[:1] == b"{" else "msgpack"
        try:
            rest = Record(attrs, self.tags, self.expire_at_ms)
            return rest.image(meta, codec), moved
        except ValueError:  # nested deeper than is written today: a fault of its own
            return None, {}

    def _image(
        self, packed: bytes, suffixes: tuple[bytes, ...], meta: BaseOptions
    ) -> Image:
        if not (meta.ordered or meta.unique):
            return Image(packed, suffixes, self.expire_at_ms)
        sort_keys = {name: sort_key(self.attrs.get(name)) for name in meta.ordered}
        unique = {
            names: unique_value([self.attrs.get(name) for name in names])
            for names in meta.unique
        }
        return Image(
            packed,
            suffixes,
            self.expire_at_ms,
            {name: key for name, key in sort_keys.items() if key is not None},
            {names: value for names, value in unique.items() if value is not None},
        )

    def image_like(self, old: Image, codec: str) -> Image:
        """Return the image if its index entries are known to be those of *old*."""
        packed = self.pack(codec)
        if is_marked(old.packed):
            packed = mark(packed)
        return Image(packed, old.suffixes, self.expire_at_ms, old.sort_keys, old.unique)

    def pack(self, codec: str) -> bytes:
        """Return the contents as bytes."""
        return pack(self.attrs, self.tags, self.expire_at_ms, codec)

    def equals(self, other: "Record") -> bool:
        """Whether both have the same contents. Their order is ignored."""
        return (
            self.attrs.keys() == other.attrs.keys()
            and set(self.tags) == set(other.tags)
            and self.expire_at_ms == other.expire_at_ms
            and all(
                pack_value(name, value) == pack_value(name, other.attrs[name])
                for name, value in self.attrs.items()
            )
        )

    def copy_fields(self, other: "Record", names: Iterable[str]) -> None:
        """Copy these names from *other*: attributes, "tags" or "expire"."""
        for name in names:
            if name in other.attrs:
                self.attrs[name] = other.attrs[name]
            else:
                self.attrs.pop(name, None)
        if "tags" in names:
            self.tags = list(other.tags)
        if "expire" in names:
            self.expire_at_ms = other.expire_at_ms

    def _check_unique(self, meta: BaseOptions, names: tuple[str, ...]) -> None:
        for name in names:
            value = self.attrs.get(name)
            if value is not None and text(value) is None:
                raise TypeError(
                    f"Cannot keep {meta.object_name}.{name} unique: a "
                    f"{type(value).__name__} has no text to compare. Store a text, a "
                    "number, a date or a UUID."
                )

    def rebase_on(self, base: "Record", stored: "Record") -> "Record":
        """Return the changes of *self* since *base*, applied to the stored contents.

        Attributes are merged one by one, tags as a set, the expiration like an
        attribute.
        """
        attrs = dict(stored.attrs)
        for name, value in self.attrs.items():
            if name not in base.attrs or pack_value(name, value) != pack_value(
                name, base.attrs[name]
            ):
                attrs[name] = value
        for name in base.attrs:
            if name not in self.attrs:
                attrs.pop(name, None)
        before, mine = frozenset(base.tags), frozenset(self.tags)
        tags = dict.fromkeys(t for t in stored.tags if t in mine or t not in before)
        tags.update(dict.fromkeys(t for t in self.tags if t not in before))
        is_mine = self.expire_at_ms != base.expire_at_ms
        expire_at_ms = self.expire_at_ms if is_mine else stored.expire_at_ms
        return Record(attrs, list(tags), expire_at_ms)


def images_of(
    records: Sequence[Record], meta: BaseOptions, codec: str, known: KnownSuffixes
) -> list[Image]:
    """Return the image of each record, as Record.image() does, in half of the time.

    Bytes and entries are of one copy, in case that another thread changes an instance.
    """
    for record in records:
        record.detach()
    packed = pack_many(
        [record.attrs for record in records],
        [record.tags for record in records],
        [record.expire_at_ms for record in records],
        codec,
    )
    return [
        record.add_entries(data, meta, known)
        for record, data in zip(records, packed, strict=True)
    ]
