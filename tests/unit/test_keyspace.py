"""Scans of keys on several nodes that fail, restart and move slots meanwhile."""

from dataclasses import dataclass, field

import pytest
from redis.exceptions import ResponseError

from django_ormist.exceptions import TopologyChanged
from django_ormist.keys import Space, all_key, object_key, slot_of
from django_ormist.operations import keyspace
from django_ormist.operations.keyspace import KeyScan, keys_by_model, unlink_all
from django_ormist.operations.operation import (
    NearbyOperation,
    NodeOperation,
    RepliesByNode,
)
from django_ormist.operations.topology import read_cluster_nodes
from tests.commands.test_inspect_flows import run_flow

SPACE = Space("p", "app.M")
A, B = ("10.0.0.1", 7001), ("10.0.0.2", 7002)
SLOT = 7
KEY = next(b"p:%d" % n for n in range(10**6) if slot_of(b"p:%d" % n) == SLOT)


@dataclass
class Node:
    """A server: its pages of keys, and what it says of itself."""

    pages: list[list[bytes]]
    slots: str = "0-16383"
    run_id: str = "run"
    epoch: int = 1
    role: str = "master"
    asked: list[str] = field(default_factory=list)

    def reply(self, operation, mode):
        verb, *words = operation.wire_args()
        self.asked.append(verb)
        if verb == "SCAN":
            page = int(words[0])
            last = page + 1 >= len(self.pages)
            return [b"0" if last else b"%d" % (page + 1), self.pages[page]]
        if verb == "INFO":
            return f"redis_mode:{mode}\r\nrun_id:{self.run_id}\r\n".encode()
        if verb == "CLUSTER NODES":
            mine = f"{self.epoch} connected {self.slots}".rstrip()
            return f"id{id(self)} :0@0 myself,{self.role} - 0 0 {mine}\n".encode()
        return {"EXISTS": 1, "UNLINK": len(words)}[verb]


class World:
    """The nodes of an alias. refused: commands that they refuse.

    is_known: whether the alias knows that they are nodes of a Cluster.
    """

    def __init__(self, *nodes, mode="cluster", refused=(), is_known=True):
        self.is_router = mode == "cluster" and is_known
        self.nodes = dict(zip((A, B), nodes, strict=False))
        self.mode, self.refused = mode, refused
        self.round_trips = 0

    def answer(self, operation):
        if operation.wire_args()[0] in self.refused:
            return operation.parse(ResponseError("NOPERM"))
        if type(operation) is NodeOperation and self.is_router:
            if operation.node is not None:
                reply = self.nodes[operation.node].reply(operation, self.mode)
            else:
                reply = RepliesByNode(
                    (address, node.reply(operation, self.mode))
                    for address, node in self.nodes.items()
                )
        else:  # by the slot, or the only one
            reply = self.nodes[A].reply(operation, self.mode)
        return operation.parse(reply)

    def run(self, flow):
        answer = None
        try:
            while True:
                step = flow.send(answer)
                self.round_trips += 1
                answer = [self.answer(each) for each in step]
        except StopIteration as done:
            return done.value

    def keys(self, scan, before_last=lambda: None):
        found = []
        while not scan.is_over:
            if len(found) == 1:
                before_last()
            found.append(self.run(scan.next_page()))
        return found


def two_nodes(**facts):
    return World(
        Node([[b"p:1"], [b"p:2"]], slots="0-5 9"), Node([[b"p:3"]], "6-8 10-16383")
    )


def test_one_server_with_one_page_takes_one_round_trip():
    world = World(Node([[b"p:1", b"q:1"]]), mode="standalone")
    assert world.keys(KeyScan(b"p:")) == [[b"p:1"]]
    assert world.round_trips == 1
    assert "CLUSTER NODES" not in world.nodes[A].asked


@pytest.mark.parametrize("slots", ["0-5 9", ""])
def test_one_node_of_a_cluster_is_given_a_key_of_another_one(slots):
    """Its refusal names the Cluster, and waiting would not help."""
    world = World(Node([[b"p:1"]], slots), mode="cluster", is_known=False)
    flow = KeyScan(b"p:").next_page()
    step = next(flow)
    while step[0].command != "EXISTS":
        step = flow.send([world.answer(each) for each in step])
    (key,) = step[0].keys
    assert slot_of(key) not in {0, 1, 2, 3, 4, 5, 9}


def test_one_node_with_all_slots_is_scanned():
    world = World(Node([[b"p:1"]]), mode="cluster", is_known=False)
    assert world.keys(KeyScan(b"p:")) == [[b"p:1"]]
    assert "EXISTS" not in world.nodes[A].asked


def test_one_server_is_looked_at_again_after_several_pages():
    world = World(Node([[b"p:1"], [b"p:2"], [b"p:3"]]), mode="standalone")
    assert world.keys(KeyScan(b"p:")) == [[b"p:1"], [b"p:2"], [b"p:3"]]
    assert world.round_trips == 4


def test_all_primaries_are_scanned_at_once_to_their_ends():
    world = two_nodes()
    assert world.keys(KeyScan(b"p:")) == [[b"p:1", b"p:3"], [b"p:2"]]
    assert world.nodes[B].asked.count("SCAN") == 2  # the first one is repeated
    assert world.round_trips == 4


def test_keys_of_one_slot_are_scanned_on_one_node():
    world = two_nodes()
    world.nodes[A].slots = "0-16383"
    assert world.keys(KeyScan(b"p:", KEY)) == [[b"p:1"], [b"p:2"]]
    assert not world.nodes[B].asked


def restart(world):
    world.nodes[A].run_id = "another"


def fail_over(world):
    world.nodes[B].epoch += 1


def move_a_slot(world):
    world.nodes[A].slots, world.nodes[B].slots = "0-5", "6-16383"


def begin_to_move_a_slot(world):
    world.nodes[A].slots = "0-5 9 [9->-idB]"


def replace_a_node(world):
    world.nodes[B] = Node([[]], "6-8 10-16383")


def demote(world):
    world.nodes[B].role = "slave"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (restart, "restarted"),
        (fail_over, "failover"),
        (move_a_slot, "moved"),
        (begin_to_move_a_slot, "slot 9 is moving"),
        (replace_a_node, "failover"),
        (demote, "failover"),
    ],
)
def test_a_change_during_a_scan_is_an_error(change, reason):
    world = two_nodes()
    with pytest.raises(TopologyChanged, match=reason):
        world.keys(KeyScan(b"p:"), lambda: change(world))


def test_a_restart_of_the_one_server_is_an_error():
    world = World(Node([[b"p:1"], [b"p:2"]]), mode="standalone")
    with pytest.raises(TopologyChanged, match="restarted"):
        world.keys(KeyScan(b"p:"), lambda: restart(world))


def test_a_primary_that_is_not_known_yet_is_an_error():
    world = World(Node([[]], "0-5"), Node([[]], "9-16383"))
    with pytest.raises(TopologyChanged, match="16381 of 16384 slots"):
        world.keys(KeyScan(b"p:"))


@pytest.mark.parametrize(
    ("slots", "reason"),
    [
        ("0-6", "slot 7 has moved"),
        ("0-7 [7->-idB]", "slot 7 is moving"),
        ("0-7 [8-<-idB]", None),  # another slot
    ],
)
def test_a_scan_of_one_slot_heeds_this_slot_alone(slots, reason):
    world = World(Node([[b"p:1"], [b"p:2"]], "0-7"))

    def change():
        world.nodes[A].slots = slots

    if reason is None:
        assert len(world.keys(KeyScan(b"p:", KEY), change)) == 2
    else:
        with pytest.raises(TopologyChanged, match=reason):
            world.keys(KeyScan(b"p:", KEY), change)


def test_a_scan_is_proven_if_the_nodes_tell_of_their_slots():
    world, scan = two_nodes(), KeyScan(b"p:")
    world.keys(scan)
    assert scan.is_proven
    world, scan = two_nodes(), KeyScan(b"p:")
    world.refused = {"CLUSTER NODES"}
    world.keys(scan)
    assert not scan.is_proven


def test_a_server_without_info_is_scanned():
    world, scan = World(Node([[b"p:1"]]), mode="standalone"), KeyScan(b"p:")
    world.refused = {"INFO", "CLUSTER NODES"}
    assert world.keys(scan) == [[b"p:1"]]


def test_operations_of_one_slot_do_not_send_its_key():
    world = World(Node([[b"p:1"]]))
    flow = KeyScan(b"p:", b"p:{x}:").next_page()
    for step in (flow.send(None), flow.send([None, [(None, (b"0", []))]])):
        for each in step:
            assert each.keys == (b"p:{x}:",)
            if type(each) is NearbyOperation:
                assert b"p:{x}:" not in each.wire_args()
    assert world.round_trips == 0


def test_keys_are_unlinked_by_slot():
    keys = [b"p:{a}:1", b"p:{b}:1", b"p:{a}:2", b"p:{}:1", b"p:x"]
    removed, (step,) = run_flow(unlink_all(keys), [2, 1, 0, 1])
    assert removed == 4
    assert [each.keys for each in step] == [
        (b"p:{a}:1", b"p:{a}:2"),
        (b"p:{b}:1",),
        (b"p:{}:1",),
        (b"p:x",),
    ]
    assert run_flow(unlink_all([])) == (0, [])


@pytest.mark.parametrize("only_objects", [False, True])
def test_only_keys_with_the_prefix_are_unlinked(only_objects):
    ours = [object_key(SPACE, "1"), all_key(SPACE)]
    world = World(Node([[*ours, b"p:{app.Mx}:o:1", b"else"]]), mode="standalone")
    flow = keyspace.unlink_some(KeyScan(SPACE.base), only_objects)
    assert world.run(flow) == (1 if only_objects else 2)


def test_keys_are_counted_by_model_registered_or_not():
    world = World(
        Node(
            [
                [object_key(SPACE, "1"), all_key(SPACE)],
                [b"p:{old}:o:{x}:o:", b"p:{old}:t:o:"],
            ]
        )
    )
    found = world.run(keys_by_model(keyspace.root("p"), "p"))
    assert found == {SPACE: (1, 2), Space("p", "old"): (1, 2)}


def test_nodes_of_a_cluster_are_read():
    reply = (
        b"07c3 127.0.0.1:30004@31004,host4 slave e7d1 0 1426238317239 4 connected\n"
        b"67ed ::1:30002@31002 master - 0 1426238316232 2 disconnected 5461-10922\n"
        b"292f ::1:30003@31003 master,fail? - 0 1426238318243 3 connected\n"
        b"e7d1 :0@0 myself,master - 0 0 1 connected 0-5459 5460 [93->-292f] [7-<-67ed]"
    )
    replica, second, third, first = read_cluster_nodes(reply)
    assert replica.address == ("127.0.0.1", 30004)
    assert (replica.is_primary, replica.primary) == (False, "e7d1")
    assert (second.address, second.is_connected) == (("::1", 30002), False)
    assert second.slot_count == 5462
    assert (third.has_failed, third.slots, third.primary) == (True, (), None)
    assert (first.address, first.epoch) == (None, 1)
    assert first.slots == ((0, 5459), (5460, 5460))
    assert first.moving == (93, 7)
    assert first.owns(5460)
    assert not first.owns(5461)
