"""route() without servers: each refusal in each order, broken nodes, and its end."""

from dataclasses import replace
from itertools import permutations, product

import pytest
import redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    MaxConnectionsError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from django_ormist.connections.routing import LONGEST_PAUSE, LOST, UNPROVEN, route
from django_ormist.connections.steps import Broken, Parcel, Refresh, Unconfirmed, Wait
from django_ormist.operations.operation import Operation, Script
from django_ormist.operations.repeatable import RepeatableWrite

A, B, C = ("a", 1), ("b", 2), ("c", 3)
PATIENCE = 10.0


def read(key):
    return Operation("GET", (key,))


def write(key):
    return Operation("INCR", (key,), is_write=True)


class Nodes:
    """A map of keys to nodes, all on A at first."""

    is_sharded = True

    def __init__(self, **where):
        self.where = {name.encode(): address for name, address in where.items()}
        self.doubted = 0
        self.is_known = self.is_fresh = True

    def is_due(self, now):
        return not self.is_fresh

    def address_of(self, operation):
        return self.where.get(operation.keys[0], A) if self.is_known else None

    def common_address(self, operations):
        found = {self.address_of(operation) for operation in operations}
        return found.pop() if len(found) == 1 else None

    def move(self, operation, address):
        self.where[operation.keys[0]] = address

    def doubt(self):
        self.doubted += 1

    def explain(self, address, error):
        return ConnectionError(f"at {address}: {error}")


class World:
    """Answers the steps of route(): *script* has the next outcomes of each key.

    An outcome is a reply, or Broken for the parcel. After the last one it is b"OK".
    """

    def __init__(self, nodes=None, **script):
        self.nodes = nodes or Nodes()
        self.confirm, self.replicas = None, []
        self.script = {name.encode(): list(replies) for name, replies in script.items()}
        self.now = 0.0
        self.sent, self.applied = [], []
        self.refreshed, self.waited = [], []

    def run(self, *operations, patience=PATIENCE):
        clock, vary = (lambda: self.now), (lambda: 0.5)
        steps = route(self.nodes, operations, patience, clock, vary, self.confirm)
        answer = None
        try:
            while True:
                step = steps.send(answer)
                answer = self.perform(step)
        except StopIteration as done:
            return done.value

    def perform(self, step):
        if isinstance(step, Wait):
            self.waited.append(step.seconds)
            self.now += step.seconds
        elif isinstance(step, Refresh):
            self.refreshed.append(step.is_urgent)
        else:
            assert [each.address for each in step] == sorted({p.address for p in step})
            return [self.outcome(parcel) for parcel in step]
        return None

    def outcome(self, parcel):
        self.sent.append(parcel._replace(positions=tuple(parcel.positions)))
        waiting = [
            self.script.get(key, []) for op in parcel.operations for key in op.keys
        ]
        for replies in waiting:
            if replies and isinstance(replies[0], Broken) and not replies[0].was_sent:
                return replies.pop(0)
        replies = []
        for operation in parcel.operations:
            if operation is self.confirm:
                replies.append(self.replicas.pop(0))
                continue
            if operation.command == "ASKING":
                replies.append(b"OK")
                continue
            waiting = self.script.get(operation.keys[0])
            reply = waiting.pop(0) if waiting else b"OK"
            if isinstance(reply, Broken):
                return reply
            if not isinstance(reply, Exception):
                self.applied.append(operation)
            replies.append(reply)
        return replies


def refusals():
    """Each refusal, new: an error collects notes."""
    return {
        "MOVED": MovedError("1 b:2"),
        "ASK": AskError("1 c:3"),
        "TRYAGAIN": TryAgainError("TRYAGAIN"),
        "CLUSTERDOWN": ClusterDownError("CLUSTERDOWN"),
        "MASTERDOWN": MasterDownError("MASTERDOWN"),
        "READONLY": ReadOnlyError("READONLY"),
        "LOADING": BusyLoadingError("LOADING"),
        "NOREPLICAS": ResponseError("NOREPLICAS Not enough good replicas to write."),
        "UNSENT": Broken(ConnectionError("refused"), was_sent=False),
        "SLOW": Broken(TimeoutError("connecting"), was_sent=False),
    }


NAMES = list(refusals())


def test_all_replies_of_one_node_are_one_parcel():
    world = World()
    assert world.run(read(b"x"), write(b"y")) == [b"OK", b"OK"]
    assert world.sent == [Parcel(A, (0, 1), (read(b"x"), write(b"y")))]
    assert not world.refreshed
    assert not world.waited


def test_operations_of_several_nodes_are_sent_at_once_by_address():
    world = World(Nodes(x=C, y=A, z=C))
    operations = [read(b"x"), write(b"y"), read(b"z")]
    assert world.run(*operations) == [b"OK"] * 3
    assert world.sent == [
        Parcel(A, (1,), [write(b"y")]),
        Parcel(C, (0, 2), [read(b"x"), read(b"z")]),
    ]


def test_nothing_to_send_is_no_step():
    world = World()
    assert world.run() == []
    assert not world.sent


def test_a_map_that_is_due_is_refreshed_first():
    nodes = Nodes()
    nodes.is_fresh = False
    world = World(nodes)
    assert world.run(read(b"x")) == [b"OK"]
    assert world.refreshed == [False]


@pytest.mark.parametrize("operation", [read(b"x"), write(b"x")], ids=["read", "write"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_each_refusal_in_each_order_is_followed_by_the_reply(operation, length):
    for names in permutations(NAMES, length):
        made = refusals()
        world = World(x=[made[name] for name in names])
        assert world.run(operation) == [b"OK"], names
        assert world.applied == [operation], names


@pytest.mark.parametrize("names", list(product(NAMES, NAMES)), ids="-".join)
def test_two_operations_are_refused_apart(names):
    """One write and one read, on one node and on two: each is applied, writes once."""
    for nodes in (Nodes(), Nodes(y=B)):
        first, second = refusals()[names[0]], refusals()[names[1]]
        world = World(nodes, x=[first], y=[second])
        assert world.run(write(b"x"), read(b"y")) == [b"OK", b"OK"]
        assert world.applied.count(write(b"x")) == 1


def test_moved_is_followed_at_once_and_for_good():
    world = World(x=[MovedError("1 b:2")])
    assert world.run(write(b"x")) == [b"OK"]
    assert world.run(write(b"x")) == [b"OK"]
    assert [parcel.address for parcel in world.sent] == [A, B, B]
    assert world.refreshed == [True]
    assert not world.waited


def test_moved_without_a_host_is_another_port_of_the_same_host():
    world = World(x=[MovedError("1 :7")])
    world.run(read(b"x"))
    assert world.sent[1].address == ("a", 7)


@pytest.mark.parametrize("kind", [MovedError, AskError])
def test_a_node_without_its_host_name_is_looked_for(kind):
    """It should announce one, and has none: "?" in its place."""
    world = World(x=[kind("1 ?:7")])
    assert world.run(write(b"x")) == [b"OK"]
    assert [parcel.address for parcel in world.sent] == [A, A]
    assert world.refreshed == [True]
    assert len(world.waited) == 1


@pytest.mark.parametrize("reply", ["MOVED", "ASK"])
def test_many_operations_are_redirected_at_once_without_a_pause(reply):
    keys = [f"k{number}" for number in range(100)]
    world = World(**{key: [refusals()[reply]] for key in keys})
    assert world.run(*(write(key.encode()) for key in keys)) == [b"OK"] * 100
    assert len(world.sent) == 2
    assert not world.waited


def test_moved_to_and_fro_is_not_a_busy_loop():
    world = World(x=[MovedError("1 b:2"), MovedError("1 a:1")] * 1000)
    (reply,) = world.run(read(b"x"))
    assert isinstance(reply, MovedError)
    assert len(world.sent) < 60
    assert world.now <= PATIENCE


def test_ask_is_followed_once_and_leaves_the_map():
    world = World(x=[AskError("1 c:3")])
    assert world.run(write(b"x"), write(b"y")) == [b"OK", b"OK"]
    asking = Operation("ASKING", ())
    assert world.sent[1] == Parcel(C, (0,), [asking, write(b"x")], is_asking=True)
    assert world.nodes.address_of(write(b"x")) == A
    assert not world.refreshed


def test_a_node_gets_one_parcel_at_a_time():
    """With two, a thread would wait for the connection that it holds itself."""
    world = World(x=[AskError("1 c:3")], y=[MovedError("2 c:3")])
    assert world.run(write(b"x"), write(b"y")) == [b"OK", b"OK"]
    sent = [(each.positions, each.is_asking) for each in world.sent]
    assert sent == [((0, 1), False), ((1,), False), ((0,), True)]


def test_try_again_stays_at_the_node_that_was_asked():
    world = World(x=[AskError("1 c:3"), TryAgainError(""), TryAgainError("")])
    assert world.run(write(b"x")) == [b"OK"]
    assert [parcel.address for parcel in world.sent] == [A, C, C, C]
    assert [parcel.is_asking for parcel in world.sent] == [False, True, True, True]
    assert len(world.waited) == 2
    assert not world.refreshed


@pytest.mark.parametrize("error", [MovedError("1 b:2"), AskError("1 c:3")])
def test_one_node_does_not_follow_a_cluster(error):
    nodes = Nodes()
    nodes.is_sharded = False
    world = World(nodes, x=[error])
    assert world.run(read(b"x")) == [error]
    assert len(world.sent) == 1


@pytest.mark.parametrize(
    "error", [ReadOnlyError(""), MasterDownError(""), BusyLoadingError("")]
)
def test_reads_beside_a_refused_write_are_repeated(error):
    """A former primary replies to them with old data."""
    world = World(x=[error], y=[b"old", b"new"])
    assert world.run(read(b"y"), write(b"x")) == [b"new", b"OK"]


def test_a_read_that_cannot_be_repeated_keeps_its_old_reply():
    world = World(x=[ReadOnlyError("no")] * 1000, y=[b"old"] * 1000)
    old, refusal = world.run(read(b"y"), write(b"x"))
    assert old == b"old"
    assert isinstance(refusal, ReadOnlyError)


@pytest.mark.parametrize("error", [NoScriptError(""), ResponseError("WRONGTYPE")])
def test_other_errors_stand_in_the_place_of_the_reply(error):
    """The executor sends an unknown script again, with its source."""
    world = World(x=[error])
    assert world.run(write(b"x"), read(b"y")) == [error, b"OK"]
    assert len(world.sent) == 1


# ---------------------------------------------------------------- broken connections


@pytest.mark.parametrize("error", [ConnectionError("reset"), TimeoutError("late")])
def test_a_read_without_its_reply_is_repeated(error):
    world = World(x=[Broken(error, was_sent=True)] * 2)
    assert world.run(read(b"x")) == [b"OK"]
    assert world.refreshed == [True, True]


@pytest.mark.parametrize("error", [ConnectionError("reset"), TimeoutError("late")])
def test_a_write_without_its_reply_is_raised_and_not_repeated(error):
    world = World(Nodes(y=B), x=[Broken(error, was_sent=True)])
    with pytest.raises(type(error)) as caught:
        world.run(write(b"x"), write(b"y"))
    assert caught.value.__notes__ == [LOST]
    assert [parcel.address for parcel in world.sent] == [A, B]
    assert world.nodes.doubted == 1


def test_a_write_is_repeated_on_one_node_and_lost_on_another():
    lost = Broken(ConnectionError("reset"), was_sent=True)
    unsent = Broken(ConnectionError("refused"), was_sent=False)
    world = World(Nodes(y=B), x=[unsent], y=[lost])
    with pytest.raises(ConnectionError, match="reset"):
        world.run(write(b"x"), write(b"y"))
    assert world.applied == []


@pytest.mark.parametrize(
    "error", [AuthenticationError("wrong"), MaxConnectionsError("all")]
)
def test_what_does_not_pass_is_raised_at_once(error):
    world = World(x=[Broken(error, was_sent=False)])
    with pytest.raises(type(error)):
        world.run(write(b"x"))
    assert not world.waited


# ---------------------------------------------------------------- repeated writes


SAVE = Script("save")


class Comparing(RepeatableWrite):
    """A write whose replies b"other" prove nothing."""

    __slots__ = ()

    def settle(self, reply):
        return None if reply == b"other" else b"settled " + reply

    def was_applied_before(self, reply):
        return reply == b"before"


def comparing(key):
    return Comparing(SAVE, (key,), is_write=True)


def reset():
    return Broken(ConnectionError("reset"), was_sent=True)


def test_a_repeatable_write_is_sent_again_and_its_reply_is_settled():
    world = World(Nodes(y=B), x=[reset(), reset(), b"again"])
    assert world.run(comparing(b"x"), comparing(b"y")) == [b"settled again", b"OK"]
    assert world.applied == [
        comparing(b"y"),
        replace(comparing(b"x"), with_source=True),
    ]
    assert world.refreshed == [True, True]


def test_the_script_of_a_repeated_write_is_sent_in_full():
    """A new primary may not know it."""
    world = World(x=[reset()])
    world.run(comparing(b"x"))
    (first,), (second,) = (parcel.operations for parcel in world.sent)
    assert (first.with_source, second.with_source) == (False, True)


def test_a_repeated_write_follows_refusals():
    world = World(x=[reset(), AskError("1 c:3"), TryAgainError(""), reset(), b"late"])
    assert world.run(comparing(b"x")) == [b"settled late"]


def test_a_repeated_write_without_a_proof_raises_the_first_error():
    world = World(x=[reset(), b"other"])
    with pytest.raises(ConnectionError, match="reset") as caught:
        world.run(comparing(b"x"))
    assert caught.value.__notes__ == [UNPROVEN]


def test_the_error_that_a_repeated_write_gets_says_that_it_may_be_applied():
    error = ResponseError("OOM")
    world = World(x=[reset(), error])
    assert world.run(comparing(b"x")) == [error]
    assert error.__notes__ == [UNPROVEN]


def test_a_repeatable_write_is_raised_beside_one_that_is_not():
    world = World(x=[reset()])
    with pytest.raises(ConnectionError) as caught:
        world.run(comparing(b"x"), write(b"y"))
    assert caught.value.__notes__ == [LOST]
    assert len(world.sent) == 1


def test_a_repeatable_write_that_was_not_lost_has_its_own_reply():
    world = World(x=[ReadOnlyError("")])
    assert world.run(comparing(b"x")) == [b"OK"]


@pytest.mark.parametrize("last", [ClusterDownError(""), reset()], ids=["down", "reset"])
def test_a_repeated_write_at_the_end_of_the_patience_may_be_applied(last):
    world = World(x=[reset(), *([last] * 1000)])
    error = None
    try:
        (error,) = world.run(comparing(b"x"))
    except ConnectionError as raised:
        error = raised
    assert error.__notes__[-1] == UNPROVEN
    assert "Gave up after" in error.__notes__[0]
    assert world.now <= PATIENCE


# ---------------------------------------------------------------- replicas

WAIT = Operation("WAIT", (), (2, 1000))


def confirming(*replicas, **script):
    """A world in which WAIT returns these numbers of replicas."""
    world = World(Nodes(y=B), **script)
    world.confirm, world.replicas = WAIT, list(replicas)
    return world


def test_writes_are_confirmed_in_their_own_request():
    world = confirming(2, 3)
    replies = world.run(write(b"x"), read(b"y"), write(b"y"), read(b"x"))
    assert replies == [b"OK"] * 4
    assert type(replies) is list
    assert [parcel.operations[-1] for parcel in world.sent] == [WAIT, WAIT]
    assert [parcel.positions for parcel in world.sent] == [(0, 3), (1, 2)]


def test_reads_are_not_confirmed():
    world = confirming()
    assert world.run(read(b"x")) == [b"OK"]
    assert list(world.sent[0].operations) == [read(b"x")]


@pytest.mark.parametrize(
    ("replicas", "confirmed"),
    [([1, 2], 1), ([2, 0], 0), ([ResponseError("denied"), 2], 0)],
)
def test_too_few_replicas_are_told_with_the_replies(replicas, confirmed):
    replies = confirming(*replicas).run(write(b"x"), write(b"y"))
    assert type(replies) is Unconfirmed
    assert list(replies) == [b"OK", b"OK"]
    assert replies.confirmed == confirmed


def test_a_write_that_was_not_run_needs_no_replicas():
    refusal = ReadOnlyError("no")
    world = confirming(ResponseError("a replica cannot WAIT"), 2, x=[refusal])
    assert type(world.run(write(b"x"))) is list
    error = ResponseError("WRONGTYPE")
    assert type(confirming(0, x=[error]).run(write(b"x"))) is list


def test_an_asked_write_is_confirmed():
    world = confirming(0, 2, x=[AskError("1 c:3")])
    assert world.run(write(b"x")) == [b"OK"]
    assert world.sent[1].operations == [Operation("ASKING", ()), write(b"x"), WAIT]


def test_a_repeated_write_that_had_no_effect_is_not_confirmed():
    """WAIT is about the writes of its own connection."""
    replies = confirming(2, x=[reset(), b"before"]).run(comparing(b"x"))
    assert (type(replies), replies.confirmed) == (Unconfirmed, 0)
    assert type(confirming(2, x=[reset(), b"now"]).run(comparing(b"x"))) is list


# ---------------------------------------------------------------- patience


@pytest.mark.parametrize("name", ["TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING"])
def test_the_last_refusal_stands_in_its_place_and_tells_the_attempts(name):
    error = refusals()[name]
    world = World(x=[error] * 1000)
    reply, other = world.run(write(b"x"), write(b"y"))
    assert reply is error
    assert other == b"OK"
    (note,) = error.__notes__
    assert note.startswith("Gave up after 9.")
    assert f"a:1: {type(error).__name__}" in note
    assert f"({len(world.sent)} times)" in note
    assert "OPTIONS['patience']" in note
    assert PATIENCE - LONGEST_PAUSE <= world.now <= PATIENCE


def test_a_node_that_cannot_be_reached_is_explained():
    world = World(x=[Broken(ConnectionError("refused"), was_sent=False)] * 1000)
    with pytest.raises(
        redis.ConnectionError, match=r"at \('a', 1\): refused"
    ) as caught:
        world.run(write(b"x"))
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "a:1: ConnectionError refused" in caught.value.__notes__[0]


def test_nodes_that_are_never_found_are_explained():
    nodes = Nodes()
    nodes.is_known = False
    world = World(nodes)
    with pytest.raises(ConnectionError, match="at None: None") as caught:
        world.run(write(b"x"))
    assert "Nothing could be sent" in caught.value.__notes__[0]
    assert not world.sent


def test_without_patience_one_attempt_is_made():
    world = World(x=[ReadOnlyError("no")])
    (reply,) = world.run(write(b"x"), patience=0)
    assert isinstance(reply, ReadOnlyError)
    assert len(world.sent) == 1


def test_pauses_double_up_to_a_quarter_of_a_second():
    world = World(x=[TryAgainError("")] * 1000)
    world.run(write(b"x"))
    assert world.waited[:7] == [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.25]
    assert set(world.waited[6:]) == {0.25}
