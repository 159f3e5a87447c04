"""What an object holds, between its Python attributes and its stored image."""

from dataclasses import dataclass
from typing import Any

from ..codecs import pack, pack_value, unpack
from ..operations.objects import Image
from ..terms import object_terms, term_suffix
from .options import Options


@dataclass(slots=True)
class Contents:
    """Attributes, given tags and deadline of one object."""

    attrs: dict[str, Any]
    tags: list[str]
    expire_at_ms: int | None

    @classmethod
    def of(cls, packed: bytes, key: bytes) -> "Contents":
        """What these stored bytes hold. Raises CorruptDataError that names *key*."""
        return cls(*unpack(packed, key))

    def terms(self, meta: Options) -> list[str]:
        """The index terms: given tags, then ``name:text`` of indexed attributes.

        Raises ValueError for an indexed attribute whose name no lookup could say.
        """
        if not meta.is_indexed:
            return []
        for name in self.attrs:
            if (":" in name or "__" in name) and meta.indexes(name):
                raise ValueError(
                    f"Cannot index the attribute {name!r} of {meta.object_name}: the "
                    "name of an indexed attribute has no ':' and no '__'. Rename it, "
                    f"or add it to {meta.object_name}.Meta.exclude_attrs."
                )
        return object_terms(self.attrs, self.tags, meta.indexes)

    def image(self, meta: Options, codec: str) -> Image:
        """What the store is to hold. Raises TypeError, ValueError."""
        return Image(
            pack(self.attrs, self.tags, self.expire_at_ms, codec),
            tuple(map(term_suffix, self.terms(meta))),
            self.expire_at_ms,
        )

    def stored_image(self, packed: bytes, meta: Options) -> Image:
        """The image that these bytes have in the store."""
        suffixes = tuple(map(term_suffix, self.terms(meta)))
        return Image(packed, suffixes, self.expire_at_ms)

    def rebased(self, base: "Contents", stored: "Contents") -> "Contents":
        """What *self* changed since *base*, on top of what is stored now.

        Attributes one by one, tags as a set, the deadline as one attribute.
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
        removed = set(base.tags) - set(self.tags)
        tags = [tag for tag in stored.tags if tag not in removed]
        tags += [t for t in self.tags if t not in base.tags and t not in tags]
        is_mine = self.expire_at_ms != base.expire_at_ms
        return Contents(
            attrs, tags, self.expire_at_ms if is_mine else stored.expire_at_ms
        )
