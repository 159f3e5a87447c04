"""The explanations: their code runs, and their bytes and tables are right."""

import json
import re
from datetime import UTC, date, datetime

import django_ormist as ormist
from django_ormist.codecs import as_msgpack, objects
from django_ormist.connections import connections
from django_ormist.sortkeys import sort_key
from django_ormist.testing import assert_round_trips
from tests.docs.pages import DOCS, blocks, run

STORAGE = "explanation/storage"


def test_the_code_of_the_explanations_runs(server):
    run("explanation/consistency")
    run("explanation/expiry")


def test_the_worked_example_matches_the_store(server):
    Cart = run(STORAGE)["Cart"]
    base = Cart._meta.space("default").base
    example = blocks(STORAGE, "text")[0]
    assert joined(example.splitlines()) == rendered(connections["default"].client, base)


def joined(lines):
    """Return the content of each key: lines of one key follow each other."""
    found = {}
    for line in lines:
        if line:
            key, content = re.fullmatch(r"(.*?): (.*)", line).groups()
            between = " " if key.startswith("o:") else ", "
            found[key] = found[key] + between + content if key in found else content
    return found


def rendered(client, base):
    """Return the content of each key of a model, as the page shows it."""
    created = client.zrange(base + b"all", 0, -1, withscores=True)
    times = {int(score): f"T{i}" for i, (_, score) in enumerate(created, start=1)}
    keys = [key for key in client.scan_iter() if key.startswith(base)]
    return {
        text(key[len(base) :]): ", ".join(content(client, key, key[len(base) :], times))
        for key in keys
    }


def content(client, key, name, times):
    kind = client.type(key)
    if kind == b"string":
        yield client.get(key).hex(" ")
    elif kind == b"hash":
        for field, value in sorted(client.hgetall(key).items()):
            shown = value.hex(" ") if name.startswith(b"of:") else text(value)
            yield f"{text(field)} = {shown}"
    else:
        for member, score in client.zrange(key, 0, -1, withscores=True):
            shown = entry(member, times) if name.startswith(b"by:") else text(member)
            yield f"{shown} = {times.get(int(score), int(score))}"


def entry(member, times):
    """Return an entry of an ordered attribute in its four parts."""
    size = int.from_bytes(member[-3:], "big")
    created = int.from_bytes(member[-10 - size : -3 - size], "big")
    key, pk = member[: -10 - size], member[-3 - size : -3]
    return f"[{key.hex(' ')}] {times[created]} {text(pk)} [{member[-3:].hex(' ')}]"


def text(data):
    """Return bytes as text, with escapes."""
    return repr(data)[2:-1]


def test_the_json_of_the_page_matches_the_store(server):
    (code,) = blocks(STORAGE, "json")
    attrs, tags, expire_at_ms = objects.unpack(code.strip().encode())
    packed = objects.mark(objects.pack(attrs, tags, expire_at_ms, "json"))
    assert packed == code.strip().encode()
    assert json.loads(code)["expire"] == expire_at_ms
    assert objects.unpack(objects.pack(attrs, tags, expire_at_ms))[0] == attrs
    assert datetime.fromtimestamp(expire_at_ms / 1000, UTC).year == 2100


def test_every_extension_is_in_the_table():
    page = (DOCS / f"{STORAGE}.rst").read_text()
    rows = re.findall(r"(?m)^(\d+) +``(\w+)``", page)
    assert rows == [(str(code), name) for name, code in as_msgpack._CODES.items()]


def test_the_sort_keys_of_the_page_are_right():
    shown = dict(
        line.split(": ") for line in blocks(STORAGE, "text")[1].split("\n") if line
    )
    values = {name: eval(name, {"date": date}) for name in shown}  # noqa: S307
    assert {n: sort_key(v).hex(" ") for n, v in values.items()} == shown
    assert len(values) == 5


def test_every_key_of_a_model_is_in_the_table():
    from django_ormist import keys

    page = (DOCS / f"{STORAGE}.rst").read_text()
    shown = set(re.findall(r"(?m)^``ormist:\{app\.Model\}:(\w+:?)", page))
    space = keys.Space("ormist", "app.Model")
    base = space.base.decode()
    made = [
        keys.object_key(space, "x"),
        keys.counters_key(space, "x"),
        keys.all_key(space),
        keys.expires_key(space),
        keys.memo_key(space),
        keys.term_key(space, b"t:x"),
        keys.term_key(space, b"h:x"),
        keys.ordered_key(space, "x"),
        keys.sort_keys_key(space, "x"),
        keys.unique_key(space, ["x"]),
    ]
    parts = {key.decode().removeprefix(base).partition(":") for key in made}
    assert shown == {name + colon for name, colon, _ in parts}


def test_the_round_trips_of_the_comparison_are_right(server):
    class Compared(ormist.TaggedModel):
        class Meta:
            index_attrs = ["a"]
            ordered = ["b"]

    objects = Compared.objects
    one = objects.create(a=1, b=0, c="x")  # loads the scripts
    one.c = "y"
    one.save()
    one.delete()
    objects.bulk_create([Compared(a=1, b=n, c="x") for n in range(500)])
    found = objects.find(a=1)
    for _ in range(2):
        assert (found.all().count(), len(found.all().order_by("-b")[:10])) == (500, 10)
    with assert_round_trips(1):
        one = objects.create(a=2, b=0, c="x")
    with assert_round_trips(1):
        one = objects.get(one.id)
    with assert_round_trips(1):
        assert len(found.all().list()) == 500
    with assert_round_trips(1):
        assert found.all().count() == 500
    with assert_round_trips(1):
        assert len(found.all().order_by("-b")[:10]) == 10
    one.c = "y"
    with assert_round_trips(1):
        one.save()
    with assert_round_trips(1):
        one.delete()
