"""The work of the client grows linearly with the data."""

import time

import pytest

from django_ormist.flows.record import Record
from django_ormist.keys import Space
from django_ormist.operations import commit, objects
from django_ormist.operations.objects import Image
from django_ormist.schema import Schema

SCHEMA = Schema(Space("ormist", "Todo"))
FEW, MANY = 500, 8000


def images(number):
    """Return the images of an object before and after all of its tags change."""
    return (
        Image(b"old", tuple(b"t:a%d" % i for i in range(number))),
        Image(b"new", tuple(b"t:b%d" % i for i in range(number))),
    )


def merged(number):
    """Return the merge of this many tags of mine with as many of another."""
    base, mine, theirs = (
        Record({}, [f"{kind}{i}" for i in range(number)], None) for kind in "abc"
    )
    return mine.rebase_on(base, theirs)


WORK = {
    "save": lambda number: objects.save(SCHEMA, "one", *images(number)),
    "save_anew": lambda number: commit.save_anew(SCHEMA, "one", *images(number)),
    "rebase_on": merged,
}


def seconds(work, number):
    """Return the shortest processor time of three attempts."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work(number)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("name", WORK)
def test_changing_all_tags_takes_linear_time(name):
    """Sixteen times as many tags; searches in a list would take 256 times as long."""
    work = WORK[name]
    assert seconds(work, MANY) < 80 * seconds(work, FEW)


def test_removed_and_added_tags_keep_their_order():
    old, new = images(3)
    write = objects.save(SCHEMA, "one", old, new)
    assert [key[-4:] for key in write.keys[5:]] == [
        *(b"t:a0", b"t:a1", b"t:a2"),
        *(b"t:b0", b"t:b1", b"t:b2"),
    ]


def test_tags_merge_as_a_set_and_keep_their_order():
    base = Record({}, ["a", "b", "c"], None)
    mine = Record({}, ["c", "d", "a", "e"], None)
    theirs = Record({}, ["x", "c", "b", "a", "e"], None)
    assert mine.rebase_on(base, theirs).tags == ["x", "c", "a", "e", "d"]
