"""The raw checker finds every kind of damage; otherwise its silence is no proof."""

import pytest

from tests.checker import api_faults
from tests.models import City, Page, Session, User

pytestmark = pytest.mark.servers("valkey91")


@pytest.fixture
def pages(server):
    """Two pages with counters: "one" without expiration, "two" with it."""
    one = Page.objects.create("red", "blue", id="one", site="s", views=1)
    two = Page.objects.create("red", id="two", site="s", views=1, expire=1000)
    User.objects.create("x" * 100, name="n", id="user")
    Session.objects.create(user_id=3, expire=1000)
    City.objects.create(id="bern", code="BE", population=5, name="Bern")
    City.objects.create(id="soon", code="SO", name="Soon", expire=1000)
    return one, two


def test_a_sound_store_has_no_faults(pages, faults):
    assert faults() == []
    assert api_faults(Page, ["red", "blue", "green"]) == []
    assert api_faults(User) == api_faults(Session) == []


DAMAGE = {
    "object gone": ("DEL", "o:one"),
    "object without a TTL": ("PERSIST", "o:two"),
    "object with a TTL": ("PEXPIRE", "o:one", 50_000),
    "object with another TTL": ("PEXPIRE", "o:two", 999_000),
    "object of garbage": ("SET", "o:one", b"garbage"),
    "object of old bytes": ("SET", "o:one", b"\x01\x91\x80"),
    "object unknown to all": ("ZREM", "all", "one"),
    "stranger in all": ("ZADD", "all", 5, "three"),
    "stranger in a term": ("ZADD", "t:red", 5, "three"),
    "term that no object has": ("ZADD", "t:green", 5, "one"),
    "entry missing": ("ZREM", "t:blue", "one"),
    "entry of an attribute missing": ("ZREM", "t:site:s", "one"),
    "entry at another time": ("ZADD", "t:red", 5, "one"),
    "all at another time": ("ZADD", "all", 5, "two"),
    "deadline missing": ("ZREM", "expires", "two"),
    "deadline of another time": ("ZADD", "expires", 5, "two"),
    "deadline too many": ("ZADD", "expires", 5, "one"),
    "deadline of a stranger": ("ZADD", "expires", 5, "three"),
    "memo missing": ("HDEL", "idx", "two"),
    "memo too many": ("HSET", "idx", "one", "\x05t:red"),
    "memo of other terms": ("HSET", "idx", "two", "\x05t:red"),
    "memo of a stranger": ("HSET", "idx", "three", "\x05t:red"),
    "counters without a TTL": ("PERSIST", "c:two"),
    "counters with a TTL": ("PEXPIRE", "c:one", 50_000),
    "counters of a stranger": ("HSET", "c:three", "views", 1),
    "counter that is none": ("HSET", "c:one", "views", "x"),
    "counter not declared": ("HSET", "c:one", "size", 1),
    "foreign key": ("SET", "z:one", 1),
    "index of another type": ("SET", "t:red", 1),
    "object of another type": ("LPUSH", "o:three", 1),
}


INDEX_DAMAGE = {
    "entry missing": ("ZREMRANGEBYRANK", "by:name", 0, 0),
    "entry too many": ("ZADD", "by:name", 0, "x"),
    "entry with a score": ("ZADD", "by:new", 1, "x"),
    "sort key missing": ("HDEL", "of:population", "bern"),
    "sort key of a stranger": ("HSET", "of:population", "nobody", "x"),
    "sort key of another value": ("HSET", "of:population", "bern", "x"),
    "ordered by nothing known": ("HSET", "of:new", "bern", "x"),
    "value free": ("HDEL", "u:code", "t:BE"),
    "value of another": ("HSET", "u:code", "t:BE", "soon"),
    "value that nobody has": ("HSET", "u:code", "t:XX", "bern"),
    "unique by nothing known": ("HSET", "u:new", "t:XX", "bern"),
    "memo without its value": ("HSET", "idx", "soon", "\x06t:name"),
}


@pytest.mark.parametrize("damage", INDEX_DAMAGE.values(), ids=INDEX_DAMAGE)
def test_the_raw_checker_finds_a_wrong_index(server, pages, faults, key, damage):
    command, rest, *words = damage
    server.client.execute_command(command, key(City, rest), *words)
    assert len(faults()) >= 1


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_the_raw_checker_finds_damage(server, pages, faults, key, damage):
    command, rest, *words = damage
    if command == "SET":
        server.client.delete(key(Page, rest))
    server.client.execute_command(command, key(Page, rest), *words)
    assert len(faults()) >= 1


def test_the_raw_checker_finds_an_undeclared_model(server, faults):
    server.client.set(f"{server.key_prefix}:{{tests.Nobody}}:all", 1)
    server.client.set(f"{server.key_prefix}:{{no", 1)
    assert len(faults()) == 2


@pytest.mark.parametrize(
    "name", ["term that no object has", "entry missing", "all at another time"]
)
def test_the_api_checker_finds_damage(server, pages, key, name):
    command, rest, *words = DAMAGE[name]
    server.client.execute_command(command, key(Page, rest), *words)
    assert api_faults(Page, ["red", "blue", "green"])
