"""ormist_reindex --move: objects follow Meta.slot, forward, back, and after a kill."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError

import django_ormist as ormist
from django_ormist.codecs import pack, unpack
from django_ormist.connections.executor import run
from django_ormist.keys import Space, journal_key
from django_ormist.management import moving
from django_ormist.operations import move
from tests.checker import raw_faults
from tests.commands.test_reindex import declared

pytestmark = pytest.mark.servers(
    "valkey91",
    "valkey91-json",
    "valkey91-resp3",
    "valkey91-cluster",
    "fakeredis",
)

FAR = datetime(2100, 1, 1, tzinfo=UTC)
OPTIONS = {
    "index_attrs": ["city"],
    "ordered": ["size"],
    "unique": ["code"],
    "counters": ["views", "votes"],
}


def thing(**more):
    """Declare ``tests.Thing`` with every kind of index."""
    return declared(**OPTIONS, **more)


def store(number=110):
    """Store objects under the keys that they have without a slot."""
    with thing() as Thing:
        return Thing.objects.bulk_create(
            Thing(
                "t",
                "x" * 100,
                id=f"id {n}:}}",
                city=f"c{n % 3}",
                size=n,
                code=n,
                views=n % 4,
                expire=FAR if n % 2 else None,
            )
            for n in range(number)
        )


def facts(Thing):
    """Return everything that is stored of each object, in order of creation."""
    rows = Thing.objects.all().list()
    scores = dict(
        ormist.connections["default"].client.zrange(
            Thing._meta.space("default").base + b"all", 0, -1, withscores=True
        )
    )
    return [
        (
            each.id,
            each.attrs,
            each.tags,
            each.expire,
            each.views,
            scores[each.id.encode()],
        )
        for each in rows
    ]


def is_sound(server):
    return raw_faults(server.client, server.key_prefix) == []


def space_of(server, slot=""):
    return Space(server.key_prefix, "tests.Thing", slot)


def test_everything_moves_into_the_slot_and_back(command, server):
    store()
    with thing() as Thing:
        before, keys = facts(Thing), server.keys()
    with thing(slot="shop") as Thing:
        assert Thing.objects.count() == 0
        said = command("ormist_reindex", "tests.Thing", "--move")
        assert said == (
            "tests.Thing (default): 110 objects moved from {tests.Thing}; "
            "quarantined keys: 0; left: 0.\n"
        )
        assert facts(Thing) == before
        assert is_sound(server)
        assert Thing.objects.filter(size__gte=90, city="c1").count() == 7
        said = command("ormist_reindex", "tests.Thing", "--move")
        assert said == "default: no objects are under other keys.\n"
        new = Thing.objects.create("t")
    with thing(slot="mall") as Thing:
        command("ormist_reindex", "--move")
        assert facts(Thing)[:-1] == before
        Thing.objects.get(new.id).delete()
    with thing() as Thing:
        command("ormist_reindex", "tests.Thing", "--move")
        assert facts(Thing) == before
        assert server.keys() == keys
        assert is_sound(server)


def test_a_neighbour_in_the_slot_stays(command, server):
    with declared(slot="shop", model_name="ThingLine") as Line:
        Line.objects.create("t", id="1")
    with thing(slot="shop") as Thing:
        Thing.objects.create("t", id="1")
    with thing() as Thing, declared(slot="shop", model_name="ThingLine") as Line:
        command("ormist_reindex", "--move")
        assert Thing.objects.find("t").ids() == ["1"]
        assert Line.objects.find("t").ids() == ["1"]
        assert is_sound(server)


def test_an_object_under_both_keys_stays_under_both(command, server):
    store(3)
    old = space_of(server).objects + b"id 1:}"
    with thing(slot="shop") as Thing:
        Thing.objects.create(id="id 1:}", city="new")
        Thing.objects.create(id="other", code=2)
        with pytest.raises(CommandError, match="former keys: 2") as error:
            command("ormist_reindex", "tests.Thing", "--move")
        assert error.value.returncode == 1
        assert server.client.exists(old)
        assert Thing.objects.get("id 1:}").city == "new"
        assert Thing.objects.count() == 3
        Thing.objects.get("id 1:}").delete()
        server.client.delete(space_of(server).objects + b"id 2:}")
        command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.get("id 1:}").city == "c1"
        assert Thing.objects.order_by("created").ids() == ["id 0:}", "id 1:}", "other"]
        assert is_sound(server)
        assert not server.keys(space_of(server).base + b"*")


def test_each_object_that_is_left_is_named(command, server):
    store(4)
    client, old = server.client, space_of(server)
    client.set(old.objects + b"id 0:}", b"garbage")
    client.set(old.objects + b"id 1:}", b"\x08later")
    client.set(old.base + b"foreign", b"x")
    client.hset(old.base + b"c:id 2:}", "views", 5)
    with thing(slot="shop") as Thing:
        Thing.objects.create(id="id 2:}", code="x")
        Thing.objects.create(id="new", code=3)
        with pytest.raises(CommandError, match="former keys: 5") as error:
            command("ormist_reindex", "tests.Thing", "--move")
    at = f"at {server.key_prefix}:{{tests.Thing}}:"
    assert error.value.errors.splitlines() == [
        f"tests.Thing: unreadable-object {at}o:id 0:}}, id id 0:}}",
        f"tests.Thing: later-format {at}o:id 1:}}, id id 1:}}",
        f"tests.Thing: taken-id {at}o:id 2:}}, id id 2:}}",
        f"tests.Thing: taken-value {at}o:id 3:}}, id id 3:}}, new",
        f"tests.Thing: foreign-key {at}foreign",
    ]
    assert client.get(old.objects + b"id 0:}") == b"garbage"


def test_damage_under_the_former_keys_is_repaired(command, server):
    store(4)
    client, old = server.client, space_of(server)
    client.zrem(old.base + b"all", "id 0:}")  # unlisted
    client.delete(old.objects + b"id 1:}")  # missing
    client.zrem(old.base + b"by:size", *client.zrange(old.base + b"by:size", 0, -1))
    client.hset(old.base + b"c:gone", "views", 1)
    client.zadd(old.base + b"t:surplus", {"gone": 1})
    with thing(slot="shop") as Thing:
        command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.order_by("created").ids() == ["id 2:}", "id 3:}", "id 0:}"]
        assert Thing.objects.filter(size__lt=9).count() == 3
        assert is_sound(server)


def test_expired_objects_are_not_moved(command, server):
    store(4)
    client, old = server.client, space_of(server)
    client.zadd(old.base + b"expires", {"id 1:}": 1})
    client.delete(old.objects + b"id 1:}", old.base + b"c:id 1:}")
    with thing(slot="shop") as Thing:
        assert "3 objects" in command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.count() == 3
        assert is_sound(server)


def test_quarantined_keys_move_with_their_model(command, server):
    client, prefix = server.client, server.key_prefix
    client.set(f"{prefix}:lost:{{tests.Thing}}:o:x", b"bytes", px=1_000_000)
    client.hset(f"{prefix}:lost:{{tests.Thing}}:c:x", "a", 1)
    client.set(f"{prefix}:lost:{{tests.Thing}}:o:y", b"old")
    client.set(f"{prefix}:lost:{{shop}}:tests.Thing:o:y", b"new")
    with thing(slot="shop"), pytest.raises(CommandError, match="former keys: 1"):
        command("ormist_reindex", "tests.Thing", "--move")
    new = f"{prefix}:lost:{{shop}}:tests.Thing:"
    assert client.get(f"{new}o:x") == b"bytes"
    assert 0 < client.pttl(f"{new}o:x") <= 1_000_000
    assert client.hgetall(f"{new}c:x") == {b"a": b"1"}
    assert client.pttl(f"{new}c:x") == -1
    assert client.get(f"{new}o:y") == b"new"
    assert server.keys(f"{prefix}:lost:{{tests.Thing}}:*") == [
        f"{prefix}:lost:{{tests.Thing}}:o:y".encode()
    ]


class Stopped(Exception):
    """The end of a run in a test, as SIGKILL would do it."""


def stop_after(monkeypatch, number):
    """Let the run of a move end after this many round trips or flows."""
    left = iter(range(number))

    def stopping(flow, using):
        if next(left, None) is None:
            raise Stopped
        return run(flow, using)

    monkeypatch.setattr(moving, "run", stopping)


def run_to_the_end(command, monkeypatch, start=0):
    """Stop a run after 0, 1, 2 ... steps, until one ends. Return its steps."""
    for number in range(start, 100):
        with monkeypatch.context() as patched:
            stop_after(patched, number)
            try:
                command("ormist_reindex", "tests.Thing", "--move")
            except Stopped:
                yield number
                continue
        return


def test_a_run_may_stop_after_any_step(command, server, monkeypatch):
    store(5)
    client, prefix = server.client, server.key_prefix
    client.set(f"{prefix}:lost:{{tests.Thing}}:o:x", b"bytes")
    monkeypatch.setattr(moving, "OBJECTS_PER_STEP", 2)
    with thing() as Thing:
        before = facts(Thing)
    with thing(slot="shop") as Thing:
        stops = list(run_to_the_end(command, monkeypatch))
        assert len(stops) > 5
        assert facts(Thing) == before
        assert is_sound(server)
        assert client.get(f"{prefix}:lost:{{shop}}:tests.Thing:o:x") == b"bytes"
        assert not client.exists(journal_key(space_of(server, "shop")))
        assert not server.keys(f"{prefix}*{{tests.Thing}}*")


@pytest.mark.parametrize("changes", [True, False])
def test_an_object_that_was_changed_or_deleted_after_its_move_stays_so(
    command, server, monkeypatch, changes
):
    store(5)
    seen = set()
    with thing(slot="shop") as Thing:
        for _ in run_to_the_end(command, monkeypatch):
            for each in Thing.objects.all():
                if each.id in seen:
                    assert changes
                    continue
                seen.add(each.id)
                if changes:
                    each.city = "changed"
                    each.save()
                    each.increment("votes")
                else:
                    each.delete()
        left = Thing.objects.all().list()
        assert [(each.city, each.votes) for each in left] == (
            [("changed", 1)] * 5 if changes else []
        )
        assert is_sound(server)
        assert not server.keys("*{tests.Thing}*")


@pytest.mark.parametrize("changes", [True, False])
def test_a_move_that_was_killed_may_be_taken_back(
    command, server, monkeypatch, changes
):
    numbers = set()
    for number in range(4, 12):
        store(5)
        with thing(slot="shop") as Thing:
            with monkeypatch.context() as patched, suppress(Stopped):
                stop_after(patched, number)
                command("ormist_reindex", "tests.Thing", "--move")
            moved = Thing.objects.all().list()
            for each in moved:
                each.city = "changed"
                each.save() if changes else each.delete()
        numbers.add(len(moved))
        with thing() as Thing:
            command("ormist_reindex", "tests.Thing", "--move")
            ids = {each.id for each in moved}
            if changes:
                assert {*Thing.objects.find(city="changed").ids()} == ids
                assert Thing.objects.count() == 5
            else:
                assert not ids & {*Thing.objects.all().ids()}
                assert Thing.objects.count() == 5 - len(ids)
            assert is_sound(server)
            assert not server.keys("*shop*")
            Thing.objects.all().delete()
        assert server.keys() == []
    assert numbers == {0, 5}


def test_a_later_run_stops_an_earlier_one(command, server, monkeypatch):
    store(5)
    real = move.move_in

    def overtaken(schema, *rest):
        monkeypatch.setattr(move, "move_in", real)
        command("ormist_reindex", "tests.Thing", "--move")
        return real(schema, *rest)

    with thing(slot="shop") as Thing:
        monkeypatch.setattr(move, "move_in", overtaken)
        with pytest.raises(CommandError, match="Another ormist_reindex --move"):
            command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.count() == 5
        assert is_sound(server)


def changing(server, monkeypatch, times, also=lambda pk: None):
    """Let old code write while the move removes objects under former keys."""
    real, old = move.move_out, space_of(server)
    left = iter(range(times))

    def change(pk, number):
        if pk == b"id 1:}":
            server.client.hincrby(old.base + b"c:" + pk, "views", 1)
        else:
            packed = server.client.get(old.objects + pk)
            attrs, *rest = unpack(packed)
            codec = "json" if packed[:1] == b"{" else "msgpack"
            changed = pack({**attrs, "text": f"new {number}"}, *rest, codec)
            server.client.set(old.objects + pk, changed)
        also(pk.decode())

    def move_out(schema, each, image):
        if schema.space == old and each.pk != b"id 0:}":
            number = next(left, None)
            if number is not None:
                change(each.pk, number)
        return real(schema, each, image)

    monkeypatch.setattr(move, "move_out", move_out)


def test_a_change_by_old_code_meanwhile_is_moved_too(command, server, monkeypatch):
    store(3)
    with thing(slot="shop") as Thing:
        changing(server, monkeypatch, 4)
        assert "3 objects" in command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.get("id 1:}").views == 3
        assert Thing.objects.get("id 2:}").text == "new 3"
        assert Thing.objects.count() == 3
        assert is_sound(server)


def test_changes_by_old_code_without_end_are_named(command, server, monkeypatch):
    store(3)
    old = space_of(server)
    with thing(slot="shop"):
        changing(server, monkeypatch, 100)
        with pytest.raises(CommandError, match="former keys: 2") as error:
            command("ormist_reindex", "tests.Thing", "--move")
    assert error.value.errors.count("changed-meanwhile") == 2
    assert server.client.exists(old.objects + b"id 1:}", old.objects + b"id 2:}") == 2


def test_a_change_under_both_keys_is_named_and_kept(command, server, monkeypatch):
    store(3)
    old = space_of(server)

    def change_or_delete(pk):
        each = Thing.objects.get(pk)
        if pk == "id 1:}":
            each.delete()
        else:
            each.city = "other"
            each.save()

    with thing(slot="shop") as Thing:
        changing(server, monkeypatch, 2, change_or_delete)
        with pytest.raises(CommandError, match="former keys: 2") as error:
            command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.get("id 2:}").city == "other"
        assert Thing.objects.all().ids() == ["id 0:}", "id 2:}"]
    assert error.value.errors.count("changed-meanwhile") == 2
    assert server.client.exists(old.objects + b"id 1:}", old.objects + b"id 2:}") == 2


def test_glob_characters_of_a_slot_match_only_themselves(command, server):
    with declared(slot="s?op*[a]") as Thing:
        Thing.objects.create(id="1")
    for slot in ("shopxa", "s?opx[a]"):
        with declared(slot=slot, model_name="Other") as Other:
            Other.objects.create(id="1")
            with declared(slot="s?op*[a]") as Thing:
                command("ormist_flush", "tests.Thing", interactive=False)
                assert Thing.objects.count() == 0
                Thing.objects.create(id="1")
            assert Other.objects.all().ids() == ["1"]
            Other.objects.all().delete()
    with declared(slot="shop\u2603 \\") as Thing:
        command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.all().ids() == ["1"]
        assert is_sound(server)


def test_each_alias_is_moved_apart(command, server, settings):
    other = {
        **settings.ORMIST["default"],
        "KEY_PREFIX": f"{server.key_prefix}:other",
    }
    settings.ORMIST = {**settings.ORMIST, "other": other}
    with declared() as Thing:
        Thing.objects.create(id="1")
        Thing.objects.using("other").create(id="2")
    with declared(slot="shop") as Thing:
        command("ormist_reindex", "tests.Thing", "--move", "--using", "other")
        assert Thing.objects.using("other").ids() == ["2"]
        assert Thing.objects.count() == 0
        command("ormist_reindex", "tests.Thing", "--move")
        assert Thing.objects.all().ids() == ["1"]


def test_a_terminal_shows_how_many_are_moved(command, server):
    store(3)
    with thing(slot="shop"):
        said = command("ormist_reindex", "tests.Thing", "--move", terminal=True)
    assert "\rtests.Thing: moving, 3 of 3 objects" in said
    assert said.endswith("left: 0.\n")


def test_move_needs_no_position(command, server):
    with pytest.raises(CommandError, match="not for --move"):
        command("ormist_reindex", "tests.Todo", "--move", "--after", "5")
