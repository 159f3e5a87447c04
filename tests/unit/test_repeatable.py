"""What the reply to a repeated write proves, for each kind of write."""

import pytest

from django_ormist.codecs import pack, with_deadline
from django_ormist.codecs.lifetimes import Lifetime
from django_ormist.flows.attempt import INSERT, UPSERT, SaveAttempt, SaveOptions
from django_ormist.flows.guards import Guard, guard_first_write
from django_ormist.keys import Space
from django_ormist.operations import commit, objects
from django_ormist.operations.objects import NOTHING, Image
from django_ormist.operations.operation import Operation
from django_ormist.operations.repeatable import (
    GuardedSave,
    IdempotentWrite,
    RepeatableDelete,
    RepeatableSave,
    RepeatableWrite,
)
from django_ormist.queries.conditions import Term
from django_ormist.schema import Schema
from tests.models import Page, Todo

SCHEMA = Schema(Space("p", "m"))
SOON, LATER, LATEST = 1_800_000_000_000, 1_900_000_000_000, 2_000_000_000_000
HOUR = Lifetime(3_600_000)
CODECS = pytest.mark.parametrize("codec", ["msgpack", "json"])


def image(text, expire=None, codec="msgpack"):
    return Image(pack({"text": text}, [], expire, codec), expire_at_ms=expire)


def save(old, new, kind=RepeatableSave):
    return objects.rewrite(SCHEMA, "x", old, new, kind=kind)


OLD, NEW, OTHERS = image("old"), image("new"), image("others")
REFUSED_AS_OTHERS = [0, OTHERS.packed]


@pytest.mark.parametrize("kind", [RepeatableWrite, RepeatableSave])
@pytest.mark.parametrize(
    "reply", [1, [1, b"9"], [2], [3], [5, 1, b"other"], [7], [-1, b"key"]]
)
def test_a_reply_that_is_no_refusal_is_used(kind, reply):
    """The stored bytes were as expected, so the write was not applied before."""
    assert save(OLD, NEW, kind).settle(reply) == reply


@pytest.mark.parametrize("old", [NOTHING, OLD], ids=["insert", "update"])
@CODECS
def test_a_save_was_applied_if_its_bytes_are_stored(old, codec):
    new = image("new", codec=codec)
    write = save(old, new)
    assert write.settle([0, new.packed]) == 1
    assert write.settle(REFUSED_AS_OTHERS) is None
    assert write.settle([0, None]) is None
    assert write.settle([0, image("new", SOON, codec).packed]) is None


@CODECS
def test_a_deadline_that_was_moved_afterwards_is_no_difference(codec):
    old, new = image("old", SOON, codec), image("new", LATER, codec)
    write = save(old, new)
    assert write.settle([0, new.packed]) == 1
    assert write.settle([0, with_deadline(new.packed, LATEST)]) == 1
    assert write.settle([0, image("new", None, codec).packed]) is None


@CODECS
@pytest.mark.parametrize("expire", [LATER, HOUR], ids=["moment", "lifetime"])
def test_a_deadline_that_was_there_before_is_not_that_of_the_save(codec, expire):
    """Another client wrote the same contents and left the deadline as it was."""
    write = save(image("old", SOON, codec), image("new", expire, codec))
    assert write.settle([0, image("new", SOON, codec).packed]) is None


def test_a_deadline_that_the_save_does_not_change_is_its_own():
    write = save(image("old", SOON), image("new", SOON))
    assert write.settle([0, image("new", SOON).packed]) == 1


@CODECS
@pytest.mark.parametrize("text", ["old", "new"])
def test_a_lifetime_has_begun_at_the_stored_deadline(codec, text):
    new = image(text, HOUR, codec)
    for old in (image("old", SOON, codec), NOTHING):
        now_ms = save(old, new).settle([0, with_deadline(new.packed, LATER)])
        assert new.resolve_deadline(now_ms) == Image(
            with_deadline(new.packed, LATER), expire_at_ms=LATER
        )


def test_equal_bytes_are_no_proof_where_one_of_two_writers_must_be_refused():
    assert save(OLD, NEW, RepeatableWrite).settle([0, NEW.packed]) is None


# ---------------------------------------------------------------- with a guard


def guarded(kind=RepeatableSave, expire=None):
    condition = commit.absent(SCHEMA.space, Term("t:x"))
    write = save(NOTHING, image("new", expire), kind)
    return commit.unless(condition, write)


def test_a_guarded_insert_was_applied_if_its_bytes_are_stored():
    """Its own object fails the guard, so both parts are refused."""
    write = guarded()
    assert type(write) is GuardedSave
    reply = [0, b"7", [1, [6, b"x"]], [2, [0, NEW.packed]]]
    assert write.parse(write.settle(reply)) == (1, None)
    assert write.settle([0, b"7", [1, [6, b"x"]], [2, REFUSED_AS_OTHERS]]) is None


def test_a_guarded_insert_with_a_lifetime_was_applied_at_the_stored_deadline():
    write, stored = guarded(expire=HOUR), with_deadline(image("new", HOUR).packed, SOON)
    code, now_ms = write.parse(write.settle([0, b"7", [2, [0, stored]]]))
    assert (code, int(now_ms)) == (1, SOON - HOUR.ms)


@pytest.mark.parametrize(
    "reply", [[1, b"7"], [0, b"7", [1, [6, b"y"]]], [0, b"7", [2, [5, 1, b"y"]]]]
)
def test_a_guarded_insert_that_is_not_stored_was_not_applied(reply):
    assert guarded().settle(reply) == reply


def test_a_guarded_insert_of_a_chosen_id_is_not_repeated():
    assert type(guarded(RepeatableWrite)) is Operation


# ---------------------------------------------------------------- deletions


@pytest.mark.parametrize(
    ("reply", "settled"), [(1, 1), ([2], None), ([2, 1], None), ([0, b"other"], None)]
)
def test_an_object_that_is_gone_may_have_been_deleted_by_another_client(reply, settled):
    write = objects.delete(SCHEMA, "x", OLD, RepeatableDelete)
    assert write.settle(reply) == settled


@pytest.mark.parametrize("reply", [1, [2], [0, b"other"]])
def test_an_idempotent_write_uses_each_reply(reply):
    assert objects.delete(SCHEMA, "x", OLD, IdempotentWrite).settle(reply) == reply


# ---------------------------------------------------------------- the choice of save()


def kind_of(instance, options=UPSERT):
    attempt = SaveAttempt(instance, "default", options)
    return type(attempt.operation())


def stored(model=Todo, **attrs):
    instance = model(id="x", **attrs)
    packed = pack({}, [])
    instance._state.packed, instance._state.using = packed, "default"
    return instance


def test_most_saves_are_proven_by_equal_bytes():
    assert kind_of(Todo(text="new")) is RepeatableSave
    assert kind_of(Todo(id="x")) is RepeatableSave
    assert kind_of(stored(text="new")) is RepeatableSave
    assert kind_of(stored(text="new"), SaveOptions(force_update=True)) is RepeatableSave


def test_inserts_are_proven_by_equal_bytes_if_the_id_is_random():
    """Two clients may insert the same object under an id that both have chosen."""
    assert kind_of(Todo(), INSERT) is RepeatableSave
    assert kind_of(Todo(id="x"), INSERT) is RepeatableWrite
    assert kind_of(Todo(pk="x"), INSERT) is RepeatableWrite
    todo = Todo()
    todo.id = "x"
    assert kind_of(todo, INSERT) is RepeatableWrite
    todo.id = None
    assert kind_of(todo, INSERT) is RepeatableSave


def test_an_object_that_was_stored_or_pickled_has_no_random_id():
    todo = Todo()
    todo._state.adding = True
    assert kind_of(todo, INSERT) is RepeatableWrite
    loaded = Todo._from_row((b"x", pack({}, []), None), SCHEMA.space, "default")
    assert kind_of(loaded, INSERT) is RepeatableWrite


def test_strict_saves_are_not_proven_by_equal_bytes():
    """Two clients may both have added one."""
    assert kind_of(stored(), SaveOptions(strict=True)) is RepeatableWrite


@pytest.mark.parametrize(
    ("is_insert", "kind"), [(True, GuardedSave), (False, RepeatableWrite)]
)
def test_guarded_saves_are_proven_if_they_insert(is_insert, kind):
    todo = Todo() if is_insert else stored()
    guard = Guard("default", Todo.objects.find("x").query, {}, is_insert=is_insert)
    with guard_first_write(todo, guard):
        assert kind_of(todo) is kind


def test_saves_that_set_counters_are_not_repeated():
    assert kind_of(Page(views=1)) is Operation
    assert kind_of(Page()) is RepeatableSave
    page = stored(Page)
    assert kind_of(page) is RepeatableSave
    page.views = 2
    assert kind_of(page) is Operation
