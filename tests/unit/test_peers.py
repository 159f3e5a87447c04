"""The link from the objects of a result to each other. No server is used."""

import copy
import gc
import pickle
import weakref

import pytest

from django_ormist.codecs import pack
from django_ormist.models.peers import Peers, ResultList, peers_of
from django_ormist.operations.rows import Rows
from tests.models import Todo


def result(number):
    pks = [b"%d" % i for i in range(number)]
    rows = Rows(pks, [pack({"n": i}, []) for i in range(number)])
    return Todo.objects.all()._build(rows)


def numbers(instance):
    return [each.n for each in peers_of(instance)]


def test_the_peers_are_the_instance_and_the_others_of_its_result():
    found = result(3)
    assert found == [Todo(id=0), Todo(id=1), Todo(id=2)]
    assert numbers(found[1]) == [1, 0, 2]
    assert found[0]._state.peers is not result(3)[0]._state.peers


def test_an_object_that_was_read_alone_has_no_peers():
    assert type(result(0)) is type(result(1)) is list
    for alone in (result(1)[0], Todo(), pickle.loads(pickle.dumps(result(1)[0]))):
        assert peers_of(alone) == [alone]


def test_peers_that_outlive_the_list_find_each_other():
    found = result(5)
    some = found[::2]
    del found
    assert numbers(some[0]) == [0, 2, 4]


@pytest.mark.parametrize("keep", [0, 1, 2, 4])
def test_a_kept_object_keeps_no_other(keep):
    found = result(5)
    watched = [weakref.ref(each) for each in found]
    kept, peers = found[:keep], weakref.ref(found)
    gc.disable()
    try:
        del found
        assert peers() is None
        assert [each() for each in watched] == [*kept, *[None] * (5 - keep)]
    finally:
        gc.enable()
    assert all(peers_of(each)[0] is each for each in kept)


def test_one_kept_object_of_many_keeps_no_references_to_the_others():
    found = list(result(100))
    one = found[0]
    link = one._state.peers
    assert len(link._survivors) == 100
    del found
    assert len(link._survivors) < 4
    assert peers_of(one) == [one]


def test_the_last_object_frees_the_link_without_the_garbage_collector():
    found = list(result(5))
    gc.collect()
    gc.disable()
    try:
        del found
        assert not [each for each in gc.get_objects() if type(each) is Peers]
    finally:
        gc.enable()


def test_the_link_lasts_as_long_as_one_copy_of_the_list():
    found = result(4)
    other = found.copy()
    assert type(other) is ResultList
    del found
    assert numbers(other[3]) == [3, 0, 1, 2]
    other.remove(Todo(id=1))
    other.append(Todo(id=7))
    other.append(other[0])
    assert numbers(other[2]) == [3, 0, 2]


def test_an_object_that_left_the_list_finds_those_in_it():
    found = result(3)
    assert numbers(found.pop()) == [2, 0, 1]


def test_objects_that_are_no_longer_stored_are_not_peers():
    found = result(4)
    found[1]._state.adding = True
    found[2]._state.using = "other"
    assert numbers(found[0]) == [0, 3]
    assert numbers(found[1]) == [1]
    assert numbers(found[2]) == [2]


def test_a_copy_of_an_object_or_of_a_list_has_no_peers():
    found = result(2)
    for copied in (
        copy.copy(found[0]),
        copy.deepcopy(found[0]),
        copy.copy(found)[0:][0],
        copy.deepcopy(found)[0],
        pickle.loads(pickle.dumps(found))[0],
    ):
        assert copied == found[0]
        assert copied is found[0] or peers_of(copied) == [copied]
    for other in (copy.copy(found), copy.deepcopy(found), found[:], found + found):
        assert type(other) is list
    assert type(pickle.loads(pickle.dumps(found))) is list


def test_a_copy_of_the_list_spares_references_to_each_object():
    found = result(5)
    link, kept = found[0]._state.peers, found.copy()
    del found
    assert link._survivors == []
    assert numbers(kept[4]) == [4, 0, 1, 2, 3]
