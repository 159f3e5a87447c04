"""The flow of a save with prepared replies, for cases that need exact timing."""

import pytest

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.flows import save
from django_ormist.flows.attempt import INSERT, SaveOptions
from django_ormist.operations.replies import Reply
from tests.models import Todo

DUE, GONE = (Reply.EXPIRED, None), (Reply.ORPHAN_INDEX, None)
OTHERS = pack({"text": "others"}, ["theirs"])


def answered(flow, *replies):
    """Return the result of *flow* with one reply per script, and its scripts."""
    names, waiting = [], list(replies)
    step = next(flow)
    try:
        while True:
            names.append(step.command.name)
            step = flow.send(waiting.pop(0))
    except StopIteration as done:
        assert not waiting
        return done.value, names


def test_a_save_after_its_expiration_time_removes_the_object():
    todo = Todo("mine", expire=-1)
    flow = save.save(todo, "default")
    assert answered(flow, DUE, GONE) == (None, ["save", "delete"])
    assert todo._state.adding


def test_an_insert_after_its_expiration_time_keeps_a_concurrent_insert():
    flow = save.save(Todo("mine", expire=-1), "default", INSERT)
    with pytest.raises(ormist.IntegrityError, match="is taken"):
        answered(flow, DUE, (Reply.REFUSED, OTHERS))


def test_a_strict_save_after_its_expiration_time_keeps_a_concurrent_write():
    flow = save.save(Todo("mine", expire=-1), "default", SaveOptions(strict=True))
    with pytest.raises(ormist.ConflictError):
        answered(flow, DUE, (Reply.REFUSED, OTHERS))


def test_a_save_after_its_expiration_time_respects_a_concurrent_extension():
    todo = Todo("mine", text="a", expire=4_000_000_000)
    loaded = pack({"text": "a"}, ["mine"], 1)
    todo._mark_stored(save.Record.of(loaded, b""), loaded, "default")
    todo.text = "b"
    flow = save.save(todo, "default")
    prolonged = pack({"text": "a"}, ["mine"])
    replies = DUE, (Reply.REFUSED, prolonged), (Reply.DONE, None)
    assert answered(flow, *replies) == (None, ["update", "delete", "update"])
    assert (todo.text, todo.expire) == ("b", None)
