"""Each public method reads from a replica, or from the primary."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.core.management import call_command
from django.db.models import Count
from django.http import HttpResponse

import django_ormist as ormist
from django_ormist.admin.errors import may_view, show_store_errors
from django_ormist.admin.proxies import admin_model_for
from django_ormist.connections.replica_reads import from_primary
from django_ormist.flows.pending import begin, innermost
from django_ormist.models.base import Model
from django_ormist.models.collection import Collection
from django_ormist.models.reading import ReadMethods
from django_ormist.models.results import LazyResults
from django_ormist.models.values import ValuesCollection
from django_ormist.models.writing import WriteMethods
from django_ormist.sessions import views
from django_ormist.sessions.store import SessionStore
from tests import servers
from tests.architecture.test_sync_async import methods_that_run
from tests.replicas import answered_by

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


class MethodNote(ormist.TaggedAttrsModel):
    class Meta:
        ordered = ["number"]
        unique = ["email"]
        counters = ["views"]


def everything():
    return MethodNote.objects.find("a")


def values():
    return everything().values("number")


def texts():
    return everything().values_list("text", flat=True)


# By the name of the method: what to call, with the stored note and ask().
READS = {
    "get": lambda ask, note: ask(MethodNote.objects.get, note.id),
    "get_or_none": lambda ask, note: ask(MethodNote.objects.get_or_none, note.id),
    "first": lambda ask, note: ask(everything().first),
    "last": lambda ask, note: ask(everything().last),
    "earliest": lambda ask, note: ask(everything().earliest),
    "latest": lambda ask, note: ask(everything().latest, "number"),
    "count": lambda ask, note: ask(everything().count),
    "exists": lambda ask, note: ask(everything().exists),
    "contains": lambda ask, note: ask(everything().contains, note),
    "ids": lambda ask, note: ask(everything().ids),
    "in_bulk": lambda ask, note: ask(MethodNote.objects.in_bulk, [note.id]),
    "facets": lambda ask, note: ask(everything().facets, "number"),
    "aggregate": lambda ask, note: ask(everything().aggregate, Count("number")),
    "explain": lambda ask, note: ask(everything().explain),
    "list": lambda ask, note: ask(everything().list),
    "iterator": lambda ask, note: ask(list, everything()),
    "iteration in chunks": lambda ask, note: (
        list(everything().iterator(1))
        if not ask.is_async
        else ask.wait(_collect(everything().aiterator(1)))
    ),
    "values.get": lambda ask, note: ask(values().get, note.id),
    "values.first": lambda ask, note: ask(values().first),
    "values.last": lambda ask, note: ask(values().last),
    "values.earliest": lambda ask, note: ask(values().earliest),
    "values.latest": lambda ask, note: ask(values().latest),
    "values.count": lambda ask, note: ask(values().count),
    "values.exists": lambda ask, note: ask(values().exists),
    "values.in_bulk": lambda ask, note: ask(values().in_bulk, [note.id]),
    "values.aggregate": lambda ask, note: ask(values().aggregate, Count("number")),
    "values.explain": lambda ask, note: ask(values().explain),
    "values.list": lambda ask, note: ask(values().list),
    "values.distinct": lambda ask, note: ask(texts().distinct().list),
    "values in chunks": lambda ask, note: (
        list(values().iterator(1))
        if not ask.is_async
        else ask.wait(_collect(values().aiterator(1)))
    ),
}
SYNC_READS = {
    "[0]": lambda note: everything()[0],
    "[:1]": lambda note: list(everything()[:1]),
    "len": lambda note: len(everything()),
    "bool": lambda note: bool(everything()),
    "in": lambda note: note in everything(),
    "repr": lambda note: repr(everything()),
}
WRITES = {
    "save": lambda ask, note: ask(_changed(note).save),
    "save update_fields": lambda ask, note: ask(
        MethodNote(id=note.id, text="z").save, update_fields=["text"]
    ),
    "save after a conflict": lambda ask, note: ask(_stale(note).save),
    "validate_unique": lambda ask, note: ask(_with_new_email(note).validate_unique),
    "delete": lambda ask, note: ask(note.delete),
    "refresh_from_db": lambda ask, note: ask(note.refresh_from_db),
    "increment": lambda ask, note: ask(note.increment, "views"),
    "increment an attribute": lambda ask, note: ask(note.increment, "number"),
    "create": lambda ask, note: ask(MethodNote.objects.create, "b"),
    "bulk_create": lambda ask, note: ask(
        MethodNote.objects.bulk_create, [MethodNote("b") for _ in range(3)]
    ),
    "bulk_create with conflicts": lambda ask, note: ask(
        MethodNote.objects.bulk_create,
        [MethodNote("b", email="a@b.c", number=7)],
        update_conflicts=True,
        update_fields=["number"],
        unique_fields=["email"],
    ),
    "bulk_save": lambda ask, note: ask(MethodNote.objects.bulk_save, [_changed(note)]),
    "bulk_update": lambda ask, note: ask(
        MethodNote.objects.bulk_update, [_changed(note)], ["text"]
    ),
    "get_or_create": lambda ask, note: ask(
        MethodNote.objects.get_or_create, email="a@b.c"
    ),
    "get_or_create a new one": lambda ask, note: ask(
        MethodNote.objects.get_or_create, email="new@b.c"
    ),
    "update_or_create": lambda ask, note: ask(
        MethodNote.objects.update_or_create, {"text": "z"}, email="a@b.c"
    ),
    "update": lambda ask, note: ask(everything().update, text="z"),
    "collection.delete": lambda ask, note: ask(everything().delete),
    "set_expire": lambda ask, note: ask(everything().set_expire, 60),
    "session load": lambda ask, note: ask(SessionStore("k" * 32).load),
    "session exists": lambda ask, note: ask(SessionStore().exists, "k" * 32),
    "session save": lambda ask, note: _save_session(ask),
}


async def _collect(iterator):
    return [each async for each in iterator]


def _changed(note):
    note.text = "changed"
    return note


def _with_new_email(note):
    note.email = "new@b.c"
    return note


def _stale(note):
    """The note, which another client has changed since."""
    other = MethodNote.objects.filter(pk=note.id)
    with from_primary():
        loaded = MethodNote.objects.get(note.id)
    other.update(number=99)
    loaded.text = "changed"
    return loaded


def _save_session(ask):
    store = SessionStore("k" * 32)
    ask(store.__class__.exists.__get__(store), "k" * 32)
    store._session_cache = {"a": 1}
    with pytest.raises(UpdateError):
        ask(store.save)


@pytest.fixture
def note(connection, nodes):
    made = MethodNote.objects.create("a", number=1, text="x", email="a@b.c")
    MethodNote.objects.create("a", number=2, text="x")
    nodes.catch_up()
    yield made
    with nodes.primary.client() as client:
        client.flushall()


@pytest.mark.parametrize("name", READS)
def test_a_reading_method_reads_from_a_replica(ask, seen, note, nodes, name):
    seen.clear()
    READS[name](ask, note)
    assert seen
    assert {each.address[1] for each in seen} <= nodes.ports


@pytest.mark.parametrize("name", SYNC_READS)
def test_evaluation_reads_from_a_replica(note, nodes, name):
    assert answered_by(SYNC_READS[name], note) <= nodes.ports


@pytest.mark.parametrize("name", WRITES)
def test_what_writes_reads_from_the_primary(ask, seen, note, nodes, name):
    seen.clear()
    WRITES[name](ask, note)
    assert seen
    assert {each.address[1] for each in seen} == {nodes.primary.port}


@pytest.mark.parametrize("name", READS)
def test_in_a_block_the_primary_answers(ask, seen, note, nodes, name):
    seen.clear()
    if ask.is_async:

        async def enter():
            await ormist.atomic().__aenter__()

        ask.wait(enter())
        READS[name](ask, note)
        ask.wait(ormist.atomic().__aexit__(None, None, None))
    else:
        with ormist.atomic():
            READS[name](ask, note)
    assert {each.address[1] for each in seen} == {nodes.primary.port}


def test_a_block_of_another_alias_does_not_matter(note, nodes):
    begin("other")
    try:
        assert answered_by(MethodNote.objects.get, note.id) <= nodes.ports
    finally:
        innermost("other").discard()


# ---------------------------------------------------------------- what is pinned

ADMIN = {
    "list": lambda rows, note: list(rows),
    "len": lambda rows, note: len(rows),
    "[0]": lambda rows, note: rows[0],
    "[:1]": lambda rows, note: list(rows[:1]),
    "count": lambda rows, note: rows.count(),
    "exists": lambda rows, note: rows.exists(),
    "get": lambda rows, note: rows.get(pk=note.id),
    "first": lambda rows, note: rows.first(),
}


@pytest.mark.parametrize("name", ADMIN)
def test_the_admin_reads_from_the_primary(note, nodes, name):
    rows = admin_model_for(MethodNote).objects.all()
    assert answered_by(ADMIN[name], rows, note) == {nodes.primary.port}


def test_a_view_of_the_admin_reads_from_the_primary(note, nodes):
    @show_store_errors(may_view)
    def view(model_admin, request):
        return list(everything())

    assert answered_by(view, None, None) == {nodes.primary.port}
    assert answered_by(list, everything()) <= nodes.ports


@pytest.mark.parametrize(
    "command",
    [
        ("ormist_flush", MethodNote._meta.label, "--tag", "a", "--dry-run"),
        ("ormist_dump", MethodNote._meta.label),
    ],
    ids=lambda words: words[0],
)
def test_commands_read_from_the_primary(note, nodes, command):
    def call():
        call_command(*command, stdout=StringIO(), stderr=StringIO())

    assert answered_by(call) == {nodes.primary.port}


def test_the_page_of_devices_reads_from_the_primary(note, nodes, rf, monkeypatch):
    for name in ("render", "select_template"):  # the page itself is not of interest
        monkeypatch.setattr(views, name, lambda *arguments: HttpResponse())
    request = rf.get("/")
    request.user, request.session = User(pk=5), SessionStore()
    assert answered_by(views.devices, request) == {nodes.primary.port}


def test_every_public_method_is_in_a_table():
    owners = ReadMethods, WriteMethods, LazyResults, ValuesCollection, Collection, Model
    known = {cls.__name__ for cls in owners}
    methods = {
        name.split(".")[-2:][1]
        for name, _, _ in methods_that_run()
        if name.split(".")[-2] in known
    }
    tables = {name.split()[0].split(".")[-1] for name in (*READS, *WRITES)}
    assert {"get", "save", "values", "list"} & methods
    assert methods <= tables
