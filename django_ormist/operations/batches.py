"""Insertion and deletion of many objects in one atomic step."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..keys import (
    marker_key,
    object_key,
    pk_bytes,
    term_keys,
)
from ..schema import Schema
from .objects import NO_COUNTERS, Image, counter_words
from .operation import Operation, OrError, Script, Word
from .replies import Holder, Reply, mistyped_error, reply_parser

T = TypeVar("T")


class StepLimit(NamedTuple):
    """How many objects and index entries one step writes: 2 to 4 ms of the server."""

    objects: int
    entries: int


INSERTED = StepLimit(200, 700)
"""Objects that share a term share a ZADD: 200 cost 0.8 of what they cost in halves."""

DELETED = StepLimit(100, 500)


def batched_by_entries(
    items: Iterable[T], entries_of: Callable[[T], int], limit: StepLimit
) -> Iterator[list[T]]:
    """Yield the items in lists of objects and index entries for one step.

    entries_of: returns the Image.entries of an item. One with more entries is alone.
    """
    some: list[T] = []
    entries = 0
    for item in items:
        added = entries_of(item)
        if some and (len(some) == limit.objects or entries + added > limit.entries):
            yield some
            some, entries = [], 0
        some.append(item)
        entries += added
    if some:
        yield some


def objects_by_term(images: Iterable[Image]) -> tuple[list[bytes], list[int]]:
    """Return the suffixes of all terms, and their objects as arguments of a script.

    The arguments of each term are the count and the numbers, from 1, of its objects.
    """
    carriers: dict[bytes, list[int]] = defaultdict(list)
    for number, image in enumerate(images, start=1):
        for suffix in image.suffixes:
            carriers[suffix].append(number)
    words: list[int] = []
    for numbers in carriers.values():
        words += (len(numbers), *numbers)
    return list(carriers), words


DELETE_MANY = Script("delete_many")


def delete_many(schema: Schema, stored: Sequence[tuple[str, Image]]) -> Operation:
    """Remove each object whose stored bytes are those of its image. Answers a list.

    stored: ids and images, see batched_by_entries(): they block the server. The
    answer for each is ``(DONE, None)``, or ``(REFUSED, bytes)`` with the stored bytes.
    Raises CorruptDataError.
    """
    space, unique = schema.space, schema.unique
    suffixes, carriers = objects_by_term(image for _, image in stored)
    words: list[Word] = []
    for pk, image in stored:
        words += (pk_bytes(pk), image.packed)
        words += [image.unique.get(names, b"") for names in unique]

    def parse(reply: list[Any]) -> list[tuple[Reply, Any]]:
        answers: list[tuple[Reply, Any]] = [(Reply.DONE, None)] * len(stored)
        for number, fact in reply:
            if number == Reply.MISTYPED:
                raise mistyped_error(fact)
            answers[number - 1] = (Reply.REFUSED, fact)
        return answers

    return Operation(
        DELETE_MANY,
        (
            *space.main_keys,
            *(object_key(space, pk) for pk, _ in stored),
            *term_keys(space, suffixes),
            *schema.index_keys,
        ),
        (
            len(stored),
            int(bool(schema.counters)),
            len(schema.ordered),
            len(unique),
            *words,
            *carriers,
        ),
        parse=parse,
        is_write=True,
    )


INSERT_MANY = Script("insert_many")

_NUMBERS = [number.to_bytes(2) for number in range(1, 1001)]
"""The positions of the objects of a batch, as insert_many.lua reads them."""


class NewObject(NamedTuple):
    """An object to insert: its id, its image and the initial values of its counters.

    The id must be valid Unicode: see keys.pk_bytes().
    """

    pk: str
    image: Image
    counters: Mapping[str, int] = NO_COUNTERS


@dataclass(frozen=True, slots=True)
class Link:
    """The place of a batch in its request. Each batch requires the previous one.

    nonce: unique to this request. place: the number of previous batches.
    """

    nonce: str
    place: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class InsertConflict:
    """The conflict that prevented the insertion of an object.

    number: the position of the object, from 0. holder: the object that has its unique
    value, if the id is not taken.
    """

    number: int
    holder: Holder | None


def insert_many(
    schema: Schema,
    objects: Sequence[NewObject],
    link: Link | None = None,
    skips_conflicts: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Operation:
    """Write all of these new objects, or refuse all. Answers (Reply, fact).

    The fact is the number of the refused object, from 1. With DONE it is (now in ms or
    None, InsertConflicts): see Image.resolve_deadline(). With EXPIRED it is the numbers
    of all expired objects. With MISTYPED it is the key. This is not raised because
    earlier batches may have been written, nor is an error reply, which is the answer.

    link: the batch is NOT_RUN unless the previous one of the request was written.
    skips_conflicts: skip objects whose id or unique value is taken, and answer an
    InsertConflict for each. arbiter: a unique constraint to check before the id. They
    block the server: see batched_by_entries().
    """
    return Insertion(
        INSERT_MANY,
        schema.space.main_keys,
        parse=OrError(partial(_parse_insertion, schema.unique)),
        is_write=True,
        schema=schema,
        objects=objects,
        link=link,
        skips_conflicts=skips_conflicts,
        arbiter=arbiter,
    )


@dataclass(slots=True, kw_only=True)
class Insertion(Operation):
    """An insert_many(). Most of its words are made when it is sent.

    So a batch is made while the server inserts the one before it. keys: those before
    the objects.
    """

    schema: Schema
    objects: Sequence[NewObject]
    link: Link | None
    skips_conflicts: bool
    arbiter: tuple[str, ...] | None

    def all_keys(self) -> tuple[bytes, ...]:
        """See Operation.all_keys()."""
        return self._keys_with(_carriers_in([new.image for new in self.objects]))

    def _keys_with(self, suffixes: Iterable[bytes]) -> tuple[bytes, ...]:
        space, link = self.schema.space, self.link
        return (
            *self.keys,
            *[space.objects + new.pk.encode() for new in self.objects],
            *term_keys(space, suffixes),
            *self.schema.index_keys,
            *(() if link is None else (marker_key(space, link.nonce),)),
        )

    def wire_args(self) -> tuple[Word, ...]:
        """See Operation.wire_args()."""
        schema, objects, link = self.schema, self.objects, self.link
        arbiter = self.arbiter
        arbiter_number = 0 if arbiter is None else schema.unique.index(arbiter) + 1
        images = [new.image for new in objects]
        has_deadlines = any(image.expire_at_ms is not None for image in images)
        has_counters = any(new.counters for new in objects)
        carriers = _carriers_in(images)
        verb, name = INSERT_MANY.command_for(self.with_source)
        keys = self._keys_with(carriers)
        return (
            verb,
            name,
            len(keys),
            *keys,
            len(objects),
            f"{'i' * schema.is_indexed}{'e' * has_deadlines}{'c' * has_counters}",
            "" if link is None else link.place,
            int(link is not None and link.is_last),
            len(schema.ordered),
            len(schema.unique),
            arbiter_number if self.skips_conflicts else "",
            *[image.packed for image in images],
            *(_deadline_words(images) if has_deadlines else ()),
            *_index_words(schema, images),
            *(_counter_words(objects) if has_counters else ()),
            *map(b"".join, carriers.values()),
        )


def _carriers_in(images: Sequence[Image]) -> dict[bytes, list[bytes]]:
    """Return the numbers of the objects that carry each term, by its suffix."""
    carriers: dict[bytes, list[bytes]] = defaultdict(list)
    for image, number in zip(images, _NUMBERS, strict=False):
        for suffix in image.suffixes:
            carriers[suffix].append(number)
    return carriers


def _deadline_words(images: Sequence[Image]) -> list[bytes]:
    """Return the deadline of each image, then the memo of each."""
    return [image.deadline for image in images] + [image.memo for image in images]


def _index_words(schema: Schema, images: Sequence[Image]) -> Iterator[Word]:
    """Yield the sort keys by ordered attribute, then the values by unique one."""
    for name in schema.ordered:
        yield from [image.sort_keys.get(name, b"") for image in images]
    for names in schema.unique:
        yield from [image.unique.get(names, b"") for image in images]


def _counter_words(objects: Iterable[NewObject]) -> Iterator[Word]:
    """Yield for each object the number of its counters, their names and values."""
    for new in objects:
        yield len(new.counters)
        yield from counter_words(new.counters)


def _parse_insertion(unique: Sequence[tuple[str, ...]], reply: Any) -> Any:
    """Return the answer of insert_many()."""
    if reply == 1:
        return Reply.DONE, (None, [])
    if reply[0] == Reply.MISTYPED:
        return Reply.MISTYPED, reply[1]
    if reply[0] == Reply.EXPIRED:
        return Reply.EXPIRED, reply[1:]
    if reply[0] != 1:
        return reply_parser(unique)(reply)
    _, now_ms, *passed = reply
    return Reply.DONE, (now_ms, [_build_conflict(unique, *each) for each in passed])


def _build_conflict(
    unique: Sequence[tuple[str, ...]], number: int, which: int = 0, pk: bytes = b""
) -> InsertConflict:
    return InsertConflict(number - 1, Holder(unique[which - 1], pk) if which else None)
