"""Several saves and deletions in one step, or none of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..keys import Space, all_key, index_keys, term_key
from .objects import DELETE, SAVE
from .operation import Operation, Script, Word
from .replies import Outcome, outcome

COMMIT = Script("commit")
ABSENT = "absent"
KINDS: dict[str | Script, str] = {SAVE: "save", DELETE: "delete"}
"""The word of commit.lua for the parts of each script."""

Answers = dict[int, tuple[Outcome, Any]]
"""Of parts by their place, from 0: what objects.save() or delete() answers."""


def commit(parts: Sequence[Operation]) -> Operation:
    """Do these objects.save(), objects.delete() and absent() in one step, or none.

    Of one object one part at most. Answers (whether all was written, Answers of the
    parts that refused, or found nothing to delete). A unique value may change hands
    within the step. Of 100 parts the server is held some 3 ms.
    """

    def parse(reply: list[Any]) -> tuple[bool, Answers]:
        is_written, *answers = reply
        return bool(is_written), {
            number - 1: parts[number - 1].parse(answer) for number, answer in answers
        }

    heads: list[Word] = []
    keys: list[bytes] = []
    args: list[Word] = []
    for part in parts:
        heads += (KINDS.get(part.command, ABSENT), len(part.keys), len(part.args))
        keys += part.keys
        args += part.args
    return Operation(
        COMMIT, tuple(keys), (len(parts), *heads, *args), parse=parse, is_write=True
    )


def absent(
    space: Space, suffixes: Sequence[bytes], sort_keys: Mapping[str, bytes]
) -> Operation:
    """A part of commit(): refuses if a live object has all these terms and values.

    One of them at least. Answers (MATCHED, id). O(the smallest set).
    """
    return Operation(
        ABSENT,
        (
            all_key(space),
            *(term_key(space, suffix) for suffix in suffixes),
            *index_keys(space, sort_keys),
        ),
        (len(sort_keys), *sort_keys.values()),
        parse=outcome,
    )
