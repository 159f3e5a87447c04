"""run and arun send the operations of a flow, and do nothing else."""

import asyncio

import pytest
from django.dispatch import Signal
from redis.exceptions import BusyLoadingError, NoScriptError, ResponseError

from django_ormist.connections import executor
from django_ormist.connections.steps import Unconfirmed
from django_ormist.exceptions import NotReplicated, TopologyChanged
from django_ormist.operations import Operation, Script, SignalEvent
from django_ormist.operations.operation import optional

ONE = Operation("GET", (b"one",), parse=int)
TWO = Operation("GET", (b"two",))
SWEEP = Operation(Script("sweep"), (b"k",), (5,))


class Wire:
    """A connection with prepared replies that records the batches."""

    def __init__(self, *replies):
        self.replies, self.sent = list(replies), []

    def send(self, parcel):
        self.sent.append([operation.wire_args()[0] for operation in parcel])
        return self.replies.pop(0)

    async def asend(self, parcel):
        return self.send(parcel)


@pytest.fixture(params=["sync", "async"])
def carry(request, monkeypatch):
    def carried(flow, *replies):
        wire = Wire(*replies)
        monkeypatch.setattr(executor, "connections", {"default": wire})
        if request.param == "sync":
            return executor.run(flow, "default"), wire.sent
        return asyncio.run(executor.arun(flow, "default")), wire.sent

    return carried


def test_an_operation_gets_its_parsed_reply_and_a_list_takes_one_round_trip(carry):
    def flow():
        first = yield ONE
        both = yield [ONE, TWO]
        return first, both

    assert carry(flow(), [b"1"], [b"2", b"x"]) == (
        (1, [2, b"x"]),
        [["GET"], ["GET", "GET"]],
    )


def test_operations_run_without_a_flow(carry):
    assert carry(ONE, [b"1"]) == (1, [["GET"]])
    assert carry([ONE, TWO], [b"1", b"2"]) == ([1, b"2"], [["GET", "GET"]])


def test_a_refusal_of_an_optional_operation_is_none(carry):
    def flow():
        first = yield optional(ONE)
        both = yield [TWO, optional(ONE)]
        return first, both

    refusal = ResponseError("NOPERM")
    assert carry(flow(), [refusal], [b"x", refusal])[0] == (None, [b"x", None])
    assert carry(optional(ONE), [b"1"])[0] == 1


@pytest.mark.parametrize(
    ("operation", "error"),
    [(TWO, ResponseError("NOPERM")), (optional(TWO), BusyLoadingError("LOADING"))],
)
def test_other_errors_are_raised_beside_optional_operations(carry, operation, error):
    with pytest.raises(type(error)):
        carry([optional(ONE), operation], [b"1", error])


def test_an_empty_list_takes_no_round_trip(carry):
    def flow():
        return (yield [])

    assert carry(flow()) == ([], [])


def test_only_an_unknown_script_is_sent_again_with_its_source(carry):
    def flow():
        return (yield [ONE, SWEEP])

    result, sent = carry(flow(), [b"1", NoScriptError()], [7])
    assert result == [1, 7]
    assert sent == [["GET", "EVALSHA"], ["EVAL"]]


def test_a_shortage_of_replicas_is_raised_after_the_source_was_sent_again(carry):
    few = Unconfirmed([7])
    few.error = NotReplicated("too few")
    with pytest.raises(NotReplicated, match="too few"):
        carry([ONE, SWEEP], [b"1", NoScriptError()], few)
    few[:] = [b"1", NoScriptError()]
    with pytest.raises(NotReplicated, match="too few"):
        carry([ONE, SWEEP], few, [7])


def test_an_error_of_the_server_ends_the_flow(carry):
    ended = []

    def flow():
        try:
            yield ONE
        finally:
            ended.append(True)

    with pytest.raises(ResponseError, match="broken"):
        carry(flow(), [ResponseError("broken")])
    assert ended == [True]


def test_a_signal_event_is_sent_and_takes_no_round_trip(carry):
    signal, seen = Signal(), []

    def receiver(sender, **arguments):
        seen.append((sender, arguments["using"]))

    signal.connect(receiver)

    def flow():
        yield SignalEvent(signal, Wire, {"using": "default"})
        return "done"

    assert carry(flow()) == ("done", [])
    assert seen == [(Wire, "default")]


def test_operations_have_a_repr_and_compare_equal():
    assert Operation("GET", (b"one",)) == Operation("GET", (b"one",), parse=int)
    assert "GET" in repr(ONE)
    assert SWEEP.wire_args()[2:] == (1, b"k", 5)
    assert repr(Script("sweep")) == "<Script sweep>"


class Doubted:
    """A connection that counts how often it is to find its nodes again."""

    times = 0

    def doubt(self):
        self.times += 1


@pytest.mark.parametrize("interruptions", [0, 1, 2, 3])
def test_a_scan_is_repeated_twice_if_the_nodes_change(monkeypatch, interruptions):
    pauses, raised = [], [TopologyChanged("moved")] * interruptions
    monkeypatch.setattr(executor.time, "sleep", pauses.append)
    doubted = Doubted()

    def scan():
        if raised:
            raise raised.pop()
        return 5

    if interruptions == 3:
        with pytest.raises(TopologyChanged):
            executor.repeat_scan(scan, doubted)
    else:
        assert executor.repeat_scan(scan, doubted) == 5
    assert len(pauses) == doubted.times == min(interruptions, 2)
