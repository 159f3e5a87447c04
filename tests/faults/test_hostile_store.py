"""With any stored bytes, calls end or raise our errors, and a repair works."""

import json
import traceback
from contextlib import suppress
from io import StringIO

import ormsgpack
import pytest
from django.core.management import CommandError, call_command
from django.db.models import Max

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.operations.objects import build_memo
from tests.models import City, Page, User

pytestmark = [
    pytest.mark.servers("valkey91", "valkey91-resp3", "redis62", "fakeredis"),
    pytest.mark.on_some(1),
]

FINE = pack({"site": "s", "name": "n", "code": "c", "population": 5})


def attrs(*pairs):
    """Return an object whose attributes are a dict with other keys."""
    body = ormsgpack.Ext(8, ormsgpack.packb(list(pairs)))
    return b"\x01" + ormsgpack.packb([body])


def as_json(names='{"a": 1}', tags="[]", expire="null"):
    text = f'{{"v": 1, "attrs": {names}, "tags": {tags}, "expire": {expire}}}'
    return text.encode()


OBJECTS = {
    "a number for a name": attrs(1, 2),
    "bytes for a name": attrs(b"a", 1),
    "None for a name": attrs(None, 1),
    "a tuple for a name": attrs(ormsgpack.Ext(9, b"\x91\x01"), 1),
    "bytes for a tag": b"\x01" + ormsgpack.packb([{}, [b"x"]]),
    "no list of tags": b"\x01" + ormsgpack.packb([{}, "ab"]),
    "a text in half": b"\x01\x91\x81\xa1a\xa1\xff",
    "half a surrogate as a name": as_json(r'{"\ud800": 1}'),
    "half a surrogate as a value": as_json(r'{"a": ["\uDFFF"]}'),
    "half a surrogate as a key": as_json(r'{"a": {"\udc00x": 1}}'),
    "half a surrogate as a tag": as_json(tags=r'["\ud83d"]'),
    "a deadline past 9999": as_json(expire="253402300800000"),
    "a deadline past all": b"\x01" + ormsgpack.packb([{}, [], 2**64 - 1]),
    "a deadline before all": b"\x01" + ormsgpack.packb([{}, [], -(2**63)]),
    "a deadline of many digits": as_json(expire="9" * 4000),
    "an infinite deadline": as_json(expire="Infinity"),
    "a deadline that is no number": as_json(expire="NaN"),
    "a large float for a deadline": as_json(expire="1e400"),
    "a text for a deadline": as_json(expire='"5"'),
    "True for a deadline": as_json(expire="true"),
    "a zone with controls": as_json(
        r'{"a": {"$": ["datetime", [0, 0, "../\u001b[2J"]]}}'
    ),
}


@pytest.fixture
def store(server):
    """Two models with sound objects."""
    Page.objects.create("red", id="one", site="s", views=1)
    Page.objects.create("red", "blue", id="two", site="s", views=1, expire=1000)
    City.objects.create("big", id="bern", code="BE", population=5, name="Bern")
    City.objects.create("big", id="soon", code="SO", name="Soon", expire=1000)
    return server.client


def everything(model, pk=None):
    """Call every method; only our exceptions are allowed."""
    objects = model.objects
    calls = [
        objects.all().list,
        objects.all().reverse().list,
        objects.all().count,
        objects.all().first,
        objects.all()[:10].list,
        objects.all().ids,
        objects.find("red").list,
        objects.find("big").count,
        objects.all().values().list,
        lambda: objects.get("one"),
        lambda: objects.in_bulk(["one", "bern", "x"]),
        lambda: list(objects.all().iterator()),
        lambda: objects.all().update(seen=True),
        lambda: objects.all().set_expire(5000),
        lambda: objects.create("red", id=f"new {model.__name__}", site="s"),
        lambda: call_command("ormist_dump", stdout=StringIO(), stderr=StringIO()),
        lambda: call_command("ormist_inspect", stdout=StringIO(), stderr=StringIO()),
        lambda: call_command("ormist_sweep", stdout=StringIO()),
        lambda: call_command(
            "ormist_inspect", model._meta.label, "x", stdout=StringIO()
        ),
    ]
    if model is City:
        calls += [
            lambda: objects.all().order_by("name").list(),
            lambda: objects.filter(population__gt=1).count(),
            lambda: objects.aggregate(Max("name")),
            lambda: objects.all().values_list("name").distinct().list(),
            lambda: objects.filter(code="BE").list(),
        ]
    for call in calls:
        with suppress(ormist.OrmistError, model.DoesNotExist, CommandError):
            call()


def inspect(action):
    out = StringIO()
    try:
        call_command("ormist_inspect", stdout=out, format="json", **{action: True})
    except CommandError as error:
        return error.returncode, json.loads(out.getvalue())["faults"]
    return 0, json.loads(out.getvalue())["faults"]


def works(server, faults, model):
    """Assert that verify reports it, repair removes it, and everything works again."""
    assert inspect("verify")[0] == 1
    code, report = inspect("repair")
    assert code == 0, report
    assert faults() == []
    assert inspect("verify") == (0, [])
    model.objects.all().list()
    everything(model)
    model.objects.all().update(seen=1)
    assert faults() == []
    model.objects.all().delete()
    for other in (Page, City):
        other.objects.all().delete()
    left = [name for name in server.keys("*") if b":lost:" not in name]
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("name", OBJECTS)
def test_foreign_bytes_are_quarantined(name, model, store, server, key, faults):
    store.set(key(model, "o:x"), OBJECTS[name])
    store.zadd(key(model, "all"), {"x": 5})
    store.zadd(key(model, "t:big"), {"x": 5})
    with pytest.raises(ormist.CorruptDataError, match="o:x") as caught:
        model.objects.get("x")
    assert "\x1b" not in "".join(traceback.format_exception(caught.value))
    everything(model)
    assert "unreadable-object" in {fault["kind"] for fault in inspect("verify")[1]}
    works(server, faults, model)


IDS = [b"\xff", b"\xff\x00\n", b"a\xc3", b"\xed\xa0\x80", b"\x80" * 300]


@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("pk", IDS)
def test_an_id_that_is_not_text_is_quarantined(pk, model, store, server, key, faults):
    store.set(key(model, "o:") + pk, FINE)
    store.zadd(key(model, "all"), {pk: 5})
    store.zadd(key(model, "t:red"), {pk: 5})
    store.hset(key(model, "c:") + pk, "views", 3)
    if model is City:
        store.hset(key(model, "u:code"), b"t:c", pk)
        store.hset(key(model, "of:name"), pk, b"\x50n\x00\x00")
    everything(model)
    works(server, faults, model)
    assert store.exists(key(model, "o:") + pk) == 0


@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("pk", IDS)
def test_an_id_that_is_not_text_and_has_no_object_is_removed(
    pk, model, store, server, key, faults
):
    store.zadd(key(model, "all"), {pk: 5})
    store.zadd(key(model, "expires"), {pk: 2**45})
    store.zadd(key(model, "t:red"), {pk: 5})
    store.hset(key(model, "idx"), pk, build_memo([b"t:red", b"t:\xff"]))
    everything(model)
    if faults():  # a list that misses them sweeps the entries of some
        works(server, faults, model)


NAMES = [b"t:\xff", b"h:\xff", b"by:\xff", b"of:\xff", b"u:\xff", b"c:\xff", b"\xff:x"]


@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_not_text_is_found(name, model, store, server, key, faults):
    name = key(model, "") + name
    if name.split(b"}:")[1][:2] in (b"of", b"u:", b"c:"):
        store.hset(name, b"\xff", b"\xff")
    else:
        store.zadd(name, {b"one": 5, b"\xff": 1})
    everything(model)
    works(server, faults, model)


@pytest.mark.parametrize("label", [b"{\xff}", b"{tests.Page", b"{}", b"{{a}}", b"{a}x"])
def test_an_unknown_key_is_named_and_kept(label, store, server, faults):
    name = server.key_prefix.encode() + b":" + label + b":o:1"
    store.set(name, b"x")
    everything(Page)
    code, found = inspect("repair")
    assert (code, [fault["kind"] for fault in found]) == (1, ["unknown-model"])
    assert store.get(name) == b"x"
    store.delete(name)
    works_after = inspect("verify")
    assert works_after == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-5", "0.5", "9e15"])
@pytest.mark.parametrize("name", ["all", "expires", "t:red", "t:big"])
def test_an_invalid_score_is_repaired(score, name, model, store, server, key, faults):
    pk = "one" if model is Page else "bern"
    if name == "expires":
        pk = "two" if model is Page else "soon"
    store.zadd(key(model, name), {pk: score})
    is_gone = name == "expires" and float(score) < 1e12
    if is_gone:  # it has expired by the set expires
        call_command("ormist_sweep", verbosity=0)
        assert faults() == []
        return
    everything(model)
    if inspect("verify")[0]:  # a write may have set it right
        works(server, faults, model)


@pytest.mark.parametrize(
    "counter", [b"9" * 5000, b"1_0", b" 5", b"+5", b"5.0", b"\xff"]
)
def test_an_invalid_counter_is_removed(counter, store, server, key, faults):
    store.hset(key(Page, "c:one"), "views", counter)
    everything(Page)
    works(server, faults, Page)


@pytest.mark.parametrize(
    "sort_key", [b"", b"\xff", b"\x50\xff\x00\x00", b"\x22" + b"\xff" * 30, b"\x40\x00"]
)
def test_an_invalid_sort_key_is_repaired(sort_key, store, server, key, faults):
    entry = sort_key + bytes(7) + b"bern" + b"\x00\x00\x04"
    for name in ("name", "population"):
        store.zadd(key(City, f"by:{name}"), {entry: 0})
        store.hset(key(City, f"of:{name}"), "bern", sort_key)
    everything(City)
    if inspect("verify")[0]:  # an update of the object may have set it right
        works(server, faults, City)


@pytest.mark.servers("valkey91")
def test_an_integer_of_a_million_digits_is_sound(store, server, faults):
    """Converting it to decimal digits would take minutes."""
    number = 7 << 3_000_000
    user = User.objects.create("large", id="x", n=number)
    City.objects.create(id="x", code=-number, population=number)
    assert inspect("verify") == (0, [])
    assert User.objects.find(n=number).list() == [user]
    assert City.objects.filter(population__gte=number, code=-number).count() == 1
    out = StringIO()
    call_command("ormist_inspect", "tests.User", "x", stdout=out)
    assert f"{number:x}" in out.getvalue()
    assert User.objects.get("x").n == number
    assert faults() == []


MEMOS = {
    "nothing but ends": b"\0" * 20_000,
    "one term many times": b"\x05t:red" * 9000,
    "many terms": b"".join(b"\x08t:%06d" % number for number in range(20_000)),
    "more than anybody writes": b"\0" * 5_000_000,
    "cut off": b"\xfft:red",
    "no kind": b"\x03all\x07expires\x03idx\x05o:one",
    "a value without its name": b"\x06u:code",
    "ordered by nothing known": b"\x04by:\xff\x07by:name" * 1000,
    "not text": bytes(range(256)) * 4,
}


@pytest.mark.parametrize("model", [Page, City])
@pytest.mark.parametrize("name", MEMOS)
def test_a_foreign_memo_does_not_stop_a_write(name, model, store, server, key, faults):
    pk = "two" if model is Page else "soon"

    def expire():
        store.hset(key(model, "idx"), pk, MEMOS[name])
        store.zadd(key(model, "expires"), {pk: 1})
        store.delete(key(model, f"o:{pk}"), key(model, f"c:{pk}"))

    expire()
    if name not in ("one term many times", "ordered by nothing known"):
        assert "wrong-memo" in {fault["kind"] for fault in inspect("verify")[1]}
        assert inspect("repair")[0] == 0
        assert faults() == []
    expire()
    store.zadd(key(model, "all"), {pk: 5})
    other = model.objects.create("red", id="other", site="s", expire=100)
    assert store.zscore(key(model, "all"), pk) is None
    assert model.objects.get("other") == other
    expire()
    store.zadd(key(model, "all"), {pk: 5})
    model(id=pk).save()
    model.objects.get(pk).delete()
    expire()
    store.zadd(key(model, "all"), {pk: 5})
    call_command("ormist_sweep", verbosity=0)
    everything(model)
    inspect("repair")
    assert faults() == []
    model.objects.all().delete()


@pytest.mark.servers("valkey91")
def test_an_expiring_object_may_fill_its_memo(store, server, key):
    tags = [f"{number:09d}" + "x" * 80 for number in range(16_384)]
    made = Page.objects.create(*tags, id="x", expire=1000)
    assert Page.objects.find(tags[-1]).list() == [made]
    store.zadd(key(Page, "expires"), {"x": 1})
    call_command("ormist_sweep", "tests.Page", verbosity=0)
    assert store.exists(key(Page, "o:x")) == 0
    assert server.keys("*h:*") == []


@pytest.mark.servers("valkey91")
def test_one_more_tag_is_refused_before_the_write(ask, store, snapshot):
    before = snapshot()
    tags = [str(number) for number in range(16_385)]
    with pytest.raises(ValueError, match=r"16385 index entries.*no expiration"):
        ask(Page.objects.create, *tags, id="x", expire=1000)
    with pytest.raises(ValueError, match="index entries"):
        ask(Page.objects.bulk_create, [Page(id="y"), Page(*tags, id="x", expire=1000)])
    assert snapshot() == before
    ask(Page.objects.create, *tags, id="x")
    with pytest.raises(ValueError, match="index entries"):
        ask(Page.objects.filter(pk="x").set_expire, 1000)
    assert ask(Page.objects.get, "x").expire is None
