"""Positions and their tokens, without a server."""

import threading

import pytest
from redis.exceptions import ResponseError

from django_ormist.connections.positions import (
    LOST,
    STATE,
    Positions,
    State,
    at_least,
    is_proven,
    of_context,
    read_token,
    write_token,
)

A, B = "a" * 40, "b" * 40

PRIMARY = b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:%s\r\n"
PRIMARY += b"master_repl_offset:70\r\n"
REPLICA = (
    b"# Replication\r\nrole:slave\r\nmaster_link_status:%s\r\nmaster_replid:%s\r\n"
)
REPLICA += b"slave_repl_offset:60\r\nmaster_repl_offset:61\r\n"


def positions(*entries):
    made = Positions()
    for entry in entries:
        made.note(*entry)
    return made


# ---------------------------------------------------------------- the state of a server


def test_the_state_of_a_primary():
    assert STATE.parse(PRIMARY % A.encode()) == State(A, 70, False, True)


@pytest.mark.parametrize(("link", "is_linked"), [(b"up", True), (b"down", False)])
def test_the_state_of_a_replica_is_what_it_has_applied(link, is_linked):
    assert STATE.parse(REPLICA % (link, A.encode())) == State(A, 60, is_linked)


@pytest.mark.parametrize("reply", [ResponseError("NOPERM"), b"", b"role:slave", None])
def test_another_reply_is_no_state(reply):
    assert STATE.parse(reply) is None


# ---------------------------------------------------------------- what is required


def test_the_greatest_offset_of_an_id_counts():
    assert positions((0, A, 5), (0, A, 9), (0, A, 7)).required(0) == {A: 9}


def test_each_slot_has_its_own_position():
    made = positions((1, A, 5), (2, B, 9))
    assert made.required(1) == {A: 5}
    assert made.required(3) == {}
    assert made.slots() == [1, 2]


def test_two_ids_are_both_required():
    assert positions((0, A, 5), (0, B, 1)).required(0) == {A: 5, B: 1}


@pytest.mark.parametrize(
    ("state", "required", "expected"),
    [
        (State(A, 10, True), {}, True),
        (State(A, 10, True), {A: 10}, True),
        (State(A, 9, True), {A: 10}, False),
        (State(B, 99, True), {A: 10}, False),
        (State(A, 99, False), {}, False),
        (State(A, 99, True), {A: 10, B: 1}, False),
        (State(A, 99, True), {LOST: 0}, False),
    ],
)
def test_a_replica_is_proven_by_its_id_offset_and_link(state, required, expected):
    assert is_proven(state, required) is expected


def test_a_new_primary_replaces_the_positions_of_the_former_one():
    made = positions((0, A, 500))
    made.renew(0, made.required(0), State(B, 20, False))
    assert made.required(0) == {B: 20}


def test_the_same_primary_leaves_positions_as_they_are():
    """Its present offset would keep replicas away under load."""
    made = positions((0, A, 5))
    made.renew(0, made.required(0), State(A, 99, False))
    assert made.required(0) == {A: 5}


def test_a_lost_write_is_replaced_by_the_position_of_the_primary():
    made = positions((0, A, 5))
    made.lose(0)
    made.renew(0, made.required(0), State(A, 99, False))
    assert made.required(0) == {A: 99}


def test_a_write_during_the_renewal_stays_required():
    made = positions((0, A, 5))
    before = made.required(0)
    made.note(0, A, 7)
    made.renew(0, before, State(B, 20, False))
    assert made.required(0) == {A: 7, B: 20}


def test_a_write_that_is_lost_during_the_renewal_stays_lost():
    made = positions((0, A, 5))
    made.lose(0)
    before = made.required(0)
    made.lose(0)
    made.renew(0, before, State(A, 99, False))
    assert not is_proven(State(A, 99, True), made.required(0))
    made.renew(0, made.required(0), State(A, 99, False))
    assert made.required(0) == {A: 99}


def test_threads_lose_no_position():
    made, barrier = Positions(), threading.Barrier(4)

    def work(first):
        barrier.wait()
        for offset in range(first, 4000, 4):
            made.note(0, A, offset)
            assert made.required(0)[A] >= offset

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.required(0) == {A: 3999}
    assert len(made._slots[0][A]) < 10


# ---------------------------------------------------------------- tokens


def test_a_token_is_read_as_it_was_written():
    first = positions((0, A, 5), (0, B, 1))
    second = positions((7, A, 2**62), (16383, A, 3), (8, LOST, 0))
    token = write_token({"default": first, "ünïcode!:~": second})
    assert token.isascii()
    assert not set(token) & set(' ";,\\\r\n')
    found = read_token(token)
    assert {alias: each._slots for alias, each in found.items()} == {
        "default": first._slots,
        "ünïcode!:~": second._slots,
    }


def test_without_positions_a_token_is_empty():
    assert write_token({"default": Positions()}) == ""
    assert read_token("") == {}


@pytest.mark.parametrize(
    "token",
    [
        "default",
        "default:",
        f"default:{A}",
        f"default:{A}:0",
        f"default:{A}:0.x",
        f"default:{A}:0.-1",
        f"default:{A[1:]}:0.1",
        f"default:{A.upper()}:0.1",
        f"default:{A}:0.1!",
        f"default:{A}:0.1 ",
        f"default:{A}:0.1\n",
        f"default:{A}:٣.1",
        f"default:{A}:0." + "9" * 30,
        '{"default": 1}',
        "!",
        "x" * 10_000_000,
        f"default:{A}" + ":1.1" * 1_000_000,
    ],
    ids=lambda token: token[:20] + str(len(token)),
)
def test_a_text_that_is_no_token_raises(token):
    text = r"not a token of position\(\)"
    with pytest.raises(ValueError, match=text) as caught, at_least(token):
        pass
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("token", [None, 5, b"", ["x"]])
def test_another_type_raises(token):
    with pytest.raises(TypeError, match="is a text"), at_least(token):
        pass


def test_blocks_add_their_tokens_and_take_them_back():
    def required():
        return [each.required(0) for each in of_context("default")]

    with at_least(f"default:{A}:0.5"):
        with at_least(f"default:{A}:0.9!other:{B}:0.1"):
            assert required() == [{A: 5}, {A: 9}]
        assert required() == [{A: 5}]
        token = write_token({"default": positions((0, A, 3))})
        assert token == f"default:{A}:0.5"  # what was read here is passed on
    assert required() == []


def test_an_error_in_a_block_ends_it():
    with pytest.raises(KeyError), at_least(f"default:{A}:0.5"):
        raise KeyError
    assert list(of_context("default")) == []


def test_a_thread_does_not_inherit_a_block():
    found = []
    with at_least(f"default:{A}:0.5"):
        thread = threading.Thread(target=lambda: found.extend(of_context("default")))
        thread.start()
        thread.join()
    assert found == []
