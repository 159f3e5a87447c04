"""bulk_create() does not write after a refused batch."""

import asyncio
import re

import pytest
import redis

import django_ormist as ormist
from django_ormist.connections import messages
from django_ormist.keys import all_key
from django_ormist.operations.batches import INSERTED, Insertion
from tests.models import City, Page, Plain, Todo

OPTIONS = [
    {"ignore_conflicts": True},
    {"update_conflicts": True, "update_fields": ["n"], "unique_fields": ["id"]},
]


def made(number, model=Todo, **attrs):
    return [model(id=f"n{i:05}", n=i, **attrs) for i in range(number)]


def stored_of(objs):
    return [each for each in objs if not each._state.adding]


@pytest.fixture
def when_sent(monkeypatch):
    """Takes a function that gets the place of a batch and its words, before they go."""

    def take(function):
        made = Insertion.wire_args

        def wire_args(insertion):
            words = made(insertion)
            return function(insertion.link.place, words) or words

        monkeypatch.setattr(Insertion, "wire_args", wire_args)

    return take


@pytest.mark.parametrize("options", [{}, OPTIONS[0]])
def test_an_error_reply_tells_what_was_written_before(
    ask, is_sound, when_sent, options
):
    objs = made(6)
    when_sent(lambda place, words: ("NOSUCH",) if place == 1 else None)
    with pytest.raises(redis.ResponseError, match="NOSUCH") as raised:
        ask(Todo.objects.bulk_create, objs, batch_size=2, **options)
    assert "2 objects of the batches before were written." in raised.value.__notes__
    assert ask(Todo.objects.ids) == [each.id for each in objs[:2]]
    assert stored_of(objs) == objs[:2]
    assert is_sound()


@pytest.mark.parametrize("options", [{}, OPTIONS[0]])
def test_counters_that_are_assigned_meanwhile_are_left_to_the_next_save(
    ask, server, when_sent, options
):
    first, last = objs = made(2, Page)

    def assign(place, words):
        if place == 0:
            first.views, last.votes, last.n = 7, 9, 5

    when_sent(assign)
    ask(Page.objects.bulk_create, objs, batch_size=1, **options)
    found = ask(Page.objects.values_list("n", "views", "votes").list)
    assert found == [(0, 0, 0), (1, 0, 0)]
    ask(first.save)
    ask(last.save)
    found = ask(Page.objects.values_list("n", "views", "votes").list)
    assert found == [(0, 7, 0), (5, 0, 9)]


@pytest.mark.slow
@pytest.mark.parametrize("earlier", [200, 1, 300, 500])
def test_an_id_stored_earlier_refuses_all_later_batches(ask, is_sound, earlier):
    objs = made(1000)
    ask(Todo.objects.bulk_create, objs[:earlier])
    again = made(1000)
    with pytest.raises(ormist.IntegrityError, match=r"; 0 objects of the batches bef"):
        ask(Todo.objects.bulk_create, again)
    assert ask(Todo.objects.ids) == [each.id for each in objs[:earlier]]
    assert stored_of(again) == []
    assert is_sound()


@pytest.mark.slow
@pytest.mark.parametrize("taken", [0, 199, 200, 950, 999, 1000, 1100, 1499])
def test_the_error_states_the_number_of_written_objects(ask, is_sound, taken):
    objs = made(1500)
    ask(Todo.objects.create, id=objs[taken].id, n=taken)
    with pytest.raises(ormist.IntegrityError) as refused:
        ask(Todo.objects.bulk_create, objs)
    written = int(re.search(r"; (\d+) objects of the batches", str(refused.value))[1])
    assert written == taken // INSERTED.objects * INSERTED.objects
    assert ask(Todo.objects.count) == written + 1
    assert stored_of(objs) == objs[:written]
    assert is_sound()


def test_a_taken_value_refuses_all_later_batches(ask, is_sound):
    ask(City.objects.create, id="old", code=250)
    cities = [City(id=f"c{i}", code=i) for i in range(500)]
    with pytest.raises(ormist.IntegrityError, match="code=250 is taken.*; 200 objects"):
        ask(City.objects.bulk_create, cities)
    assert ask(City.objects.count) == 201
    assert stored_of(cities) == cities[:200]
    assert is_sound()


@pytest.mark.parametrize("size", [1, 7, 30])
def test_an_object_stored_earlier_in_any_batch_stops_the_call(ask, is_sound, size):
    objs = made(60)
    ask(Todo.objects.bulk_create, [objs[size - 1], *objs[size:]], batch_size=size)
    with pytest.raises(
        ormist.IntegrityError, match="; 0 objects of the batches before"
    ):
        ask(Todo.objects.bulk_create, made(60), batch_size=size)
    assert ask(Todo.objects.count) == len(objs) - size + 1
    assert is_sound()


@pytest.mark.parametrize("options", [{}, *OPTIONS])
def test_batch_markers_are_removed(ask, server, options):
    ask(Todo.objects.bulk_create, made(250))
    with pytest.raises(ormist.IntegrityError):
        ask(Todo.objects.bulk_create, made(250))
    ask(Todo.objects.bulk_create, made(350), **(options or OPTIONS[0]))
    assert server.keys("*batch*") == []
    ask(Todo.objects.all().delete)
    assert server.keys() == []


@pytest.mark.parametrize("options", [{}, *OPTIONS])
def test_a_batch_that_cannot_be_written_ends_the_call(ask, server, options):
    """A key of the third batch holds another type, so two batches are stored."""
    key = Page(id="n00450")._key().replace(b":o:", b":c:")
    server.client.lpush(key, "x")
    objs = made(500, Page, views=1)
    with pytest.raises(ormist.CorruptDataError, match="c:n00450"):
        ask(Page.objects.bulk_create, objs, **options)
    assert stored_of(objs) == objs[:400]
    assert ask(Page.objects.count) == 400
    assert server.keys("*batch*") == []


@pytest.mark.parametrize("options", [{}, OPTIONS[0]])
def test_batches_with_orphan_index_entries_are_written_in_order(
    ask, server, options, is_sound
):
    """One object of the second batch has orphan index entries."""
    ask(Todo.objects.create, "x", id="n00250")
    server.client.delete(Todo(id="n00250")._key())
    objs = made(500)
    ask(Todo.objects.bulk_create, objs, **options)
    assert ask(Todo.objects.ids) == [each.id for each in objs]
    assert stored_of(objs) == objs
    assert is_sound()


def test_all_expired_objects_are_left_out_at_once(ask, round_trips):
    objs = made(1000)
    for each in objs[1:]:
        each.expire = -1
    with round_trips() as seen:
        ask(Todo.objects.bulk_create, objs, batch_size=1000)
    assert seen.count == 2
    assert ask(Todo.objects.ids) == ["n00000"]


def test_expired_objects_do_not_stop_later_batches(ask, is_sound):
    objs = made(600)
    for each in objs[200:400]:
        each.expire = -1
    ask(Todo.objects.bulk_create, objs)
    assert ask(Todo.objects.count) == 400
    assert is_sound()


def test_ten_thousand_objects_take_ten_round_trips(ask, round_trips):
    with round_trips() as seen:
        ask(Plain.objects.bulk_create, [Plain() for _ in range(10_000)])
    assert seen.count <= 10


def test_a_single_batch_does_not_need_a_marker(server):
    Todo.objects.bulk_create(made(100))
    assert server.client.zcard(all_key(Todo._meta.space("default"))) == 100


@pytest.mark.parametrize(
    "spoil",
    [
        lambda last: last.attrs.update(n=object()),
        lambda last: last.attrs.update(n="\ud800"),
        lambda last: last.__dict__.update(id="\ud800"),
        lambda last: setattr(last, "tags", [f"t{i}" for i in range(17_000)]),
    ],
    ids=["type", "text", "id", "tags"],
)
@pytest.mark.parametrize("options", [{}, OPTIONS[0]])
def test_every_object_is_validated_before_the_first_is_written(
    ask, server, spoil, options
):
    objs = made(1500)
    objs[-1].expire = 60
    spoil(objs[-1])
    with pytest.raises((TypeError, ValueError)):
        ask(Todo.objects.bulk_create, objs, **options)
    assert server.keys() == []
    assert stored_of(objs) == []


def test_a_cancelled_call_leaves_its_connection_to_nobody(server, monkeypatch):
    """The first batches are stored. The connection, with unread replies, is closed."""
    sent = 0
    send = messages.asend_bytes

    async def cancel(connection, request):
        nonlocal sent
        sent += 1
        if sent == 3:
            asyncio.current_task().cancel()
        await send(connection, request)
        await asyncio.sleep(0)

    async def create():
        await Todo.objects.acreate("first")
        with monkeypatch.context() as patch:
            patch.setattr(messages, "asend_bytes", cancel)
            with pytest.raises(asyncio.CancelledError):
                await Todo.objects.abulk_create(made(1000))
        return await asyncio.gather(*(Todo.objects.aexists() for _ in range(100)))

    assert asyncio.run(create()) == [True] * 100
    assert sent == 3
    assert (Todo.objects.count() - 1) % 100 == 0
    assert Todo.objects.count() <= 601  # two batches in a piece
