"""ormist_inspect --verify finds every kind of damage, --repair repairs it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_ormist.codecs import pack
from django_ormist.operations import objects
from tests.faults.test_checker import DAMAGE, INDEX_DAMAGE
from tests.models import City, Page, Todo, User

pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "redis62", "fakeredis")


@pytest.fixture
def pages(server):
    """An object of each kind, as in test_checker.py."""
    Page.objects.create("red", "blue", id="one", site="s", views=1)
    Page.objects.create("red", id="two", site="s", views=1, expire=1000)
    User.objects.create("x" * 100, name="n", id="user")
    City.objects.create(id="bern", code="BE", population=5, name="Bern")
    City.objects.create(id="soon", code="SO", name="Soon", expire=1000)


@pytest.fixture
def inspect(server):
    """Returns exit code and report: ``inspect("repair")``."""

    def called(action, *words, **options):
        out = StringIO()
        options = {action: True, "format": "json", **options}
        try:
            call_command("ormist_inspect", *words, stdout=out, **options)
        except CommandError as error:
            return error.returncode, json.loads(out.getvalue())
        return 0, json.loads(out.getvalue())

    return called


def kinds(report):
    return {fault["kind"] for fault in report["faults"]}


def test_a_sound_store_passes_and_is_left_alone(pages, inspect, snapshot):
    before = snapshot()
    code, report = inspect("verify")
    assert (code, report["sound"], report["faults"]) == (0, True, [])
    assert inspect("repair") == (0, report)
    assert snapshot() == before
    page = next(each for each in report["models"] if each["model"] == "tests.Page")
    assert page["objects"] == 2


ALL_DAMAGE = {
    **{f"page: {name}": (Page, damage) for name, damage in DAMAGE.items()},
    **{f"city: {name}": (City, damage) for name, damage in INDEX_DAMAGE.items()},
}

KINDS = {
    "page: object gone": {"missing-object", "surplus-entry"},
    "page: object without a TTL": {"wrong-ttl"},
    "page: object with a TTL": {"wrong-ttl"},
    "page: object with another TTL": {"wrong-ttl"},
    "page: object of garbage": {"unreadable-object"},
    "page: object of old bytes": {"surplus-entry"},
    "page: object unknown to all": {"unlisted-object"},
    "page: stranger in all": {"missing-object"},
    "page: stranger in a term": {"surplus-entry"},
    "page: term that no object has": {"surplus-entry"},
    "page: entry missing": {"missing-entry"},
    "page: entry of an attribute missing": {"missing-entry"},
    "page: entry at another time": {"wrong-score"},
    "page: all at another time": {"wrong-score"},
    "page: deadline missing": {"wrong-deadline"},
    "page: deadline of another time": {"wrong-deadline"},
    "page: deadline too many": {"wrong-deadline"},
    "page: deadline of a stranger": {"wrong-deadline"},
    "page: memo missing": {"wrong-memo"},
    "page: memo too many": {"wrong-memo"},
    "page: memo of other terms": {"wrong-memo"},
    "page: memo of a stranger": {"wrong-memo"},
    "page: counters without a TTL": {"wrong-ttl"},
    "page: counters with a TTL": {"wrong-ttl"},
    "page: counters of a stranger": {"surplus-counter"},
    "page: counter that is none": {"wrong-counter"},
    "page: counter not declared": {"surplus-counter"},
    "page: foreign key": {"foreign-key"},
    "page: index of another type": {"mistyped-key", "missing-entry"},
    "page: object of another type": {"mistyped-key"},
    "city: entry missing": {"missing-entry"},
    "city: entry too many": {"surplus-entry"},
    "city: entry with a score": {"undeclared-index"},
    "city: sort key missing": {"wrong-sort-key"},
    "city: sort key of a stranger": {"wrong-sort-key"},
    "city: sort key of another value": {"wrong-sort-key"},
    "city: ordered by nothing known": {"undeclared-index"},
    "city: value free": {"missing-value"},
    "city: value of another": {"surplus-value", "duplicate-value"},
    "city: value that nobody has": {"surplus-value"},
    "city: unique by nothing known": {"undeclared-index"},
    "city: memo without its value": {"wrong-memo"},
}


@pytest.mark.parametrize("name", ALL_DAMAGE)
def test_damage_is_found_and_repaired(name, server, pages, inspect, faults, key):
    model, (command, rest, *words) = ALL_DAMAGE[name]
    if command == "SET":
        server.client.delete(key(model, rest))
    server.client.execute_command(command, key(model, rest), *words)
    code, report = inspect("verify")
    assert code == 1
    assert kinds(report) == KINDS[name]
    assert not any(fault["repaired"] for fault in report["faults"])
    code, report = inspect("repair")
    assert code == 0, report
    assert all(fault["repaired"] for fault in report["faults"])
    assert faults() == []
    assert inspect("verify")[0] == 0


def test_unreadable_keys_are_kept_for_a_week(server, pages, inspect, key, faults):
    server.client.set(key(Page, "o:one"), b"garbage")
    server.client.delete(key(Page, "t:red"))
    server.client.set(key(Page, "t:red"), b"theirs", ex=60)
    assert inspect("repair")[0] == 0
    lost = f"{server.key_prefix}:lost:{{tests.Page}}:"
    assert server.client.get(f"{lost}o:one") == b"garbage"
    assert server.client.get(f"{lost}t:red") == b"theirs"
    assert 6 * 24 * 3600 < server.client.ttl(f"{lost}o:one") <= 7 * 24 * 3600
    assert 0 < server.client.ttl(f"{lost}t:red") <= 60
    assert Page.objects.find("red").ids() == ["two"]
    assert faults() == []


def test_quarantined_keys_are_not_overwritten(server, pages, inspect, key):
    for text in (b"first", b"second"):
        server.client.set(key(Page, "o:one"), text)
        assert inspect("repair")[0] == 0
    kept = server.keys(f"{server.key_prefix}:lost:*")
    assert {server.client.get(each) for each in kept} == {b"first", b"second"}


@pytest.mark.parametrize("rest", ["all", "expires", "idx", "by:name", "of:name"])
def test_a_main_key_of_another_type_is_rebuilt(
    rest, server, pages, inspect, key, faults
):
    model = Page if ":" not in rest else City
    before = model.objects.all().ids()
    server.client.delete(key(model, rest))
    server.client.set(key(model, rest), "x")
    assert "mistyped-key" in kinds(inspect("verify")[1])
    code, report = inspect("repair")
    assert code == 0, report
    assert faults() == []
    assert model.objects.all().ids() == before


def test_a_lost_index_of_everything_keeps_the_order_of_creation(
    server, inspect, key, faults
):
    made = Todo.objects.bulk_create(Todo("x", n=n) for n in range(300))
    server.client.delete(key(Todo, "all"))
    code, report = inspect("verify", "tests.Todo")
    assert code == 1
    assert report["models"][0]["faults"] == {"unlisted-object": 300}
    assert inspect("repair", "tests.Todo")[0] == 0
    assert Todo.objects.find("x").list() == made
    assert Todo.objects.all().ids() == [each.id for each in made]
    assert faults() == []


@pytest.mark.slow
@pytest.mark.servers("valkey*", "redis*")  # the emulation takes 14 seconds
def test_each_fault_is_found_once(server, inspect, key):
    made = Page.objects.bulk_create(
        Page("red", f"t{n}", site=f"s{n % 7}", n=n) for n in range(600)
    )
    space = Page._meta.space("default")
    for each in made[:100]:
        server.client.delete(space.objects + each.id.encode())
    for each in made[100:150]:
        server.client.zrem(key(Page, "t:red"), each.id)
    for each in made[150:160]:
        server.client.zadd(key(Page, "t:blue"), {each.id: 1})
    server.client.hset(key(Page, "idx"), "nobody", "\x05t:red")
    found = {
        "missing-object": 100,
        "surplus-entry": 310,  # three for each object that is gone
        "missing-entry": 50,
        "wrong-memo": 1,
    }
    for _ in range(2):
        assert inspect("verify", "tests.Page")[1]["models"][0]["faults"] == found
    code, report = inspect("repair", "tests.Page")
    assert (code, report["models"][0]["left"]) == (0, 0)
    assert inspect("verify")[0] == 0


def test_equal_creation_times_are_made_distinct(server, inspect, key, faults):
    Todo.objects.bulk_create(Todo("x", id=f"{n}") for n in range(4))
    score = server.client.zscore(key(Todo, "all"), "1")
    server.client.zadd(key(Todo, "all"), {"2": score, "3": 0.5})
    server.client.zadd(key(Todo, "t:x"), {"2": score, "3": 0.5})
    assert "wrong-creation" in kinds(inspect("verify")[1])
    assert inspect("repair")[0] == 0
    assert faults() == []
    assert set(Todo.objects.find("x").ids()) == {"0", "1", "2", "3"}


def test_a_duplicate_unique_value_is_kept_and_named(server, inspect, key):
    City.objects.create(id="one", code="A")
    City.objects.create(id="two", code="B")
    two = City._meta.space("default").objects + b"two"
    one = City.objects.get("one")
    server.client.set(
        two, server.client.get(City._meta.space("default").objects + b"one")
    )
    for _ in range(2):
        code, report = inspect("repair")
        assert code == 1
        (left,) = [each for each in report["faults"] if not each["repaired"]]
        assert (left["kind"], left["id"], left["detail"]) == (
            "duplicate-value",
            "two",
            "one",
        )
    again = City.objects.get("two")
    again.code = "C"
    again.save()
    assert inspect("repair")[0] == 0
    assert City.objects.get("one").code == one.code


def test_an_attribute_that_cannot_be_indexed_is_kept_and_named(server, inspect, key):
    User.objects.create(id="one", name="x")
    server.client.set(key(User, "o:one"), pack({"a:b": 1}))
    code, report = inspect("repair")
    assert code == 1
    assert kinds(report) == {"unindexable-object"}
    assert "a:b" in report["faults"][0]["detail"]


@pytest.mark.parametrize("command", ["ormist_inspect", "ormist_reindex"])
def test_an_object_with_too_many_entries_is_kept_and_does_not_stop_the_run(
    server, inspect, key, faults, monkeypatch, command
):
    """0.1.0 stored such objects, without a limit."""
    Page.objects.create(*"abcdef", id="many", expire=1000)
    Page.objects.create("red", id="other", expire=1000)
    monkeypatch.setattr(objects, "MOST_MEMO_PARTS", 5)
    server.client.zrem(key(Page, "t:red"), "other")
    if command == "ormist_reindex":
        with pytest.raises(CommandError, match="Left as they are: 1"):
            call_command(command, "tests.Page", verbosity=0)
    else:
        code, report = inspect("repair")
        assert (code, sum(each["left"] for each in report["models"])) == (1, 1)
        assert kinds(report) == {"missing-entry", "unindexable-object"}
    assert Page.objects.find("red").ids() == ["other"]
    assert faults() == []


def test_an_expired_object_that_is_not_swept_is_not_a_fault(
    server, inspect, key, faults
):
    made = City.objects.create(id="x", code="X", name="Nox", expire=1000)
    Page.objects.create("red", id="y", site="s", views=1, expire=1000)
    for model, pk in ((City, "x"), (Page, "y")):
        server.client.zadd(key(model, "expires"), {pk: 1})
        server.client.delete(key(model, f"o:{pk}"), key(model, f"c:{pk}"))
    assert faults() == []
    code, report = inspect("verify")
    assert (code, report["faults"]) == (0, [])
    call_command("ormist_sweep", verbosity=0)
    assert server.keys() == []
    assert City.objects.create(code=made.code)


def test_unknown_keys_are_kept_unless_requested(server, pages, inspect, faults):
    stray = f"{server.key_prefix}:{{tests.Nobody}}:o:1"
    server.client.set(stray, "x")
    code, report = inspect("verify")
    assert code == 1
    assert kinds(report) == {"unknown-model"}
    with pytest.raises(CommandError) as found:
        call_command("ormist_inspect", verify=True, stdout=StringIO())
    assert str(found.value) == (
        "Faults found: 1. Add the apps of unknown models to INSTALLED_APPS, or "
        "quarantine their keys with --repair --orphans."
    )
    assert inspect("verify", "tests.Page")[0] == 0
    assert inspect("repair")[0] == 1
    assert server.client.exists(stray)
    assert inspect("repair", orphans=True)[0] == 0
    assert not server.client.exists(stray)
    assert faults() == []


def test_a_hostile_store_is_repaired(server, inspect, key, faults):
    """With ids and terms that are not text, and names that look like patterns."""
    hostile = b"\xff*[]{}:\n"
    Page.objects.create("*[a]{x}\n", id="*[]{}:\n", site="?")
    server.client.set(key(Page, "o:") + hostile, b"\x01\x91\x80")
    server.client.zadd(key(Page, "t:") + hostile, {hostile: 1})
    server.client.hset(key(Page, "idx"), hostile, hostile)
    server.client.hset(key(City, "u:code"), hostile, hostile)
    server.client.zadd(key(City, "by:name"), {hostile: 1, b"": 1})
    assert inspect("verify")[0] == 1
    assert inspect("repair")[0] == 0
    assert faults() == []
    assert Page.objects.find("*[a]{x}\n").ids() == ["*[]{}:\n"]


def test_the_default_output_is_lines_and_a_table(server, pages, key):
    server.client.delete(key(Page, "o:one"))
    out = StringIO()
    with pytest.raises(CommandError, match="Faults found: 4") as error:
        call_command("ormist_inspect", "tests.Page", verify=True, stdout=out)
    assert error.value.returncode == 1
    lines = out.getvalue().splitlines()
    assert f"tests.Page: missing-object at {server.key_prefix}" in out.getvalue()
    assert lines[-1].split() == ["tests.Page", "default", "2", "7", "4", "0"]
    with pytest.raises(CommandError, match="An id"):
        call_command("ormist_inspect", "tests.Page", "one", verify=True)


def test_an_interrupted_repair_says_how_to_resume(server, pages, monkeypatch):
    from django_ormist.management import verification

    def interrupted(flow, using):
        raise KeyboardInterrupt

    monkeypatch.setattr(verification, "run", interrupted)
    with pytest.raises(CommandError, match="run the same command again") as error:
        call_command("ormist_inspect", repair=True)
    assert error.value.returncode == 130
