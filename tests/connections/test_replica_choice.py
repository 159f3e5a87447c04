"""The choice of the node that answers a read, without I/O: read() and its steps."""

from contextlib import suppress

import pytest
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    ResponseError,
    TimeoutError,
)

from django_ormist.connections import replica_reads
from django_ormist.connections.positions import STATE, at_least
from django_ormist.connections.replica_reads import (
    LEFT_OUT_FOR,
    Ask,
    Reading,
    Replicas,
    StateObserver,
    read,
)
from django_ormist.connections.routing import route
from django_ormist.connections.steps import Broken, Refresh
from django_ormist.operations.operation import Operation, Script, on_node

P, R, S = ("p", 1), ("r", 1), ("s", 1)
A, B = "a" * 40, "b" * 40
GET = Operation("GET", (b"x",))
PAGE = Operation(Script("page"), (b"x",), (1,))


def replica(offset=10, id=A, link=b"up"):
    text = b"role:slave\r\nmaster_link_status:%s\r\nmaster_replid:%s\r\n"
    return text % (link, id.encode()) + b"slave_repl_offset:%d\r\n" % offset


def primary(offset=10, id=A):
    text = b"role:master\r\nmaster_replid:%s\r\nmaster_repl_offset:%d\r\n"
    return text % (id.encode(), offset)


class Nodes:
    """A map of one primary and its replicas."""

    is_sharded = False
    primaries = (P,)

    def __init__(self):
        self.replicas = (R, S)
        self.is_old = False
        self.doubted = 0

    def is_due(self, now):
        return self.is_old

    def slot_of(self, operation):
        return 0 if operation.keys or not self.is_sharded else None

    def replicas_of(self, slot):
        return self.replicas

    def address_of(self, operation):
        return P

    def common_address(self, operations):
        return P

    def doubt(self):
        self.doubted += 1


class World:
    """Runs read() with scripted outcomes of replicas; the primary always replies."""

    def __init__(self, *outcomes):
        self.nodes = Nodes()
        self.replicas = Replicas("default")
        self.outcomes = list(outcomes)
        self.steps, self.now, self.state = [], 0.0, primary()
        self.reading = Reading()

    @property
    def positions(self):
        return self.replicas.positions

    @property
    def asked(self):
        """The nodes that were asked, in order."""
        return [
            step.address if isinstance(step, Ask) else step[0].address
            for step in self.steps
            if not isinstance(step, Refresh)
        ]

    def run(self, *operations, reading=None):
        self.reading = reading or Reading()
        given = operations or (GET,)
        limits = 10.0, lambda: self.now, lambda: 0.5
        steps = read(self.nodes, given, *limits, self.replicas, self.reading)
        try:
            step = next(steps)
            while True:
                self.steps.append(step)
                if isinstance(step, Ask):
                    outcome = self.outcomes.pop(0)
                    if isinstance(outcome, list):
                        assert len(outcome) == len(step.operations)
                    step = steps.send(outcome)
                elif isinstance(step, list):
                    sent = step[0].operations
                    replies = [self.state if o is STATE else b"new" for o in sent]
                    step = steps.send([replies])
                else:
                    step = next(steps)
        except StopIteration as done:
            return done.value


# ---------------------------------------------------------------- one request


def test_a_replica_tells_its_state_and_answers_in_one_request():
    world = World([replica(), b"old"])
    assert world.run() == [b"old"]
    assert world.steps == [Ask(R, [STATE, GET])]


def test_replicas_take_turns():
    world = World(*[[replica(), b"old"]] * 4)
    for _ in range(4):
        world.run()
    assert world.asked == [R, S, R, S]


def test_a_replica_with_the_last_write_answers():
    world = World([replica(offset=10), b"old"])
    world.positions.note(0, A, 10)
    assert world.run() == [b"old"]


@pytest.mark.parametrize(
    "outcome",
    [
        [replica(offset=9), b"old"],
        [replica(link=b"down"), b"old"],
        [replica(id=B, offset=99), b"old"],
        [primary(offset=99), b"old"],
        [ResponseError("NOPERM no INFO"), b"old"],
        [replica(), BusyLoadingError("LOADING")],
        [replica(), MasterDownError("MASTERDOWN")],
        [replica(), MovedError("0 q:1")],
        [replica(), NoPermissionError("no GET for this user")],
        [replica(), ResponseError("WRONGTYPE")],
        Broken(ConnectionError("refused"), was_sent=False),
        Broken(TimeoutError("slow"), was_sent=True),
    ],
)
def test_otherwise_the_primary_answers(outcome):
    world = World(outcome)
    world.positions.note(0, A, 10)
    assert world.run() == [b"new"]
    assert world.asked == [R, P]


def test_what_a_context_requires_counts_too():
    world = World([replica(offset=10), b"old"], [replica(offset=10), b"old"])
    with at_least(f"default:{A}:0.11"):
        assert world.run() == [b"new"]
    with at_least(f"other:{A}:0.11"):
        assert world.run() == [b"old"]


def test_without_replicas_the_primary_is_asked_at_once():
    world = World()
    world.nodes.replicas = ()
    assert world.run() == [b"new"]
    assert world.asked == [P]


def test_an_old_map_is_refreshed_before():
    world = World([replica(), b"old"])
    world.nodes.is_old = True
    world.run()
    assert world.steps[0] == Refresh(is_urgent=False)


def test_operations_of_a_named_node_go_there():
    world = World()
    assert world.run(on_node(Operation("DBSIZE", ()), P)) == [b"new"]
    assert world.asked == [P]


# ---------------------------------------------------------------- several requests


def test_the_round_trips_of_a_flow_use_one_replica():
    world = World(*[[replica(), b"old"]] * 3)
    reading = Reading()
    for _ in range(3):
        world.run(reading=reading)
    assert world.asked == [R, R, R]


def test_after_the_primary_has_answered_it_answers_the_rest_of_the_flow():
    world = World([replica(link=b"down"), b"old"])
    reading = Reading()
    world.run(reading=reading)
    assert world.run(reading=reading) == [b"new"]
    assert world.asked == [R, P, P]


def test_another_replica_must_not_be_older_than_the_first():
    world = World([replica(offset=10), b"old"], [replica(offset=9), b"older"])
    reading = Reading()
    world.run(reading=reading)
    world.nodes.replicas = (S,)
    assert world.run(reading=reading) == [b"new"]
    assert world.asked == [R, S, P]


def test_an_unknown_script_is_the_answer_of_the_replica():
    unknown = NoScriptError("NOSCRIPT")
    world = World([replica(), unknown])
    assert world.run(PAGE) == [unknown]
    assert world.reading.replica == R


# ---------------------------------------------------------------- read-only scripts


def test_scripts_are_sent_in_their_read_only_form():
    world = World([replica(), b"old"], [replica(), b"old"])
    sha = PAGE.command.sha
    world.run(PAGE)
    (ask,) = world.steps
    assert ask.operations[1].wire_args() == ("EVALSHA_RO", sha, 1, b"x", 1)


@pytest.mark.parametrize(
    "refusal",
    [
        ResponseError("unknown command `EVALSHA_RO`, with args beginning with: "),
        ResponseError("unknown command 'EVALSHA_RO', with args beginning with: "),
        NoPermissionError(
            "User app has no permissions to run the 'evalsha_ro' command"
        ),
    ],
)
def test_a_replica_without_them_gets_the_other_form_from_then_on(refusal):
    world = World([replica(), refusal], *[[replica(), b"old"]] * 2)
    world.nodes.replicas = (R,)
    assert world.run(PAGE) == [b"old"]
    assert world.run(PAGE) == [b"old"]
    assert [ask.operations[1].wire_args()[0] for ask in world.steps] == [
        "EVALSHA_RO",
        "EVALSHA",
        "EVALSHA",
    ]


# ---------------------------------------------------------------- left out


def test_a_replica_that_fails_is_left_out_for_a_while(caplog):
    broken = Broken(ConnectionError("refused"), was_sent=False)
    world = World(broken, *[[replica(), b"old"]] * 9)
    for _ in range(4):
        world.run()
    assert world.asked == [R, P, S, S, S]
    assert world.nodes.doubted == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    for words in ("ORMIST['default']", "r:1", "refused", "10 seconds"):
        assert words in record.getMessage()
    world.now = LEFT_OUT_FOR
    world.steps.clear()
    for _ in range(2):
        world.run()
    assert set(world.asked) == {R, S}


def test_only_one_caller_tries_a_replica_that_was_left_out():
    world = World()
    world.replicas.leave_out(R, 0.0, "x")
    assert world.replicas.choose((R,), LEFT_OUT_FOR - 0.1) is None
    assert world.replicas.choose((R,), LEFT_OUT_FOR) == R
    assert world.replicas.choose((R,), LEFT_OUT_FOR) is None
    world.replicas.welcome(R)
    assert world.replicas.choose((R,), LEFT_OUT_FOR) == R


@pytest.mark.parametrize(
    "outcome",
    [
        [replica(offset=9), b"old"],
        [replica(), ResponseError("WRONGTYPE")],
        [replica(), NoScriptError("NOSCRIPT")],
    ],
)
def test_a_replica_that_is_behind_is_not_left_out(outcome, caplog):
    world = World(outcome)
    world.positions.note(0, A, 10)
    world.run()
    assert world.replicas.choose((R,), 0.0) == R
    assert not caplog.records


def test_the_primary_gets_the_rest_of_the_patience(monkeypatch):
    world = World(Broken(TimeoutError("slow"), was_sent=True))
    given = []

    def route(nodes, operations, patience, *rest):
        given.append(patience)
        yield from ()
        return [b"new"]

    monkeypatch.setattr(replica_reads, "route", route)
    clock = iter([0.0, 1.0, 2.0, 3.0, 4.0])
    steps = read(
        world.nodes,
        [GET],
        10.0,
        lambda: next(clock),
        lambda: 0.5,
        world.replicas,
        Reading(),
    )
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(world.outcomes[0])
    assert given == [7.0]


# ---------------------------------------------------------------- after a failover


def test_the_position_of_a_former_primary_is_renewed_by_one_read():
    world = World(
        [replica(id=B, offset=30), b"old"], [replica(id=B, offset=30), b"old"]
    )
    world.positions.note(0, A, 500)
    world.state = primary(id=B, offset=25)
    with at_least(f"default:{A}:0.700"):
        assert world.run() == [b"new"]
        assert world.positions.required(0) == {B: 25}
        assert world.run() == [b"old"]
    assert world.asked == [R, P, S]


def test_the_id_of_another_primary_lets_the_sentinels_be_asked_first():
    """In the first second of a failover the former primary still replies as one."""
    world = World([replica(offset=30), b"old"])
    world.nodes.doubt = lambda: setattr(world.nodes, "is_old", True)
    with at_least(f"default:{B}:0.20"):
        world.run()
    assert [type(step) for step in world.steps] == [Ask, Refresh, list]


def test_a_former_primary_renews_nothing():
    """It is a replica now, and may not have what this process has written."""
    world = World([replica(id=B, offset=30), b"old"])
    world.positions.note(0, A, 500)
    world.state = replica(id=B, offset=25)
    world.run()
    assert world.positions.required(0) == {A: 500}


def test_a_replica_that_is_behind_renews_nothing():
    world = World([replica(offset=9), b"old"])
    world.positions.note(0, A, 10)
    world.state = primary(offset=99)
    world.run()
    assert world.positions.required(0) == {A: 10}


def test_a_lost_write_sends_one_read_to_the_primary():
    world = World([replica(offset=99), b"old"], [replica(offset=99), b"old"])
    world.replicas.lose(world.nodes, [GET, Operation("SET", (b"x",), is_write=True)])
    world.state = primary(offset=50)
    assert world.run() == [b"new"]
    assert world.positions.required(0) == {A: 50}
    assert world.run() == [b"old"]


def test_lost_reads_lose_no_position():
    world = World()
    world.replicas.lose(world.nodes, [GET])
    assert world.positions.required(0) == {}


# ---------------------------------------------------------------- a Cluster


@pytest.mark.parametrize("nothing", [None, 0, [], [[], []], [None, None], [b"", 0]])
def test_a_replica_of_a_cluster_that_finds_nothing_is_not_believed(nothing):
    """The slot may have moved, which a replica learns last."""
    world = World([replica(), nothing])
    world.nodes.is_sharded = True
    assert world.run() == [b"new"]
    world = World([replica(), nothing])
    assert world.run() == [nothing]


def test_one_empty_reply_of_several_is_believed():
    """An object without counters, say. The clock is no object."""
    clock = Operation("TIME", ())
    world = World([replica(), b"x", []], [replica(), [b"1", b"2"], None])
    world.nodes.is_sharded = True
    assert world.run(GET, GET) == [b"x", []]
    assert world.run(clock, GET) == [b"new", b"new"]


def test_a_replica_that_has_lost_a_slot_lets_the_map_be_refreshed():
    world = World([replica(), MovedError("0 q:1")])
    world.run()
    assert world.nodes.doubted == 1


def test_several_slots_are_read_from_primaries():
    world = World()
    world.nodes.slot_of = lambda operation: int(operation.keys[0])
    both = [Operation("GET", (b"1",)), Operation("GET", (b"2",))]
    assert world.run(*both) == [b"new", b"new"]
    assert world.asked == [P]


# ---------------------------------------------------------------- what writes note


def sent_by(*operations, confirm=None, outcomes=()):
    """The parcels of a write, and the positions that it has left."""
    world, parcels = World(), []
    world.nodes.is_sharded = True
    observer = StateObserver(world.nodes, world.positions)
    limits = 10.0, lambda: 0.0, lambda: 0.5
    steps = route(world.nodes, operations, *limits, confirm, observer)
    outcomes = list(outcomes)
    with suppress(StopIteration):
        step = next(steps)
        while True:
            parcels.append(list(step[0].operations))
            step = steps.send([outcomes.pop(0)])
    return parcels, world.positions.required(0)


WAIT = Operation("WAIT", (), (1, 100))
SET = Operation("SET", (b"x",), is_write=True)


def test_a_write_asks_for_the_position_in_its_own_request():
    parcels, required = sent_by(GET, SET, outcomes=[[b"1", b"OK", primary(offset=5)]])
    assert parcels == [[GET, SET, STATE]]
    assert required == {A: 5}


def test_the_position_is_asked_before_replicas_are_waited_for():
    outcome = [b"OK", primary(offset=5), 1]
    parcels, required = sent_by(SET, confirm=WAIT, outcomes=[outcome])
    assert parcels == [[SET, STATE, WAIT]]
    assert required == {A: 5}


def test_a_read_at_the_primary_asks_for_no_position():
    assert sent_by(GET, outcomes=[[b"1"]]) == ([[GET]], {})


def test_a_write_that_another_node_has_asked_for_has_a_position():
    asking = Operation("ASKING", keys=())
    refusal = [AskError("0 q:1"), primary(id=B, offset=9)]
    outcomes = [refusal, [b"OK", b"OK", primary(offset=5)]]
    parcels, required = sent_by(SET, outcomes=outcomes)
    assert parcels == [[SET, STATE], [asking, SET, STATE]]
    assert required == {A: 5, B: 9}


def test_a_write_without_a_state_is_lost():
    """An ACL may forbid INFO: then only the primary is known to have the write."""
    world = World()
    observer = StateObserver(world.nodes, world.positions)
    write = Operation("SET", (b"x",), is_write=True)
    parcel = type("Parcel", (), {"operations": [write, STATE]})
    observer.note(parcel, primary(offset=5))
    assert world.positions.required(0) == {A: 5}
    observer.note(parcel, NoPermissionError("no INFO"))
    assert world.positions.required(0) == {A: 5, "": 0}
