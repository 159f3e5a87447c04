"""ormist_flush deletes only what it announced, after confirmation."""

import os
import sys
from itertools import count

import pytest
from django.core.management import CommandError

import django_ormist as ormist
from django_ormist.connections import connections
from django_ormist.connections.connection import Connection
from django_ormist.keys import all_key, object_key, term_key
from django_ormist.management.commands import ormist_flush
from django_ormist.terms import term_suffix
from tests.models import Page, Plain, Session, Todo, User


@pytest.fixture
def stored(server):
    """Twelve to-dos, two users, and five keys of an unregistered model."""
    Todo.objects.bulk_create(Todo("x", f"t{i % 3}", id=f"i{i}") for i in range(12))
    User.objects.bulk_create([User(name="Ann"), User("x", name="Bob")])
    old = f"{server.key_prefix}:{{old.Thing}}:"
    for name in ("o:1", "o:2", "all", "t:x"):
        server.client.set(old + name, "x")
    server.client.hset(old + "c:1", "views", 1)


def keys_of(model):
    """Return the keys of a sound store with these objects."""
    space, keys = model._meta.space("default"), set()
    for each in model.objects.all():
        keys |= {all_key(space), object_key(space, each.id)}
        keys |= {term_key(space, term_suffix(tag)) for tag in each.tags}
    return sorted(keys)


def is_sound(server, model):
    """Return whether counts, lists and keys of a model agree."""
    alive = model.objects.all().list()
    tags = {tag for each in alive for tag in each.tags}
    return (
        model.objects.count() == len(alive)
        and server.keys(f"*{{{model._meta.label}}}*") == keys_of(model)
        and all(
            model.objects.find(tag).count() == sum(tag in each.tags for each in alive)
            for tag in tags
        )
    )


def test_flush_of_a_model_keeps_the_others(command, stored, server):
    printed = command("ormist_flush", "tests.Todo", interactive=False)
    assert printed == "Deleted 12 objects.\n"
    assert not server.keys("*{tests.Todo}*")
    assert User.objects.count() == 2
    assert len(server.keys("*{old.Thing}*")) == 5


class Album(ormist.TaggedModel):
    class Meta:
        app_label = "tests"


class Song(ormist.TaggedModel):
    album: ormist.Ref[Album] = ormist.ref(on_delete=ormist.CASCADE)
    kept = ormist.ref(Album, null=True, on_delete=ormist.PROTECT)

    class Meta:
        app_label = "tests"
        index_attrs = ("album", "kept")


@pytest.mark.parametrize(
    ("arguments", "left"),
    [(["tests.Album"], 1), (["tests.Album", "--tag", "x"], 1), ([], 0)],
)
def test_flush_deletes_nothing_else_by_on_delete(command, server, arguments, left):
    """As Django's flush. Nor does PROTECT refuse it."""
    one, two = Album.objects.bulk_create([Album("x"), Album("x")])
    Song.objects.create(album=one, kept=two)
    printed = command("ormist_flush", *arguments, interactive=False)
    assert printed == f"Deleted {3 - left} objects.\n"
    assert Album.objects.count() == 0
    assert Song.objects.count() == left


def test_flush_without_a_model_removes_every_key_of_the_prefix(command, stored, server):
    printed = command("ormist_flush", "--noinput")
    assert printed == "Deleted 14 objects and 5 keys without an object.\n"
    assert server.keys() == []


def test_flush_describes_the_deletion_and_needs_a_literal_yes(command, stored, server):
    printed = command("ormist_flush", stdin="yes\n")
    for word in ("default", server.key_prefix, "tests.Todo", "old.Thing (no model)"):
        assert word in printed
    assert "12 objects, 17 keys" in printed
    assert "2 objects, 5 keys" in printed
    assert "for good" in printed
    assert server.keys() == []


@pytest.mark.parametrize("typed", ["", "y\n", "YES\n", "no\n", "\n"])
def test_any_other_answer_cancels_the_flush(command, stored, server, typed):
    before = server.keys()
    with pytest.raises(CommandError, match="Not deleted"):
        command("ormist_flush", stdin=typed)
    assert server.keys() == before


def test_flush_without_a_terminal_names_the_option(
    command, stored, server, monkeypatch
):
    before = server.keys()
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(CommandError, match="--noinput"):
            command("ormist_flush")
    assert server.keys() == before


def test_a_dry_run_describes_the_deletion_and_deletes_nothing(command, stored, server):
    before = server.keys()
    printed = command("ormist_flush", "tests.Todo", "--dry-run")
    assert "12 objects, 17 keys" in printed
    assert "Dry run: the data was not deleted." in printed
    assert server.keys() == before


def test_flush_of_an_empty_store_needs_no_confirmation(command, server):
    assert command("ormist_flush") == "There is no data to delete.\n"
    assert command("ormist_flush", "tests.Todo", "--tag", "x").startswith("There is no")


def test_flush_is_silent_at_verbosity_0(command, stored, server):
    assert command("ormist_flush", interactive=False, verbosity=0) == ""
    assert server.keys() == []


def test_flush_by_tags_deletes_objects_with_all_of_them(command, stored, server):
    words = ("ormist_flush", "tests.Todo", "--tag", "x", "--tag", "t1", "--noinput")
    assert command(*words) == "Deleted 4 objects.\n"
    assert Todo.objects.count() == 8
    assert is_sound(server, Todo)


def test_flush_by_the_tag_of_an_attribute(command, stored):
    command("ormist_flush", "tests.User", "--tag", "name:Ann", "--noinput")
    assert [user.name for user in User.objects.all()] == ["Bob"]
    Session.objects.create(user_id=3)
    kept = Session.objects.create(user_id=33)
    command("ormist_flush", "tests.Session", "--tag", "user_id:3", "--noinput")
    assert Session.objects.all().list() == [kept]


def test_flush_by_a_tag_describes_the_deletion(command, stored):
    printed = command("ormist_flush", "tests.Todo", tags=["t1"], stdin="yes\n")
    assert "tests.Todo" in printed
    assert "t1" in printed
    assert "Deleted 4 objects." in printed


def test_an_empty_list_of_tags_does_not_flush_the_model(command, stored):
    with pytest.raises(CommandError, match="Leave it out"):
        command("ormist_flush", "tests.Todo", tags=[], interactive=False)
    assert Todo.objects.count() == 12


def test_a_tag_needs_a_model_with_tags(command):
    with pytest.raises(CommandError, match="--tag needs a model"):
        command("ormist_flush", "--tag", "x")
    with pytest.raises(CommandError, match="TaggedModel"):
        command("ormist_flush", "tests.Plain", "--tag", "x", "--noinput")
    with pytest.raises(CommandError, match="index_attrs"):
        command("ormist_flush", "tests.Session", "--tag", "age:3", "--noinput")


def test_flush_removes_expired_objects_and_counters(command, server, let_expire):
    Page.objects.create("x", views=3)
    late = Page.objects.create("x", views=3, expire=3600)
    let_expire(late)
    printed = command("ormist_flush", "tests.Page", interactive=False)
    assert printed == "Deleted 1 object.\n"
    assert server.keys() == []


def test_flush_removes_damaged_objects_too(command, stored, server):
    space = Todo._meta.space("default")
    server.client.set(object_key(space, "i3"), b"\x00damaged")
    server.client.delete(object_key(space, "i4"))
    printed = command("ormist_flush", "tests.Todo", interactive=False)
    assert "i3" in printed.errors
    assert not server.keys("*{tests.Todo}*")
    assert User.objects.count() == 2


def test_flush_removes_keys_of_another_type(command, stored, server):
    space = Todo._meta.space("default")
    server.client.delete(all_key(space))
    server.client.set(all_key(space), "somebody's")
    command("ormist_flush", "tests.Todo", interactive=False)
    assert not server.keys("*{tests.Todo}*")


@pytest.mark.stray_keys
@pytest.mark.parametrize("prefix", ["a[bc]*?\\", "*", "[^x]", "é?", "a\\*"])
def test_flush_never_passes_its_prefix(command, server, prefix):
    server.connect(KEY_PREFIX=prefix)
    prefix = connections["default"].key_prefix
    Todo.objects.create("x")
    near = ["ab:{tests.Todo}:o:1", "a:{x}:o", f"{prefix}:eu:{{tests.Todo}}:o:1"]
    near += [f"{prefix}x:{{tests.Todo}}:o:1", f"{prefix}:other", f"x{prefix}:{{y}}:o:1"]
    for key in near:
        server.client.set(key, "not ours")
    assert Todo.objects.count() == 1
    command("ormist_flush", "tests.Todo", interactive=False)
    assert server.keys() == sorted(key.encode() for key in near)
    Plain.objects.create(text="x")
    command("ormist_flush", interactive=False)
    assert server.keys() == sorted(key.encode() for key in near)


def test_flush_removes_thousands_of_keys(command, server):
    old = f"{server.key_prefix}:{{old.Thing}}:"
    server.client.mset({f"{old}o:{i}": "x" for i in range(3500)})
    server.client.mset({f"{old}t:{i}": "x" for i in range(1500)})
    printed = command("ormist_flush", interactive=False)
    assert printed == "Deleted 0 objects and 5000 keys without an object.\n"
    assert server.keys() == []


def test_an_interrupted_flush_leaves_a_sound_store(command, server, monkeypatch):
    monkeypatch.setattr(ormist_flush, "IDS_A_STEP", 2)
    real_send = Connection.send
    for moment in count(1):
        User.objects.bulk_create([User("x", name=f"n{i % 2}") for i in range(6)])
        sent = []

        def send(self, operations, moment=moment, sent=sent):
            replies = real_send(self, operations)
            sent.append(operations)
            if len(sent) == moment:
                raise KeyboardInterrupt
            return replies

        with monkeypatch.context() as patched:
            patched.setattr(Connection, "send", send)
            try:
                command("ormist_flush", "tests.User", interactive=False)
                break
            except CommandError as error:
                stopped = error
        assert stopped.returncode == 130
        assert "again to go on" in str(stopped)
        assert is_sound(server, User)
    assert moment > 10
    assert server.keys() == []


def test_flush_shows_progress_only_on_a_terminal(command, stored):
    printed = command("ormist_flush", terminal=True, interactive=False)
    assert "\rtests.Todo: 12 of 12 deleted" in printed
    assert "\r" not in command("ormist_flush", interactive=False)


def test_flush_uses_the_given_alias(command, stored, server, settings):
    other = dict(settings.ORMIST["default"], KEY_PREFIX=f"{server.key_prefix}:2")
    settings.ORMIST = {**settings.ORMIST, "second": other}
    Todo.objects.using("second").create("x")
    assert "second" in command("ormist_flush", "--using", "second", "--dry-run")
    command("ormist_flush", "--using", "second", interactive=False)
    assert Todo.objects.using("second").count() == 0
    assert Todo.objects.count() == 12
    with pytest.raises(CommandError, match="nope"):
        command("ormist_flush", "--using", "nope", interactive=False)


def test_flush_removes_quarantined_keys(command, stored, server):
    for label in ("tests.Todo", "tests.User"):
        server.client.set(f"{server.key_prefix}:lost:{{{label}}}:o:x", "x")
    printed = command("ormist_flush", "tests.Todo", stdin="yes\n")
    assert "in quarantine  1 key" in printed
    assert not server.keys("*{tests.Todo}*")
    assert server.keys("*:lost:{tests.User}*")
    command("ormist_flush", interactive=False)
    assert server.keys() == []
