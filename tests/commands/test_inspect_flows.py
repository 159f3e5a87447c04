"""The flows of the commands, with prepared replies."""

import re

from hypothesis import given
from hypothesis import strategies as st

from django_ormist.codecs import pack
from django_ormist.keys import Space, object_key
from django_ormist.operations import keyspace, stats
from django_ormist.operations.stats import ModelCounts, Sample
from django_ormist.schema import Schema

SPACE = Space("p", "app.M")


def run_flow(flow, *replies):
    """Return the result of *flow* with these replies, and its operations."""
    steps, reply = [], None
    replies = list(replies)
    try:
        while True:
            steps.append(flow.send(reply))
            reply = replies.pop(0)
    except StopIteration as done:
        assert not replies
        return done.value, steps


def test_expired_objects_are_counted_separately():
    assert run_flow(stats.model_counts(SPACE), [(b"", 7), 10, 5])[0] == ModelCounts(
        7, 2, 3
    )


def test_counts_are_never_negative_during_concurrent_writes():
    assert run_flow(stats.model_counts(SPACE), [(b"", 11), 10, 0])[0] == ModelCounts(
        11, 0, 0
    )


def test_a_sample_reports_terms_and_damaged_bytes():
    packed = [pack({"a": 1}, ["x"]), None, b"\x00"]
    flow = stats.sample(SPACE, lambda name: name == "a", 3)
    seen, _ = run_flow(flow, [b"1", b"2", b"3"], packed)
    assert seen.rows == [(b"1", ["x", "a:1"]), (b"2", []), (b"3", [])]
    assert seen.unreadable == [object_key(SPACE, "3")]


def test_a_sample_of_an_empty_model_takes_one_query():
    seen, steps = run_flow(stats.sample(SPACE, lambda name: True), [])
    assert seen == Sample([])
    assert len(steps) == 1


def test_the_largest_tags_are_counted_and_ordered():
    seen = Sample([(b"1", ["x", "y"]), (b"2", ["x", "gone"])])
    flow = stats.largest_tags(SPACE, seen, 2)
    assert run_flow(flow, [(b"", n) for n in (10, 30, 0)])[0] == [("y", 30), ("x", 10)]


def test_the_size_adds_own_bytes_and_a_share_of_each_entry():
    seen = Sample([(b"1", ["x"]), (b"2", ["x", "y"])])
    memory = [1000, 0, 0, 100, 200, 400, 30]
    numbers = [10, 8, 3]
    # (100 + 200 + 2 * 400/8 + 30/3) / 2 = 205 an object, ten objects, and the index
    size, _ = run_flow(stats.size_bytes(Schema(SPACE), seen), memory, numbers)
    assert size == 1000 + 2050


def test_the_size_ignores_a_missing_entry():
    seen = Sample([(b"1", ["x"])])
    flow = stats.size_bytes(Schema(SPACE), seen)
    assert run_flow(flow, [10, 0, 0, 5, 0], [1, 0])[0] == 15


def test_the_size_reads_a_thousand_keys_per_round_trip():
    seen = Sample([(b"%d" % i, []) for i in range(1500)])
    schema = Schema(SPACE, counters=frozenset({"n"}))
    flow = stats.size_bytes(schema, seen)
    _, steps = run_flow(flow, [1] * 1000, [1] * 1000, [1] * 1000, [1] * 3, [1500])
    assert [len(step) for step in steps] == [1000, 1000, 1000, 3, 1]


def test_info_is_read_by_field():
    info = stats.read_info(
        b"# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.0\r\n"
        b"server_mode:standalone\r\n\r\n# Memory\r\nused_memory:12\r\nmaxmemory:0\r\n"
        b"aof_enabled:1\r\nconfig_file:/a:b\r\n"
    )
    assert info["config_file"] == "/a:b"
    facts = stats.server_facts(info)
    assert (facts["product"], facts["version"]) == ("valkey", "9.1.0")
    assert facts["mode"] == "standalone"
    assert facts["memory"]["used_bytes"] == 12
    assert facts["persistence"]["append_only"] is True
    assert facts["role"] is None


def test_facts_that_the_server_does_not_give_are_none():
    facts = stats.server_facts({})
    assert facts["product"] is facts["version"] is facts["uptime_seconds"] is None
    assert set(facts["persistence"].values()) == {None}


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_an_escaped_glob_matches_only_its_text(text, other):
    pattern = keyspace.escape_glob(text)
    assert matched(pattern, text)
    assert matched(pattern, other) == (text == other)


def matched(pattern, text):
    """Match as Redis reads a glob without sets: ? is any byte, * any, \\ quotes."""
    parts = {b"*": b".*", b"?": b"."}
    tokens = re.findall(rb"\\.|.", pattern, re.DOTALL)
    regexp = b"".join(parts.get(each, re.escape(each[-1:])) for each in tokens)
    return re.fullmatch(regexp, text, re.DOTALL) is not None and b"[" not in tokens


def test_a_prefix_does_not_match_a_longer_one():
    assert SPACE.base.startswith(keyspace.root("p"))
    assert not Space("p:q", "app.M").base.startswith(keyspace.root("p"))
