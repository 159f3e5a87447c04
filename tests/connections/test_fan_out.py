"""Operations for one node, for every primary, and without a node, without servers."""

import pytest
from redis.exceptions import ConnectionError, MovedError, ResponseError

from django_ormist.connections.steps import Broken, NodeLeft, Unconfirmed
from django_ormist.operations.operation import (
    NodeOperation,
    Operation,
    on_every_primary,
    on_node,
)
from tests.connections.test_routing import A, B, C, Nodes, World, read, write

SIZE = Operation("DBSIZE", (), parse=int)
TIME = Operation("TIME", ())


class NodesWithPrimaries(Nodes):
    """Nodes that know their primaries, at first A and B."""

    primaries = (A, B)

    def address_of(self, operation):
        if type(operation) is NodeOperation:
            if operation.node not in self.primaries:
                raise NodeLeft(f"{operation.node} has left")
            return operation.node
        return super().address_of(operation) if operation.keys else self.primaries[-1]

    def common_address(self, operations):
        if any(type(operation) is NodeOperation for operation in operations):
            return None
        keyed = [each for each in operations if each.keys]
        return super().common_address(keyed or operations)


class NodesWorld(World):
    """A World whose operations without keys reply with the next of *said*."""

    def __init__(self, nodes=None, **script):
        super().__init__(nodes or NodesWithPrimaries(), **script)
        self.said = {}

    def outcome(self, parcel):
        self.sent.append(parcel._replace(positions=tuple(parcel.positions)))
        replies = []
        for operation in parcel.operations:
            if operation.command == "ASKING":
                replies.append(b"OK")
                continue
            if operation is self.confirm:
                replies.append(self.replicas.pop(0))
                continue
            if operation.keys:
                waiting = self.script.get(operation.keys[0])
            else:
                waiting = self.said.get(parcel.address)
            reply = waiting.pop(0) if waiting else b"OK"
            if isinstance(reply, Broken):
                return reply
            replies.append(reply)
        return replies


def test_every_primary_replies_in_one_round_trip():
    world = NodesWorld()
    world.said = {A: [1], B: [2]}
    (reply,) = world.run(on_every_primary(SIZE))
    assert on_every_primary(SIZE).parse(reply) == [(A, 1), (B, 2)]
    assert [parcel.address for parcel in world.sent] == [A, B]
    assert not world.waited


def test_one_server_replies_as_one_primary_without_an_address():
    assert on_every_primary(SIZE).parse(b"7") == [(None, 7)]


def test_other_operations_of_the_batch_keep_their_places():
    world = NodesWorld(x=[b"1"], y=[b"2"])
    world.nodes.where[b"y"] = B
    world.said = {A: [1], B: [2]}
    size = on_every_primary(SIZE)
    first, found, last = world.run(read(b"x"), size, read(b"y"))
    assert (first, size.parse(found), last) == (b"1", [(A, 1), (B, 2)], b"2")
    assert len(world.sent) == 2


def test_an_error_of_one_primary_is_that_of_the_operation():
    world = NodesWorld()
    error = ResponseError("NOPERM")
    world.said = {B: [error]}
    assert world.run(on_every_primary(SIZE), read(b"x")) == [error, b"OK"]


def test_a_node_can_be_asked_again():
    world = NodesWorld()
    world.said = {B: [5]}
    assert world.run(on_node(SIZE, B)) == [5]
    assert [parcel.address for parcel in world.sent] == [B]


def test_without_an_address_any_node_may_reply():
    assert on_node(SIZE, None) is SIZE


def test_a_node_that_left_is_named():
    world = NodesWorld()
    with pytest.raises(NodeLeft, match="c"):
        world.run(on_node(SIZE, C))
    assert world.sent == []


def test_the_primaries_after_a_failover_are_asked():
    """B fails, and C replaces it."""
    world = NodesWorld()
    world.said = {
        A: [1, 1],
        B: [Broken(ConnectionError("refused"), was_sent=False)],
        C: [3],
    }
    refresh = world.perform

    def perform(step):
        if not isinstance(step, list):
            world.nodes.primaries = (A, C)
        return refresh(step)

    world.perform = perform
    size = on_every_primary(SIZE)
    assert size.parse(world.run(size)[0]) == [(A, 1), (C, 3)]


def test_the_nodes_are_found_first():
    world = NodesWorld()
    world.nodes.primaries = ()
    ping = []

    def address_of(operation):
        if operation.command == "PING":
            ping.append(operation)
            world.nodes.primaries = (A,)
            return A
        return operation.node

    world.nodes.address_of = address_of
    world.said = {A: [b"PONG", 9]}
    size = on_every_primary(SIZE)
    assert size.parse(world.run(size)[0]) == [(A, 9)]
    assert ping


def test_an_operation_without_keys_goes_along_with_the_others():
    world = NodesWorld()
    world.nodes.where = {b"x": B, b"y": B}
    assert world.run(TIME, read(b"x"), read(b"y")) == [b"OK"] * 3
    assert [parcel.address for parcel in world.sent] == [B]
    world.sent.clear()
    world.nodes.where = {b"x": A, b"y": B}
    assert world.run(read(b"x"), TIME, read(b"y")) == [b"OK"] * 3
    assert [parcel.positions for parcel in world.sent] == [(0, 1), (2,)]


def test_too_few_replicas_are_noted_beside_the_replies_of_all_primaries():
    world = NodesWorld()
    world.confirm, world.replicas = Operation("WAIT", (), (1, 100)), [0]
    found = world.run(on_every_primary(SIZE), write(b"x"))
    assert type(found) is Unconfirmed
    assert len(found) == 2


def test_moved_is_followed_where_the_keys_are_among_the_arguments():
    world = NodesWorld()
    world.said = {B: [MovedError("1 a:1")], A: [b"1"]}
    assert world.run(Operation("GET", (), (b"x",))) == [b"1"]
    assert [parcel.address for parcel in world.sent] == [B, A]
    assert not world.waited
