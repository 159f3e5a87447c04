"""Reads from replicas that may be behind, on real servers, without sentinels."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import django_ormist as ormist
from django_ormist.connections import replica_reads
from tests import servers
from tests.docs.pages import blocks
from tests.replicas import ReplicaSet, answered_by

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

KINDS = [kind for kind in ("valkey91", "redis82", "redis62") if servers.find(kind)]
ALLOWED = {
    "enabled": True,
    "passwords": ["+secret"],
    "keys": ["*"],
    "categories": ["+@all"],
}


class ReplicatedNote(ormist.TaggedAttrsModel):
    class Meta:
        counters = ["views"]


# ---------------------------------------------------------------- which node answers


def test_replicas_that_are_level_answer_in_turn(connection, nodes):
    note = ReplicatedNote.objects.create("a", text="x")
    nodes.catch_up()
    seen = set()
    for _ in range(4):
        seen |= answered_by(ReplicatedNote.objects.get, note.id)
    assert seen == nodes.ports


def test_a_replica_that_is_behind_leaves_the_answer_to_the_primary(
    ask, connection, nodes, seen
):
    note = ask(ReplicatedNote.objects.create, "a", text="old")
    nodes.catch_up()
    assert ask(ReplicatedNote.objects.get, note.id).text == "old"
    nodes.hold()
    note.text = "new"
    ask(note.save)
    assert ask(ReplicatedNote.objects.get, note.id).text == "new"
    assert seen[-1].address == ("127.0.0.1", nodes.primary.port)


def test_reads_without_a_write_need_no_position(connection, nodes):
    assert answered_by(ReplicatedNote.objects.count) <= nodes.ports


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_server_and_protocol(ask, connect, seen, kind, protocol):
    nodes = ReplicaSet(kind, 1).start()
    try:
        connection = connect(nodes, protocol=protocol, replicas=1)
        note = ask(ReplicatedNote.objects.create, "a", text="x")
        nodes.catch_up()
        seen.clear()
        assert ask(ReplicatedNote.objects.find("a").list)[0].id == note.id
        assert ask(ReplicatedNote.objects.find("a", text="x").count) == 1
        assert {each.address[1] for each in seen} == nodes.ports
        assert connection.positions.required(0)
        with nodes.replicas[0].client() as client:
            stats = client.info("commandstats")
        has_read_only = kind != "redis62"
        assert ("cmdstat_evalsha_ro" in stats) is has_read_only
        assert ("cmdstat_evalsha" in stats) is not has_read_only
        # WAIT and the position fit together.
        nodes.hold()
        note.text = "y"
        with pytest.raises(ormist.NotReplicated):
            ask(note.save)
        assert ask(ReplicatedNote.objects.get, note.id).text == "y"
    finally:
        nodes.stop()


def test_a_script_that_a_replica_does_not_know_is_sent_there(connection, nodes):
    ReplicatedNote.objects.create("a")
    nodes.catch_up()
    for node in nodes.replicas:
        with node.client() as client:
            client.script_flush()
    for _ in range(2):
        assert answered_by(ReplicatedNote.objects.find("a").count) <= nodes.ports
        assert ReplicatedNote.objects.find("a").count() >= 1


# ---------------------------------------------------------------- a lost reply


def test_after_a_write_without_a_reply_the_primary_answers(connection, nodes):
    note = ReplicatedNote.objects.create("a", text="x")
    nodes.catch_up()
    assert answered_by(ReplicatedNote.objects.get, note.id) <= nodes.ports
    connection._router.replicas.lose(connection._router.map, [_write_of(note)])
    assert answered_by(ReplicatedNote.objects.get, note.id) == {nodes.primary.port}
    # Its reply has the position of the primary, which the replicas have reached.
    nodes.catch_up()
    assert answered_by(ReplicatedNote.objects.get, note.id) <= nodes.ports


def _write_of(note):
    from django_ormist.operations.operation import Operation

    return Operation("SET", (note._key(),), is_write=True)


def test_a_write_whose_connection_breaks_is_lost(connection, nodes, monkeypatch):
    note = ReplicatedNote.objects.create("a", text="x")
    nodes.catch_up()

    def breaks(parcels):
        raise KeyboardInterrupt

    monkeypatch.setattr(connection._router, "_exchange", breaks)
    with pytest.raises(KeyboardInterrupt):
        note.save()
    assert connection.positions.required(0)[""] == 0


# ---------------------------------------------------------------- replicas with faults


def test_a_frozen_replica_costs_one_second_once(ask, connection, nodes, caplog):
    note = ask(ReplicatedNote.objects.create, "a", text="x")
    nodes.catch_up()
    frozen = nodes.replicas[0]
    frozen.freeze()
    try:
        for _ in range(6):
            assert ask(ReplicatedNote.objects.get, note.id).text == "x"
    finally:
        frozen.thaw()
    assert len(caplog.records) == 1
    assert f"127.0.0.1:{frozen.port} is left out" in caplog.text


def test_no_replica_at_all_is_no_error(ask, connect, caplog):
    nodes = ReplicaSet("valkey91", 2).start()
    try:
        connect(nodes)
        note = ask(ReplicatedNote.objects.create, "a", text="x")
        for node in nodes.replicas:
            node.kill()
        for _ in range(4):
            assert ask(ReplicatedNote.objects.get, note.id).text == "x"
        assert len(caplog.records) == 2
    finally:
        nodes.stop()


def test_a_replica_that_was_left_out_is_tried_again(connection, nodes, monkeypatch):
    monkeypatch.setattr(replica_reads, "LEFT_OUT_FOR", 0.0)
    note = ReplicatedNote.objects.create("a", text="x")
    nodes.replicas[0].kill()
    for _ in range(4):
        assert ReplicatedNote.objects.get(note.id).text == "x"
    nodes.replicas[0].start()
    with nodes.replicas[0].client() as client:
        client.replicaof("127.0.0.1", nodes.gates[0].port)
    nodes.catch_up()
    seen = set()
    for _ in range(4):
        seen |= answered_by(ReplicatedNote.objects.get, note.id)
    assert seen == nodes.ports


def test_a_replica_without_its_primary_does_not_answer(connection, nodes):
    note = ReplicatedNote.objects.create("a", text="x")
    nodes.catch_up()
    with nodes.replicas[0].client() as client:
        client.replicaof("127.0.0.1", 1)
    try:
        for _ in range(4):
            assert answered_by(ReplicatedNote.objects.get, note.id) <= {
                nodes.primary.port,
                nodes.replicas[1].port,
            }
    finally:
        with nodes.replicas[0].client() as client:
            client.replicaof("127.0.0.1", nodes.gates[0].port)


def test_a_replica_that_refuses_the_user_does_not_answer(connect, nodes):
    for node in (nodes.primary, *nodes.replicas):
        with node.client() as client:
            client.acl_setuser("app", **ALLOWED)
    with nodes.replicas[0].client() as client:
        client.acl_setuser("app", enabled=True, commands=["-get"])
    with nodes.replicas[1].client() as client:
        client.acl_setuser("app", enabled=False)
    try:
        connect(nodes, username="app", password="secret")
        note = ReplicatedNote.objects.create("a", text="x")
        for _ in range(4):
            assert answered_by(ReplicatedNote.objects.get, note.id) == {
                nodes.primary.port
            }
    finally:
        for node in (nodes.primary, *nodes.replicas):
            with node.client() as client:
                client.acl_deluser("app")


def test_without_info_the_primary_answers(connect, nodes):
    for node in (nodes.primary, *nodes.replicas):
        with node.client() as client:
            client.acl_setuser("app", **ALLOWED, commands=["-info"])
    try:
        connect(nodes, username="app", password="secret")
        note = ReplicatedNote.objects.create("a", text="x")
        for _ in range(4):
            assert answered_by(ReplicatedNote.objects.get, note.id) == {
                nodes.primary.port
            }
    finally:
        for node in (nodes.primary, *nodes.replicas):
            with node.client() as client:
                client.acl_deluser("app")


@pytest.mark.parametrize("more", [(), ("+evalsha_ro", "+eval_ro")])
def test_the_acl_line_of_the_manual_is_enough(ask, connect, nodes, seen, more):
    (line,) = (b for b in blocks("howto/managed-services", "text") if "SETUSER" in b)
    words = line.replace("~ormist", "~*").split()
    for node in (nodes.primary, *nodes.replicas):
        with node.client() as client:
            client.execute_command(*words, *more)
    try:
        connect(nodes, username="app", password="secret")
        ask(ReplicatedNote.objects.create, "a", text="x")
        nodes.catch_up()
        seen.clear()
        for _ in range(4):
            assert ask(ReplicatedNote.objects.find("a").count) >= 1
        assert {each.address[1] for each in seen} == nodes.ports
    finally:
        for node in (nodes.primary, *nodes.replicas):
            with node.client() as client:
                client.acl_deluser("app")


# ---------------------------------------------------------------- never older


def test_three_hundred_reads_see_the_last_write(ask, connection, nodes, seen):
    """Some while the replicas are behind, some after they have caught up."""
    note = ask(ReplicatedNote.objects.create, "a", number=-1)
    for number in range(300):
        if number % 20 == 10:
            nodes.hold()
        note.number = number
        ask(note.save)
        assert ask(ReplicatedNote.objects.get, note.id).number == number
        if number % 20 == 19:
            nodes.catch_up()
            assert ask(ReplicatedNote.objects.get, note.id).number == number
    reads = [each.address[1] for each in seen if each.names[0] == "GET"]
    assert {nodes.primary.port, *nodes.ports} == set(reads)
    assert reads.count(nodes.primary.port) >= 150


def test_threads_never_read_older_than_their_last_write(connection, nodes):
    """Random writes and reads of four threads, with a dict as the journal."""
    notes = [ReplicatedNote.objects.create("a", number=0) for _ in range(6)]
    journal = {note.id: 0 for note in notes}
    is_over = threading.Event()

    def toggle():
        while not is_over.wait(0.05):
            nodes.hold()
            is_over.wait(0.05)
            for gate in nodes.gates:
                gate.release()

    numbers = {note.id: iter(range(1, 10_000)) for note in notes}
    locks = {note.id: threading.Lock() for note in notes}

    def work(seed):
        rng = random.Random(seed)
        for _ in range(150):
            pk = rng.choice(notes).id
            if rng.random() < 0.3:
                with locks[pk]:
                    number = next(numbers[pk])
                    ReplicatedNote.objects.filter(pk=pk).update(number=number)
                    journal[pk] = number
            else:
                known = journal[pk]
                assert ReplicatedNote.objects.get(pk).number >= known

    toggling = threading.Thread(target=toggle)
    toggling.start()
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
    finally:
        is_over.set()
        toggling.join()
