"""Slices of a collection, and its evaluation."""

import asyncio

import pytest

from tests.models import Todo


@pytest.mark.parametrize(
    "part",
    [
        slice(None, 5),
        slice(5, 9),
        slice(25, 99),
        slice(28, None),
        slice(99, None),
        slice(3, 3),
        slice(None, None),
        slice(None, 9, 4),
    ],
)
@pytest.mark.parametrize("tags", [(), ("even",), ("even", "all"), ("all", "third")])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_slices_are_those_of_the_list(todos, tags, part, is_reversed):
    expected = [each for each in todos if set(tags) <= set(each.tags)]
    collection = Todo.objects.find(*tags)
    if is_reversed:
        expected, collection = expected[::-1], collection.reverse()
    assert list(collection[part]) == expected[part]
    if part.step is None:
        assert collection[part].count() == len(expected[part])
        assert collection[part].ids() == [each.id for each in expected[part]]
        assert list(collection[part][1:3]) == expected[part][1:3]
        assert collection[part].exists() == bool(expected[part])


def test_an_index_gives_one_object(todos):
    assert Todo.objects.all()[7] == todos[7]
    assert Todo.objects.find("even").reverse()[0] == todos[28]
    assert Todo.objects.all()[5:][2] == todos[7]
    with pytest.raises(IndexError):
        Todo.objects.all()[30]
    with pytest.raises(IndexError):
        Todo.objects.all()[5:7][2]
    with pytest.raises(ValueError, match="Negative indexing is not supported"):
        Todo.objects.all()[-1]
    with pytest.raises(ValueError, match="Negative indexing is not supported"):
        Todo.objects.all()[-2:]
    with pytest.raises(TypeError, match="integers or slices"):
        Todo.objects.all()["x"]


@pytest.mark.parametrize("far", [2**53 - 1, 2**53, 2**63, 10**30])
def test_a_huge_index_is_past_the_end(ask, todos, far):
    for collection in (
        Todo.objects.all(),
        Todo.objects.find("even"),
        Todo.objects.find("even", "all").reverse(),
        Todo.objects.find(pk="t03"),
        Todo.objects.order_by("?"),
    ):
        with pytest.raises(IndexError):
            collection[far]
        assert ask(collection[far : far + 5].list) == []
        assert ask(collection[far:].count) == 0
        assert ask(collection[far : far + 1].exists) is False
        assert ask(collection[:far].count) == ask(collection.count)


def test_a_slice_cannot_be_filtered(todos):
    part = Todo.objects.all()[:5]
    for narrow in (
        lambda: part.find("even"),
        part.reverse,
        part.delete,
        lambda: part.set_expire(5),
        lambda: part.in_bulk(["t01"]),
        part.last,
        lambda: part.exclude("even"),
        part.distinct,
    ):
        with pytest.raises(TypeError):
            narrow()
    assert part.find().list() == part.exclude().list() == todos[:5]


def test_a_collection_is_evaluated_once(todos):
    even = Todo.objects.find("even")
    first = even.list()
    Todo.objects.create("even", number=99)
    assert len(even) == 15
    assert even.count() == 15
    assert bool(even)
    assert even[0] is first[0]
    assert even[3:5].list() == first[3:5]
    assert even[3:5][1] is first[4]
    assert todos[2] in even
    assert todos[3] not in even
    assert "'number': 0}" in repr(even)
    assert "99" not in repr(even)
    first.clear()
    assert len(even) == 15
    assert len(even.all()) == 16


def test_sync_and_async_iteration(ask, todos):
    assert ask(list, Todo.objects.find("third")) == todos[::3]
    assert ask(list, Todo.objects.none()) == []


def test_iterator_gives_each_object_once(todos):
    assert list(Todo.objects.iterator(chunk_size=7)) == todos
    assert list(Todo.objects.find("even")[2:9].iterator(2)) == todos[::2][2:9]
    for wrong in (0, -1, "x"):
        with pytest.raises(ValueError, match=f"strictly positive, not {wrong!r}"):
            list(Todo.objects.iterator(chunk_size=wrong))


def test_aiterator_gives_each_object_once(todos):
    async def collected():
        return [each async for each in Todo.objects.aiterator(chunk_size=7)]

    assert asyncio.run(collected()) == todos


def test_repr_shows_the_first_twenty(todos):
    shown = repr(Todo.objects.all())
    assert shown.startswith("<Collection [<Todo id:t00 attrs:{'number': 0}>, ")
    assert "t19" in shown
    assert "t20" not in shown
    assert shown.endswith("'...(remaining elements truncated)...']>")
    assert repr(Todo.objects.find(pk="t03")) == (
        "<Collection [<Todo id:t03 attrs:{'number': 3}>]>"
    )
