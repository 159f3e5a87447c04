"""Failovers under load: four writers, two readers, and a journal of the writes."""

import threading
import time

import pytest
from django.core.management import call_command

from django_ormist import NotReplicated
from django_ormist.connections.routing import LOST
from tests import sentinels, servers
from tests.checker import raw_faults
from tests.faults.load import Entry, Load
from tests.sentinels import DOWN_AFTER, PATIENT, wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

PREFIX = "faults"
REPLICATED_WITHIN = 3.0  # seconds in which a busy machine has replicated a write


def pytest_generate_tests(metafunc):
    """Run on Valkey. Run slow tests on Redis too, except for coordinated failovers."""
    if "kind" in metafunc.fixturenames:
        kinds = ["valkey91"]
        is_slow = metafunc.definition.get_closest_marker("slow") is not None
        if is_slow and servers.find("redis82") and not is_coordinated(metafunc):
            kinds.append("redis82")
        metafunc.parametrize("kind", kinds, scope="function")


def is_coordinated(metafunc):
    return "coordinated" in metafunc.function.__name__


@pytest.fixture
def sentinel_set(settings, kind):
    made = sentinels.shared(kind)
    made.heal()
    made.count_as_down_after(DOWN_AFTER)
    options = {"socket_timeout": 2, "patience": 100}
    alias = {"LOCATION": made.url, "KEY_PREFIX": PREFIX, "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    yield made
    made.heal()
    made.count_as_down_after(PATIENT)
    with made.primary().client() as client:
        client.flushall()


@pytest.fixture(params=["sync", "async"])
def load(request):
    return Load(is_async=request.param == "async")


def kill(sentinel_set):
    former = sentinel_set.primary()
    former.kill()
    return former


def freeze(sentinel_set):
    former = sentinel_set.primary()
    former.freeze()
    return former


def fail_over(sentinel_set):
    return sentinel_set.fail_over()


def fail_over_coordinated(sentinel_set):
    return sentinel_set.fail_over("COORDINATED")


def suffer(sentinel_set, load, fault, record):
    """Run *load* over *fault*. Return its journal, when it began, what was lost."""
    with load:
        began = time.monotonic()
        former = fault(sentinel_set)
        sentinel_set.new_primary(former)
        load.wait_for(500)
    sentinel_set.heal()
    journal = load.journal
    lost = journal.lost(set(Entry.objects.all().ids()))
    record("seconds_without_a_write", round(journal.longest, 2))
    record("confirmed", len(journal.confirmed))
    record("errors", len(journal.errors))
    record("lost", len(lost))
    times = sorted(lost.values()) or [0.0]
    record("seconds_of_loss", round(times[-1] - times[0], 2))
    return journal, began, lost


def confirmed_around(journal, began):
    """How many writes were confirmed just before and after the fault."""
    first, last = began - REPLICATED_WITHIN, began + 2
    return sum(first < at < last for at in journal.confirmed)


def check_store(sentinel_set):
    """Raise unless the indexes on the new primary agree with the objects."""
    with sentinel_set.primary().client() as client:
        assert raw_faults(client, PREFIX) == []
    call_command("ormist_inspect", "tests.Entry", "--verify")


def check_journal(journal, may_lose=0):
    """Raise unless each increment was applied once, but for *may_lose* of them."""
    missing = 0
    for counter, confirmed in journal.hits.items():
        unknown = journal.unknown_hits.get(counter, 0)
        hits = Entry.objects.get(counter).hits
        assert hits <= confirmed + unknown
        missing += max(0, confirmed - hits)
    assert missing <= may_lose
    for error in journal.errors:
        assert isinstance(error, NotReplicated) or LOST in error.__notes__, error
    assert journal.wrong == []


@pytest.mark.parametrize("fault", [kill, pytest.param(freeze, marks=pytest.mark.slow)])
def test_a_primary_that_is_gone_is_replaced(sentinel_set, load, fault, record_property):
    """One call for each writer fails at most: that which was in flight."""
    journal, began, lost = suffer(sentinel_set, load, fault, record_property)
    assert all(began - REPLICATED_WITHIN < at < began + 2 for at in lost.values())
    assert len(journal.errors) <= 4
    check_journal(journal, may_lose=confirmed_around(journal, began))
    check_store(sentinel_set)


@pytest.mark.slow
def test_writes_that_a_replica_has_confirmed_are_not_lost(
    sentinel_set, settings, load, record_property
):
    alias = settings.ORMIST["default"]
    options = alias["OPTIONS"] | {"replicas": 1, "replicas_timeout": 0.5}
    settings.ORMIST = {"default": alias | {"OPTIONS": options}}
    journal, _, lost = suffer(sentinel_set, load, kill, record_property)
    assert lost == {}
    check_journal(journal)
    check_store(sentinel_set)


@pytest.mark.slow
def test_a_planned_failover_loses_what_is_written_between_two_looks(
    sentinel_set, load, record_property
):
    journal, began, lost = suffer(sentinel_set, load, fail_over, record_property)
    times = sorted(lost.values())
    assert not times or times[-1] - times[0] < 2.5  # a second, and a busy machine
    assert all(began - REPLICATED_WITHIN < at for at in times)
    check_journal(journal, may_lose=len(journal.confirmed))
    check_store(sentinel_set)


@pytest.mark.slow
def test_a_planned_failover_that_is_watched_loses_next_to_nothing(
    sentinel_set, settings, load, record_property
):
    """What is under way at the moment of the promotion, and no more."""
    alias = settings.ORMIST["default"]
    options = alias["OPTIONS"] | {"watch": True}
    settings.ORMIST = {"default": alias | {"OPTIONS": options}}
    journal, _, lost = suffer(sentinel_set, load, fail_over, record_property)
    times = sorted(lost.values())
    assert not times or times[-1] - times[0] < 0.5
    check_journal(journal, may_lose=len(journal.confirmed))
    check_store(sentinel_set)


@pytest.mark.slow
def test_a_coordinated_failover_loses_nothing(sentinel_set, load, record_property):
    journal, _, lost = suffer(
        sentinel_set, load, fail_over_coordinated, record_property
    )
    assert lost == {}
    check_journal(journal)
    check_store(sentinel_set)


@pytest.mark.slow
def test_a_primary_that_was_gone_comes_back_as_a_replica(sentinel_set, load):
    journal = load.journal
    with load:
        for _ in range(2):
            former = kill(sentinel_set)
            sentinel_set.new_primary(former)
            load.wait_for(200)
            sentinel_set.heal()
            load.wait_for(200)
    assert len(journal.errors) <= 8
    check_journal(journal, may_lose=len(journal.confirmed))
    check_store(sentinel_set)


@pytest.mark.slow
def test_without_sentinels_the_known_primary_serves(sentinel_set, load):
    """And the first sentinel that is back tells the next one."""
    with load:
        for sentinel in sentinel_set.sentinels:
            sentinel.kill()
        load.wait_for(500)
        former = sentinel_set.nodes[0]
        assert load.journal.errors == []
        for sentinel in sentinel_set.sentinels:
            sentinel.start()
        wait_until(sentinel_set.is_whole, "The sentinels are back")
        former = kill(sentinel_set)
        sentinel_set.new_primary(former)
        load.wait_for(200)
    assert len(load.journal.errors) <= 4
    check_journal(load.journal, may_lose=len(load.journal.confirmed))
    check_store(sentinel_set)


@pytest.mark.slow
def test_a_primary_without_replicas_that_must_have_some_is_waited_for(
    sentinel_set, ask
):
    """As a new primary is for a moment, with min-replicas-to-write."""
    with sentinel_set.primary().client() as client:
        ask(Entry.objects.create, "tag", id="one")
        client.config_set("min-replicas-to-write", 3)
        try:
            back = threading.Timer(0.3, client.config_set, ("min-replicas-to-write", 0))
            back.start()
            ask(Entry.objects.create, "tag", id="two")
            back.join()
        finally:
            client.config_set("min-replicas-to-write", 0)
    assert ask(Entry.objects.find("tag").ids) == ["one", "two"]
