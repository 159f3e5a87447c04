"""Changes of many are answered by hand: what no test can time on a server."""

import pytest

from django_ormist.codecs import pack
from django_ormist.flows import update
from django_ormist.operations.batches import DELETE_MANY
from django_ormist.operations.replies import Reply
from tests.models import Todo

MINE, THEIRS = pack({"n": 1}, ["x"]), pack({"n": 2}, ["x", "new"])
LEFT = pack({"n": 1}, ["other"])
DONE, DUE = (Reply.DONE, None), (Reply.EXPIRED, None)
GONE = (Reply.REFUSED, None)


def changed(flow, *replies):
    """How many *flow* changes of one object: each reply is to one trip of scripts."""
    waiting = list(replies)
    step = flow.send(None)
    step = flow.send([[], [b"one"]])  # what is due, and the ids
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
    "delete": lambda: update.delete(Todo.objects.find("x")),
    "set_expire": lambda: update.set_expire(Todo.objects.find("x"), 60),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
def test_what_another_wrote_meanwhile_is_changed_as_it_is_now(change):
    assert changed(change(), (Reply.REFUSED, THEIRS), DONE) == 1


@every_change
def test_what_another_took_out_of_the_question_is_left_alone(change):
    assert changed(change(), (Reply.REFUSED, LEFT)) == 0


@every_change
def test_what_another_deleted_meanwhile_is_not_counted(change):
    assert changed(change(), GONE) == 0


def test_a_deadline_that_is_past_removes_what_is_stored_now():
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, DONE) == 1
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, (Reply.REFUSED, THEIRS), DUE, DONE) == 1
    past = update.set_expire(Todo.objects.find("x"), 1)
    assert changed(past, DUE, GONE) == 0
