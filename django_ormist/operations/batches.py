"""Insertion and deletion of many objects in one step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ..keys import (
    all_key,
    expires_key,
    marker_key,
    memo_key,
    object_key,
    pk_bytes,
    term_key,
)
from ..schema import Schema
from .objects import SWEPT_BY_A_WRITE, Image, counter_words
from .operation import Operation, Script, Word
from .replies import Holder, Reply, mistyped_error, reply_parser

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of *size*. The last one may be shorter."""
    rest = iter(items)  # itertools.batched exists only from Python 3.12
    while some := list(islice(rest, size)):
        yield some


def objects_by_term(images: Iterable[Image]) -> tuple[list[bytes], list[int]]:
    """Return the suffixes of all terms, and the count and numbers of their objects."""
    carriers: dict[bytes, list[int]] = {}
    for number, image in enumerate(images, start=1):
        for suffix in image.suffixes:
            carriers.setdefault(suffix, []).append(number)
    words: list[int] = []
    for numbers in carriers.values():
        words += (len(numbers), *numbers)
    return list(carriers), words


DELETE_MANY = Script("delete_many")


def delete_many(schema: Schema, stored: Sequence[tuple[str, Image]]) -> Operation:
    """Remove each object whose stored bytes are those of its image. Answers a list.

    stored: ids and images, at most some 100: the server is blocked meanwhile,
    1.5 ms. For each (DONE, None), or (REFUSED, the stored bytes or None).
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
            all_key(space),
            expires_key(space),
            memo_key(space),
            *(object_key(space, pk) for pk, _ in stored),
            *(term_key(space, suffix) for suffix in suffixes),
            *schema.index_keys,
        ),
        (
            len(stored),
            SWEPT_BY_A_WRITE,
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


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to insert: its id, its image and its counters' first values."""

    pk: str
    image: Image
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """The place of a batch in one request. Each batch needs the one before it.

    nonce: unique to this request. place: how many batches go before.
    """

    nonce: str
    place: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an object was not inserted. number: its position, from 0.

    holder: the object that holds its unique value; None if its id is taken.
    """

    number: int
    holder: Holder | None


def insert_many(
    schema: Schema,
    objects: Sequence[NewObject],
    link: Link | None = None,
    passes_over: bool = False,
    arbiter: tuple[str, ...] | None = None,
) -> Operation:
    """Write new objects, all or none. Answers (Reply, number of an object from 1).

    With EXPIRED the fact is the numbers of all objects whose deadline is past. With
    DONE it is (now in ms or None, Obstacles): see Image.resolve_deadline().
    link: NOT_RUN unless this request wrote the batch before it. MISTYPED is answered
    and not raised, with the key: earlier batches may have been written.
    passes_over: skip objects whose id or unique value is taken; they are the Obstacles.
    arbiter: the unique value that is checked before the id.
    At most some 100 objects: the server is blocked meanwhile, 1.5 ms.
    """
    space = schema.space
    first = 0 if arbiter is None else schema.unique.index(arbiter) + 1
    suffixes, carriers = objects_by_term(new.image for new in objects)
    return Operation(
        INSERT_MANY,
        (
            all_key(space),
            expires_key(space),
            memo_key(space),
            *(object_key(space, new.pk) for new in objects),
            *(term_key(space, suffix) for suffix in suffixes),
            *schema.index_keys,
            *(() if link is None else (marker_key(space, link.nonce),)),
        ),
        (
            len(objects),
            SWEPT_BY_A_WRITE,
            int(schema.is_indexed),
            "" if link is None else link.place,
            int(link is not None and link.is_last),
            len(schema.ordered),
            len(schema.unique),
            first if passes_over else "",
            *_object_words(schema, objects),
            *carriers,
        ),
        parse=partial(_insertion_answer, schema.unique),
        is_write=True,
    )


def _object_words(schema: Schema, objects: Iterable[NewObject]) -> list[Word]:
    """Return the arguments of insert_many.lua for these objects."""
    words: list[Word] = []
    for new in objects:
        image = new.image
        words += (pk_bytes(new.pk), image.packed, image.deadline, image.memo)
        words += [image.sort_keys.get(name, b"") for name in schema.ordered]
        words += [image.unique.get(names, b"") for names in schema.unique]
        words += (len(new.counters), *counter_words(new.counters))
    return words


def _insertion_answer(unique: Sequence[tuple[str, ...]], reply: Any) -> Any:
    """Return the answer of insert_many() from the reply of the script."""
    if reply == 1:
        return Reply.DONE, (None, [])
    if reply[0] == Reply.MISTYPED:
        return Reply.MISTYPED, reply[1]
    if reply[0] == Reply.EXPIRED:
        return Reply.EXPIRED, reply[1:]
    if reply[0] != 1:
        return reply_parser(unique)(reply)
    _, now_ms, *passed = reply
    return Reply.DONE, (now_ms, [_obstacle(unique, *each) for each in passed])


def _obstacle(
    unique: Sequence[tuple[str, ...]], number: int, which: int = 0, pk: bytes = b""
) -> Obstacle:
    return Obstacle(number - 1, Holder(unique[which - 1], pk) if which else None)
