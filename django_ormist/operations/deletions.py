"""Many objects deleted in one step."""

from collections.abc import Sequence
from typing import Any

from ..keys import (
    Space,
    all_key,
    expires_key,
    index_keys,
    memo_key,
    object_key,
    pk_bytes,
    term_key,
)
from .carriers import carriers_of
from .objects import SWEPT_BY_A_WRITE, Image
from .operation import Operation, Script, Word
from .replies import Outcome, mistyped

DELETE_MANY = Script("delete_many")


def delete_many(
    space: Space,
    stored: Sequence[tuple[str, Image]],
    has_counters: bool = False,
    ordered: Sequence[str] = (),
    unique: Sequence[tuple[str, ...]] = (),
) -> Operation:
    """Remove each object of which this image is what is stored. Answers a list.

    stored: ids and images, at most some 100: the server does nothing else meanwhile,
    1.5 ms. Of each (DONE, None), or (REFUSED, what is stored or None).
    """
    suffixes, carriers = carriers_of(image for _, image in stored)
    words: list[Word] = []
    for pk, image in stored:
        words += (pk_bytes(pk), image.packed)
        words += [image.unique.get(names, b"") for names in unique]

    def parse(reply: list[Any]) -> list[tuple[Outcome, Any]]:
        answers: list[tuple[Outcome, Any]] = [(Outcome.DONE, None)] * len(stored)
        for number, fact in reply:
            if number == Outcome.MISTYPED:
                raise mistyped(fact)
            answers[number - 1] = (Outcome.REFUSED, fact)
        return answers

    return Operation(
        DELETE_MANY,
        (
            all_key(space),
            expires_key(space),
            memo_key(space),
            *(object_key(space, pk) for pk, _ in stored),
            *(term_key(space, suffix) for suffix in suffixes),
            *index_keys(space, ordered, unique),
        ),
        (
            len(stored),
            SWEPT_BY_A_WRITE,
            int(has_counters),
            len(ordered),
            len(unique),
            *words,
            *carriers,
        ),
        parse=parse,
        is_write=True,
    )
