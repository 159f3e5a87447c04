"""The flow of an update with prepared replies, for cases that need exact timing."""

import pytest

from django_ormist.codecs import pack
from django_ormist.flows import delete, update
from django_ormist.operations.batches import DELETE_MANY
from django_ormist.operations.replies import Reply
from django_ormist.operations.search import BEGINNING
from tests.models import Todo

MINE, THEIRS = pack({"n": 1}, ["x"]), pack({"n": 2}, ["x", "new"])
LEFT = pack({"n": 1}, ["other"])
DONE, DUE = (Reply.DONE, None), (Reply.EXPIRED, None)
GONE = (Reply.REFUSED, None)


def changed(flow, *replies):
    """Return how many objects *flow* changes; each reply answers one round trip."""
    waiting = list(replies)
    step = flow.send(None)
    step = flow.send((BEGINNING, [b"one"]))  # the ids
    step = flow.send([[MINE]])
    try:
        while True:
            answers = [waiting.pop(0)] if step else []
            is_of_many = step and step[0].command is DELETE_MANY
            step = flow.send([answers] if is_of_many else answers)
    except StopIteration as done:
        assert not waiting
        number = done.value
        return number[0] if isinstance(number, tuple) else number


CHANGES = {
    "delete": lambda: delete.delete(Todo.objects.find("x")),
    "set_expire": lambda: update.set_expire(Todo.objects.find("x"), 60),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
def test_a_concurrent_write_is_read_again_before_the_update(change):
    assert changed(change(), (Reply.REFUSED, THEIRS), DONE) == 1


@every_change
def test_an_object_that_no_longer_matches_is_left_alone(change):
    assert changed(change(), (Reply.REFUSED, LEFT)) == 0


@every_change
def test_an_object_deleted_concurrently_is_not_counted(change):
    assert changed(change(), GONE) == 0


def test_a_past_expiration_time_removes_the_current_object():
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, DONE) == 1
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, (Reply.REFUSED, THEIRS), DUE, DONE) == 1
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, GONE) == 0
