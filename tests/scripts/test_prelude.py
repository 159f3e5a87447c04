"""prelude.lua: the common beginning of every script, function by function."""

import time

import pytest

from django_ormist.operations.objects import MOST_MEMO_PARTS, build_memo
from tests.conftest import scripts
from tests.scripts.store import ONE_VARIANT_A_SERVER, image

pytestmark = ONE_VARIANT_A_SERVER


def test_the_clock_gives_ms_and_microseconds_of_one_moment(store):
    body = "local ms, us = clock() return {digits(ms), digits(us)}"
    now_ms, now_us = map(int, store.lua(body, "all"))
    assert now_us // 1000 == now_ms
    assert abs(now_ms / 1000 - time.time()) < 3600


def test_the_clock_is_read_once(store):
    body = """
      local ms, us = clock()
      for _ = 1, 10000 do redis.call('EXISTS', KEYS[1]) end
      local again_ms, again_us = clock()
      return again_ms == ms and again_us == us and 1 or 0
    """
    assert store.lua(body, "all") == 1


@pytest.mark.parametrize("number", [0, -1, 1_700_000_000_123_456, 2**53])
def test_digits_formats_every_digit(store, number):
    assert store.lua("return digits(tonumber(ARGV[1]))", "all", args=[number]) == (
        b"%d" % number
    )


@pytest.mark.parametrize("kind", ["string", "zset", "hash"])
def test_mistyped_is_the_first_key_of_another_type(store, kind):
    store.client.set(store.key("string"), "x")
    store.client.zadd(store.key("zset"), {"x": 1})
    store.client.hset(store.key("hash"), "x", 1)
    body = "return mistyped(KEYS, 2, #KEYS, ARGV[1])"
    others = sorted({"string", "zset", "hash"} - {kind})
    assert store.lua(body, others[0], kind, "none", args=[kind]) is None
    refusal = [-1, store.key(others[0])]
    assert store.lua(body, kind, kind, *others, args=[kind]) == refusal


def test_mistyped_ordered_checks_pairs_of_keys(store):
    body = "return mistyped_ordered(KEYS, 1, (#KEYS - #KEYS % 2) / 2)"
    store.client.zadd(store.key("zset"), {"x": 1})
    store.client.hset(store.key("hash"), "x", 1)
    assert store.lua(body, "zset", "hash", "none", "none") is None
    assert store.lua(body, "zset", "hash", "hash", "hash") == [-1, store.key("hash")]
    assert store.lua(body, "zset", "zset") == [-1, store.key("zset")]


def test_the_next_creation_time_is_the_latest(store):
    body = "return digits(next_created(KEYS[1], 1000))"
    assert store.lua(body, "all") == b"1000"
    store.client.zadd(store.key("all"), {"one": 999})
    assert store.lua(body, "all") == b"1000"
    store.client.zadd(store.key("all"), {"two": 1000})
    assert store.lua(body, "all") == b"1001"


@pytest.mark.parametrize(
    "terms", [(), ("a",), ("", "\0", "a" * 64, "a" * 65, "é" * 32, "x:y")]
)
def test_a_memo_is_decoded_as_python_encodes_it(store, terms):
    written = image(*terms, expire=1)
    body = """
      local found = {}
      each_part(ARGV[1], function(part) found[#found + 1] = part end)
      return found
    """
    assert store.lua(body, "all", args=[written.memo]) == list(written.suffixes)


def test_an_entry_consists_of_sort_key_creation_time_id_and_length(store):
    body = "return entry(ARGV[1], ARGV[2], ARGV[3])"
    made = store.lua(body, "all", args=[b"\x21", 1_764_093_600_123_456, b"x" * 300])
    moment = (1_764_093_600_123_456).to_bytes(7, "big")
    assert made == b"\x21" + moment + b"x" * 300 + (300).to_bytes(3, "big")


def test_purge_frees_only_unique_values_of_the_id(store):
    store.client.hset(store.key("u:code"), mapping={"t:1": "one", "t:2": "two"})
    memo = build_memo(unique={("code",): b"t:2"}) + build_memo(
        unique={("code",): b"t:1"}
    )
    body = "purge(ARGV[1], 'one', ARGV[2], false)"
    store.lua(body, "all", args=[store.space.base, memo])
    assert store.hash("u:code") == {b"t:2": b"two"}


def test_purge_removes_one_id_from_each_set_of_a_memo(store):
    for rest in ("t:a", "t:b", "t:c"):
        store.client.zadd(store.key(rest), {"one": 1, "two": 2})
    store.mistype("t:wrong")
    memo = image("a", "wrong", "none", "b", expire=1).memo
    base = store.space.base
    store.lua("purge(ARGV[1], 'one', ARGV[2], '5')", "all", args=[base, memo])
    assert store.ids("t:a") == store.ids("t:b") == ["two"]
    assert store.ids("t:c") == ["one", "two"]


def test_a_memo_has_as_many_parts_as_a_client_writes(store):
    assert store.lua("return MOST_PARTS", "all") == MOST_MEMO_PARTS


@pytest.mark.parametrize("script", list(scripts()), ids=lambda script: script.name)
def test_the_first_line_of_each_script_lets_dragonfly_run_it(store, script):
    """For other servers it is a comment, and a part of the script's text."""
    line, _, rest = script.source.partition(b"\n")
    assert line == b"--!df flags=allow-undeclared-keys"
    assert not rest.startswith(b"#!")
    assert store.client.script_load(script.source).encode() == script.sha.encode()
