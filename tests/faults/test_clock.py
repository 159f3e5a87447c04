"""A server whose clock was ahead has removed objects too early."""

import pytest
from django.core.management import CommandError, call_command

from django_ormist import connections
from tests.checker import raw_faults
from tests.models import City, Plain, Todo, User


@pytest.fixture
def removed(server):
    """Removes the bytes of these objects, as a server does whose clock is ahead."""

    def remove(*objs):
        server.client.delete(*(each._key() for each in objs))

    return remove


@pytest.mark.parametrize("model", [Plain, Todo, User, City])
def test_a_list_corrects_the_counts(ask, server, removed, model):
    attrs = {} if model is Todo else {"name": "n"}
    objs = [model(expire=3600, **attrs) for _ in range(51)]
    ask(model.objects.bulk_create, objs)
    removed(*objs)
    collection = model.objects.all()
    assert ask(collection.count) == 51
    assert ask(model.objects.all().list) == []
    assert ask(model.objects.all().count) == 0
    assert server.keys() == []


def test_remaining_objects_are_kept(ask, server, removed):
    lost = ask(Todo.objects.bulk_create, [Todo("x", expire=60) for _ in range(1400)])
    kept = ask(Todo.objects.bulk_create, [Todo("x", expire=9000) for _ in range(100)])
    ever = ask(Todo.objects.create, "x")
    removed(*lost)
    for _ in range(7):  # two hundred each
        assert ask(Todo.objects.find("x").list) == [*kept, ever]
    assert ask(Todo.objects.find("x").count) == 101
    assert raw_faults(server.client, server.key_prefix) == []


def test_a_few_missing_objects_take_no_extra_round_trip(ask, round_trips, server):
    objs = ask(Todo.objects.bulk_create, [Todo("x", expire=60) for _ in range(20)])
    server.client.delete(objs[0]._key())
    with round_trips() as seen:
        assert ask(Todo.objects.find("x").list) == objs[1:]
    assert seen.count == (2 if connections["default"].refused else 1)


def test_verify_reports_it_and_repair_removes_the_entries(server, removed, capsys):
    objs = Todo.objects.bulk_create([Todo("x", expire=3600) for _ in range(5)])
    removed(*objs)
    with pytest.raises(CommandError):
        call_command("ormist_inspect", "tests.Todo", verify=True)
    assert "missing-object" in capsys.readouterr().out
    call_command("ormist_inspect", "tests.Todo", repair=True)
    assert server.keys() == []
