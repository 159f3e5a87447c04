"""The stored entries of ordered and unique attributes, and refused values."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from django_ormist.connections import connections
from django_ormist.connections.executor import run
from django_ormist.connections.messages import encode
from django_ormist.exceptions import IntegrityError
from django_ormist.flows.attempt import SaveAttempt
from django_ormist.operations.expiry import sweep
from django_ormist.sortkeys import sort_key
from tests.behaviour.test_expiry import expire_now
from tests.models import City, Token


def held(server, rest):
    """Return the hash at this key of City."""
    return server.client.hgetall(City._meta.space("default").base + rest)


def swept():
    return run(sweep(City._meta.space("default"), 500), "default")


def passed(instance):
    """Wait until the object has expired on the server."""
    while City.objects.get_or_none(instance.id):
        pass


def test_an_ordered_attribute_has_an_entry_and_a_sort_key(ask, server, is_sound):
    bern = ask(City.objects.create, name="Bern", population=133_883)
    assert held(server, b"of:population") == {bern.id.encode(): sort_key(133_883)}
    assert held(server, b"of:founded") == {}
    assert is_sound()


def test_a_save_moves_only_changed_entries(ask, server, is_sound):
    bern = ask(City.objects.create, name="Bern", population=1, founded=1191)
    bern.population, bern.name = 2.5, "Berne"
    bern.unset("founded")
    ask(bern.save)
    assert held(server, b"of:population") == {bern.id.encode(): sort_key(2.5)}
    assert held(server, b"of:founded") == {}
    assert is_sound()


def test_saves_of_stale_copies_merge_ordered_attributes(ask, is_sound):
    one = ask(City.objects.create, name="Bern", population=1, code="BE")
    other = ask(City.objects.get, one.id)
    one.population = 2
    ask(one.save)
    other.name, other.code = "Berne", "BR"
    ask(other.save)
    assert ask(City.objects.get, one.id).population == 2
    assert is_sound()


def test_objects_of_a_batch_have_their_entries(ask, server, is_sound):
    made = [City(name=f"n{i}", population=i or None, code=i) for i in range(30)]
    ask(City.objects.bulk_create, made, batch_size=7)
    assert len(held(server, b"of:population")) == 29
    assert len(held(server, b"u:code")) == 30
    assert is_sound()


def test_a_value_without_an_order_has_no_entry(ask, server, is_sound):
    ask(City.objects.create, population=float("nan"), founded=[1], name="x")
    assert held(server, b"of:population") == held(server, b"of:founded") == {}
    assert is_sound()


def test_a_deleted_object_leaves_no_keys(ask, server):
    made = [City(name="n", population=i, code=i) for i in range(5)]
    ask(City.objects.bulk_create, made)
    ask(made[0].delete)
    ask(City.objects.all().delete)
    assert server.keys() == []


def test_an_expired_object_leaves_no_keys(ask, server, is_sound):
    made = [City("t", population=i, code=i, name="n" * 90, expire=1000) for i in "ab"]
    ask(City.objects.bulk_create, made)
    expire_now(server, *made)
    assert is_sound()
    assert swept() == 2
    assert server.keys() == []


def test_saving_an_expired_object_removes_its_old_entries(ask, server, is_sound):
    old = ask(City.objects.create, id="x", population=1, code="A", expire=0.1)
    passed(old)
    ask(City(id="x", founded=datetime(1191, 1, 1, tzinfo=UTC)).save)
    assert held(server, b"of:population") == held(server, b"u:code") == {}
    assert is_sound()


@pytest.mark.parametrize("expire", [None, 1000])
def test_saving_an_expired_object_keeps_common_entries(ask, server, is_sound, expire):
    attrs = {"id": "x", "population": 1, "code": "A", "name": "Bern"}
    old = ask(City.objects.create, "red", expire=0.1, **attrs)
    passed(old)
    ask(City("red", "blue", expire=expire, **attrs).save)
    assert ask(City.objects.find("red", name="Bern").ids) == ["x"]
    assert is_sound()


@pytest.mark.parametrize("expire", [None, 1000])
def test_entries_of_an_object_that_the_server_removed_are_purged(
    ask, server, is_sound, expire
):
    City.objects.create(id="x", population=1, code="A", slug=1, expire=expire)
    server.client.delete(City._meta.space("default").base + b"o:x")
    ask(City(id="x", founded=5).save)
    assert held(server, b"of:population") == held(server, b"u:code") == {}
    assert is_sound()


# ---------------------------------------------------------------- unique


def test_a_taken_value_is_named_with_its_holder(ask, is_sound):
    ask(City.objects.create, id="bern", code="BE")
    with pytest.raises(IntegrityError, match=r"'x': code='BE' is taken by City 'bern'"):
        ask(City.objects.create, id="x", code="BE")
    other = ask(City.objects.create, id="y", code="YY")
    other.code = "BE"
    with pytest.raises(IntegrityError, match="code='BE' is taken"):
        ask(other.save)
    assert ask(City.objects.get, "y").code == "YY"
    assert ask(City.objects.ids) == ["bern", "y"]
    assert is_sound()


def test_a_taken_number_of_any_size_is_named(ask, server):
    ask(City.objects.create, id="bern", code=10**5000)
    with pytest.raises(IntegrityError, match="code=10{5000} is taken by City 'bern'"):
        ask(City.objects.create, id="x", code=10**5000)


def test_one_value_of_a_unique_pair_may_repeat(ask, is_sound):
    ask(City.objects.create, country="ch", slug="bern")
    ask(City.objects.create, country="us", slug="bern")
    ask(City.objects.create, country="ch", slug="chur")
    with pytest.raises(IntegrityError, match="country='ch', slug='bern' is taken"):
        ask(City.objects.create, country="ch", slug="bern")
    assert is_sound()


def test_unique_pairs_are_not_confused_by_concatenation(ask, is_sound):
    ask(City.objects.create, country="a", slug="1:b")
    ask(City.objects.create, country="a1:", slug="b")
    assert is_sound()


def test_none_and_absent_values_are_not_unique(ask, is_sound):
    ask(City.objects.create, code=None)
    ask(City.objects.create, code=None, country="ch", slug=None)
    ask(City.objects.create, country="ch")
    ask(City.objects.create, country="ch")
    assert is_sound()


def test_a_value_is_compared_by_its_text(ask, server):
    ask(City.objects.create, code=30)
    with pytest.raises(IntegrityError, match="code='30' is taken"):
        ask(City.objects.create, code="30")


def test_a_value_without_a_text_is_refused(ask, server):
    with pytest.raises(TypeError, match=r"City\.code unique: a list has no text"):
        ask(City.objects.create, code=[1])


@pytest.mark.parametrize("code", ["short", "long" * 50])
@pytest.mark.parametrize("how", ["delete", "change", "unset", "expiry", "eviction"])
def test_a_unique_value_is_free_after_deletion(ask, server, is_sound, code, how):
    one = ask(City.objects.create, id="one", code=code)
    if how == "delete":
        ask(one.delete)
    elif how == "change":
        one.code = "other"
        ask(one.save)
    elif how == "unset":
        one.unset("code")
        ask(one.save)
    elif how == "expiry":
        one.expire = 0.1
        ask(one.save)
        passed(one)
    else:
        server.client.delete(City._meta.space("default").base + b"o:one")
    two = ask(City.objects.create, id="two", code=code)
    assert list(held(server, b"u:code").values()).count(b"two") == 1
    swept()
    assert ask(City.objects.get, "two") == two
    if how != "eviction":
        assert is_sound()
    with pytest.raises(IntegrityError):
        ask(City.objects.create, code=code)


def test_a_batch_with_a_taken_value_writes_nothing(ask, is_sound):
    ask(City.objects.create, id="one", code=1)
    made = [City(id=f"b{i}", code=i) for i in (5, 6, 1)]
    with pytest.raises(IntegrityError, match=r"'b1': code=1 is taken.*by City 'one'"):
        ask(City.objects.bulk_create, made)
    assert ask(City.objects.ids) == ["one"]
    assert is_sound()


def test_a_batch_that_holds_a_value_twice_writes_nothing(ask, is_sound):
    with pytest.raises(IntegrityError, match=r"'y': code=5 is taken.*by City 'x'"):
        ask(City.objects.bulk_create, [City(id="x", code=5), City(id="y", code=5)])
    assert ask(City.objects.count) == 0
    assert is_sound()


def test_increment_cannot_take_a_unique_value(ask, is_sound):
    ask(City.objects.create, code=2)
    one = ask(City.objects.create, code=1)
    with pytest.raises(IntegrityError, match="code=2 is taken"):
        ask(one.increment, "code")
    assert is_sound()


@pytest.mark.slow
@pytest.mark.servers("redis62", "redis70", "redis82", "valkey91")
def test_an_object_saved_just_before_its_expiration_is_not_swept(server, is_sound):
    """Up to Redis 7.0 a script sees bytes that expire while it runs."""
    connection = connections["default"]._open().get_connection()
    lead_s = 0.003
    for number in range(120):
        token = Token.objects.create(id=f"t{number}", expire=0.05)
        late_s = token._state.expire_at_ms / 1000
        token.blob, token.expire = b"x" * 1_000_000, None
        request = [encode(SaveAttempt(token, "default").operation().wire_args())]
        while time.time() < late_s - lead_s:
            pass
        connection.send_packed_command(request)
        is_saved = connection.read_response() == 1
        lead_s += -0.0001 if is_saved else 0.0001  # approach the moment
        assert not is_saved or Token.objects.get_or_none(token.id)
    assert is_sound()


def test_values_at_the_ends_of_their_types_are_indexed(ask, is_sound):
    early = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
    huge = 10**5000
    city = ask(City.objects.create, name=huge, country=early, population=-huge)
    assert ask(City.objects.get, name=huge).country == early
    assert ask(City.objects.find(country=early, population__lt=0).ids) == [city.id]
    city.founded = early
    ask(city.save)
    assert ask(City.objects.find(founded__lte=early).ids) == [city.id]
    assert is_sound()
