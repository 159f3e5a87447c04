"""Transactions: several saves and deletions in one atomic step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..keys import Space
from ..queries.conditions import Condition
from ..schema import Schema
from . import objects
from .compiler import QueryCompiler
from .objects import DELETE, NO_COUNTERS, SAVE, Image
from .operation import Operation, Script, Word
from .repeatable import GuardedSave, RepeatableSave
from .replies import Reply, parse_reply

COMMIT = Script("commit")
SAVE_ANEW, DELETE_STRICT, ABSENT = "save_anew", "delete_strict", "absent"
KINDS: dict[str | Script, str] = {
    SAVE: "save",
    SAVE_ANEW: SAVE_ANEW,
    DELETE: "delete",
    DELETE_STRICT: DELETE_STRICT,
    ABSENT: ABSENT,
}
"""The word of commit.lua for the parts of each command."""

Answers = dict[int, tuple[Reply, Any]]
"""The answers of objects.save() or delete(), by the position of the part, from 0."""


def commit(parts: Sequence[Operation]) -> Operation:
    """Write all of these parts in one atomic step, or refuse all.

    parts: objects.save(), objects.delete(), or the functions below, one for each object
    at most. Answers (whether they were written, Answers, now in ms): those of refused
    parts and of deletions without an object. Two parts may exchange a unique value. 100
    parts block the server for about 4 ms.
    """

    def parse(reply: list[Any]) -> tuple[bool, Answers, bytes]:
        is_written, now_ms, *answers = reply
        parsed = {
            number - 1: parts[number - 1].parse(answer) for number, answer in answers
        }
        return bool(is_written), parsed, now_ms

    heads: list[Word] = []
    keys: list[bytes] = []
    args: list[Word] = []
    for part in parts:
        heads += (KINDS[part.command], len(part.keys), len(part.args))
        keys += part.keys
        args += part.args
    return Operation(
        COMMIT, tuple(keys), (len(parts), *heads, *args), parse=parse, is_write=True
    )


def unless(guard: Operation, write: Operation) -> Operation:
    """Return a commit() of *write* that is refused if *guard*, an absent(), is."""
    both = commit([guard, write])

    def parse(reply: list[Any]) -> Any:
        is_written, answers, now_ms = both.parse(reply)
        done = (Reply.DONE, now_ms)
        return answers.get(1, done) if is_written else answers.get(0) or answers[1]

    if isinstance(write, RepeatableSave):
        keys, args = both.keys, both.args
        return GuardedSave(both.command, keys, args, parse=parse, is_write=True)
    return replace(both, parse=parse)


def save_anew(
    schema: Schema,
    pk: str,
    old: Image,
    new: Image,
    counters: Mapping[str, int] = NO_COUNTERS,
) -> Operation:
    """Return a part of commit(): a save() that deletes and creates the object.

    counters: all of its counters, also those that are 0.
    """
    # Entries that stay must move, too: to the new creation time.
    suffixes = objects.subtract_suffixes(old.suffixes, new.suffixes)
    sort_keys = dict.fromkeys(old.sort_keys, b"")
    was = old._replace(suffixes=suffixes, sort_keys=sort_keys)
    write = objects.save(schema, pk, was, new, counters)
    return replace(write, command=SAVE_ANEW)


def delete_strict(schema: Schema, pk: str, stored: Image) -> Operation:
    """Return a part of commit(): a delete() that is refused without an object."""
    deletion = objects.delete(schema, pk, stored)
    return replace(deletion, command=DELETE_STRICT)


def absent(space: Space, condition: Condition) -> Operation:
    """Return a part of commit() that is refused if a live object meets the condition.

    Answers (GUARD_FAILED, id). One microsecond per id of the smallest part.
    """
    compiler = QueryCompiler(space)
    words = tuple(compiler.compile_condition(condition))
    return Operation(ABSENT, tuple(compiler.keys), words, parse=parse_reply)
