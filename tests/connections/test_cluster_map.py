"""Which node has which slot, whom the map asks, and what the errors say."""

import os
from ipaddress import ip_address

import pytest
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ResponseError,
    TimeoutError,
)

from django_ormist.conf import Alias
from django_ormist.connections import cluster_map, urls
from django_ormist.connections.cluster_map import (
    AVOIDED_FOR,
    INTERVAL,
    ClusterMap,
)
from django_ormist.connections.sentinels import SHORTEST_INTERVAL
from django_ormist.connections.steps import NodeLeft
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.keys import slot_of
from django_ormist.operations.operation import (
    Operation,
    near,
    on_every_primary,
    on_node,
)

A, B, C, D = ((f"10.0.0.{i}", 7000) for i in range(1, 5))
SEED = ("seed", 6379)
DOWN = ConnectionError("refused")
TIME = Operation("TIME", ())

# Keys and their slots, as CLUSTER KEYSLOT says.
KEYS = {
    b"a": 15495,
    b"123456789": 12739,
    b"ormist:{app.Model}:o:1": 12720,
    b"{}a": 10875,
    b"a}b{c}": 7365,
    b"a{b}c{d}": 3300,
    b"a{b": 13340,
    b"": 0,
    b"a{{b}}": 6215,
}


def get(key):
    return Operation("GET", (key,))


def node(address, *metadata):
    host, port = address
    return [host.encode(), port, b"id", *metadata]


def slots(*ranges, epoch=1):
    """The replies of a node: ranges of (first, last, primary, replicas)."""
    listed = [[first, last, *map(node, nodes)] for first, last, *nodes in ranges]
    return [listed, b"cluster_state:ok\r\ncluster_current_epoch:%d\r\n" % epoch]


WHOLE = slots((0, 8000, A, C), (8001, 16383, B))


class Nodes:
    """A map, and the replies of nodes by address. Others refuse."""

    def __init__(self, replies=None, location="redis+cluster://seed,seed2", **options):
        alias = Alias("shop", location=location, options=options)
        self.map = ClusterMap("ORMIST['shop']", urls.endpoint(alias).cluster)
        self.replies = {SEED: WHOLE} if replies is None else replies
        self.now = 100.0
        self.asked = []

    def refresh(self, is_urgent=True, later=1.0):
        self.now += later
        self.asked = []
        queries, answer = self.map.refresh(is_urgent, lambda: self.now), None
        try:
            while True:
                query = queries.send(answer)
                address = query.endpoint.address
                self.asked.append(address)
                answer = self.replies.get(address, DOWN)
        except StopIteration:
            return self.map

    def at(self, key):
        return self.map.address_of(get(key))


@pytest.fixture
def nodes():
    made = Nodes()
    made.refresh()
    made.replies = {A: WHOLE, B: WHOLE, C: WHOLE}
    return made


# ---------------------------------------------------------------- slots


@pytest.mark.parametrize("key", KEYS)
def test_the_slot_of_a_key_is_that_of_its_hash_tag(key):
    for _ in range(2):  # computed, and remembered
        assert slot_of(key) == KEYS[key]


def test_the_first_map_comes_from_a_node_of_the_setting(nodes):
    assert nodes.asked == [SEED]
    assert nodes.map.primaries == (A, B)
    assert nodes.map.replicas == {A: (C,), B: ()}
    assert nodes.map.addresses == {A, B, C}
    assert nodes.map.version == 1
    assert nodes.at(b"a{b}c{d}") == A
    assert nodes.at(b"a") == B


def test_nothing_is_known_before():
    nodes = Nodes()
    assert nodes.map.is_due(0.0)
    assert nodes.at(b"a") is None
    assert nodes.map.common_address([get(b"a"), TIME]) is None
    assert nodes.map.common_address([TIME]) is None
    assert nodes.map.address is None


def test_operations_of_one_node_have_a_common_address(nodes):
    common = nodes.map.common_address
    assert common([get(b"a"), get(b"{a}b"), get(b"123456789")]) == B
    assert common([get(b"a"), get(b"{b}")]) is None
    assert common([TIME, get(b"a"), TIME]) == B
    assert common([TIME]) in nodes.map.primaries
    assert common([on_node(TIME, C)]) == C
    assert common([on_node(TIME, C), get(b"a")]) is None
    assert common([near(TIME, b"p:{b}:")]) == A
    assert common([near(TIME, b"p:{a}:")]) == B
    assert common([on_every_primary(TIME)]) is None
    assert common([]) is None


def test_a_node_that_left_is_named(nodes):
    with pytest.raises(NodeLeft, match=r"10\.0\.0\.4:7000 is not a node.*'shop'"):
        nodes.map.address_of(on_node(TIME, D))


def test_moved_changes_one_slot_at_once(nodes):
    nodes.map.move(get(b"a"), D)
    assert nodes.at(b"a") == D
    assert nodes.at(b"123456789") == B


def test_the_node_that_moved_named_is_asked_first(nodes):
    """It knows that it has the slot. Others may not know it yet."""
    nodes.replies[D] = slots((0, 8000, A), (8001, 16383, D), epoch=2)
    nodes.map.move(get(b"a"), D)
    nodes.refresh()
    assert nodes.asked == [D]
    assert nodes.map.addresses == {A, D}
    assert nodes.map.version == 2


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [[b"hostname", b"n1"]],
        [{b"hostname": b"n1"}],
    ],
)
@pytest.mark.parametrize("version", ["unknown", "empty"])
def test_a_node_without_a_host_has_that_of_the_node_that_replied(version, metadata):
    host = {"unknown": None, "empty": b""}[version]
    listed = [[0, 16383, [host, 7001, b"id", *metadata], [host, 7002, b"id"]]]
    nodes = Nodes({SEED: [listed, b"cluster_current_epoch:1\r\n"]})
    nodes.refresh()
    assert nodes.map.primaries == (("seed", 7001),)
    assert nodes.map.replicas == {("seed", 7001): (("seed", 7002),)}


@pytest.mark.parametrize("metadata", [[b"ip", b"10.0.0.9"], {b"ip": b"10.0.0.9"}])
def test_a_node_that_announces_no_host_name_has_its_ip(metadata):
    listed = [[0, 16383, [b"?", 7001, b"id", metadata]]]
    nodes = Nodes({SEED: [listed, b""]})
    nodes.refresh()
    assert nodes.map.primaries == (("10.0.0.9", 7001),)


def test_announced_host_names_and_ipv6_addresses_are_addresses():
    v6 = str(ip_address("2001:db8::1"))
    nodes = Nodes({SEED: slots((0, 9, (v6, 1)), (10, 16383, ("n1.example.org", 2)))})
    nodes.refresh()
    assert nodes.map.primaries == ((v6, 1), ("n1.example.org", 2))


def test_slots_without_a_node_are_unknown():
    nodes = Nodes({SEED: slots((0, 8000, A))})
    nodes.refresh()
    assert nodes.at(b"a") is None
    assert "no node for some of its hash slots" in str(nodes.map.explain(None, None))


# ---------------------------------------------------------------- whom it asks


def test_known_nodes_are_asked_before_those_of_the_setting(nodes):
    nodes.refresh()
    assert len(nodes.asked) == 1
    assert nodes.asked[0] in (A, B, C)
    nodes.replies = {}
    nodes.refresh()
    assert set(nodes.asked[:3]) == {A, B, C}
    assert nodes.asked[3:] == [SEED, ("seed2", 6379)]


def test_nodes_are_asked_in_arbitrary_order(nodes):
    seen = set()
    for _ in range(100):
        nodes.refresh()
        seen.update(nodes.asked)
    assert seen == {A, B, C}


def test_a_silent_node_is_asked_last_for_a_while(nodes):
    del nodes.replies[A], nodes.replies[B]
    while len(seen := set(nodes.asked)) < 3 or SEED in seen:
        nodes.map._avoided.clear()
        nodes.refresh()  # until both have been asked, before C
    for _ in range(5):
        nodes.refresh()
        assert nodes.asked == [C]
    seen = set()
    for _ in range(50):
        nodes.refresh(later=AVOIDED_FOR)
        seen.update(nodes.asked)
    assert seen == {A, B, C}


def test_an_older_map_counts_only_if_there_is_no_newer_one(nodes):
    new = slots((0, 16383, D), epoch=5)
    nodes.replies = {D: new, A: WHOLE, B: WHOLE, C: WHOLE, SEED: WHOLE}
    nodes.map.move(get(b"a"), D)
    nodes.refresh()
    assert nodes.map.primaries == (D,)
    nodes.replies[SEED] = new
    del nodes.replies[D]
    nodes.map.move(get(b"a"), A)  # which has the map from before
    nodes.refresh()
    assert nodes.map.primaries == (D,)
    nodes.replies = {A: WHOLE}
    nodes.map.move(get(b"a"), A)
    nodes.refresh()
    assert nodes.map.primaries == (A, B)


@pytest.mark.parametrize("info", [NoPermissionError("NOPERM"), b"cluster_state:ok"])
def test_without_an_epoch_the_first_map_counts(nodes, info):
    nodes.replies = {key: [slots((0, 16383, D))[0], info] for key in (A, B, C)}
    nodes.refresh()
    assert len(nodes.asked) == 1
    assert nodes.map.primaries == (D,)


def test_the_old_map_stays_if_nobody_answers(nodes):
    nodes.replies = {}
    nodes.refresh()
    assert nodes.map.primaries == (A, B)
    assert nodes.at(b"a") == B
    assert nodes.map.version == 1


def test_an_equal_map_changes_nothing(nodes):
    nodes.refresh()
    assert nodes.map.version == 1


def test_nodes_are_asked_again_after_a_minute_or_a_doubt(nodes):
    assert not nodes.map.is_due(nodes.now + INTERVAL - 1)
    assert nodes.map.is_due(nodes.now + INTERVAL)
    nodes.map.doubt()
    assert nodes.map.is_due(nodes.now)


def test_a_refresh_that_just_ran_is_not_repeated(nodes):
    nodes.refresh()
    nodes.refresh(later=SHORTEST_INTERVAL / 2)
    assert nodes.asked == []
    nodes.refresh(later=SHORTEST_INTERVAL)
    assert len(nodes.asked) == 1


def test_only_one_refresh_runs_at_a_time(nodes):
    nodes.now += 1
    running = nodes.map.refresh(True, lambda: nodes.now)
    next(running)
    nodes.refresh()
    assert nodes.asked == []
    running.close()
    nodes.refresh()
    assert len(nodes.asked) == 1


def test_a_child_process_does_not_wait_for_the_refresh_of_its_parent(
    nodes, monkeypatch
):
    nodes.now += 1
    running = nodes.map.refresh(True, lambda: nodes.now)
    next(running)
    monkeypatch.setattr(cluster_map.os, "getpid", lambda: os.getppid())
    nodes.refresh()
    assert len(nodes.asked) == 1


# ---------------------------------------------------------------- errors


def explain(*args, **options):
    """The error of a refresh, or of the map after it."""
    nodes = Nodes(*args, **options)
    try:
        nodes.refresh()
    except ImproperlyConfigured as error:
        return str(error)
    return str(nodes.map.explain(None, None))


def test_the_error_says_what_each_node_answered():
    text = explain({SEED: TimeoutError("too late")})
    assert text == (
        "ORMIST['shop'] found no node of its Cluster that answers. Of the nodes, "
        "seed:6379 said: too late; seed2:6379 said: refused. Start them, or correct "
        "their addresses in LOCATION."
    )


def test_a_wrong_password_is_named():
    text = explain({SEED: AuthenticationError("WRONGPASS")})
    assert "Give the user and the password in OPTIONS" in text


def test_silent_nodes_that_are_asked_with_tls_have_a_hint():
    for scheme, has_hint in (("redis+cluster", False), ("valkeys+cluster", True)):
        endpoint = urls.endpoint(Alias("shop", location=f"{scheme}://seed"))
        found = ClusterMap("ORMIST['shop']", endpoint.cluster).explain(None, None)
        assert ("asked with TLS" in str(found)) is has_hint


def test_another_kind_of_server_is_named():
    off = ResponseError("This instance has cluster support disabled")
    text = explain({SEED: [off, off]})
    assert "ORMIST['shop'] names seed:6379 as a node of a Cluster" in text
    assert "redis://" in text


@pytest.mark.parametrize(
    "refusal", ["SELECT is not allowed in cluster mode", "DB index is out of range"]
)
def test_a_database_that_the_cluster_lacks_is_named(refusal):
    text = explain({SEED: ResponseError(refusal)}, "redis+cluster://seed/3")
    assert "ORMIST['shop'] names the database 3" in text
    assert "Leave the number out of LOCATION" in text


def test_nodes_without_slots_are_named():
    text = explain({SEED: [[], b"cluster_current_epoch:0"]})
    assert "seed:6379 said: it serves no hash slots" in text


@pytest.mark.parametrize(
    "replies",
    [
        [None, b""],
        [[1, 2], b""],
        [[[0, 16383]], b""],
        [[[0, 16383, [b"\xff", 7000]]], b""],
        [[[0, 16383, [b"?", 7000, b"id", None]]], b""],
        [[], b"cluster_current_epoch:x"],
    ],
)
def test_a_reply_of_another_form_is_named_and_the_next_node_is_asked(replies):
    nodes = Nodes({SEED: replies, ("seed2", 6379): WHOLE})
    assert nodes.refresh().primaries == (A, B)
    assert "seed:6379 said: its reply to CLUSTER SLOTS" in explain({SEED: replies})


def test_a_node_that_cannot_be_reached_is_named_with_the_fix(nodes):
    error = nodes.map.explain(A, TimeoutError("no route."))
    assert isinstance(error, TimeoutError)
    assert str(error) == (
        "The Cluster of ORMIST['shop'] names the node 10.0.0.1:7000, and it cannot be "
        "used from here: no route. Start it, or let nodes announce the address that "
        "clients reach, with cluster-announce-ip or cluster-announce-hostname."
    )
