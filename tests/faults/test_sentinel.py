"""Faults of a primary that sentinels watch, under load: rows of the fault table."""

import threading

import pytest

from tests import sentinels, servers
from tests.faults import rows
from tests.faults.load import Entry
from tests.faults.rows import ANY, CONFIRMED, REPLICATED_WITHIN, Row
from tests.sentinels import SentinelSet
from tests.servers import wait_until

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


def kill_sentinels(scene):
    """And kill the primary when they are back."""
    for sentinel in scene.nodes.sentinels:
        sentinel.kill()
    scene.load.wait_for(500)
    for sentinel in scene.nodes.sentinels:
        sentinel.start()
    wait_until(scene.nodes.is_whole, "The sentinels are back")
    rows.kill(scene)


ROWS = (
    Row("kill -9", rows.kill, may_lose=REPLICATED_WITHIN),
    Row("kill -9, replicas=1", rows.kill, may_raise=ANY, options=CONFIRMED),
    Row("kill -9, twice", rows.kill_twice, may_raise=8, may_lose=ANY),
    Row("kill -9, after all sentinels were gone", kill_sentinels, may_lose=ANY),
    Row("SIGSTOP", rows.freeze),
    Row("partition", rows.part, uses_proxy=True),
    Row("half-open links", rows.forget_links, uses_proxy=True),
    Row(
        "resets amid messages",
        rows.reset_links,
        may_raise=ANY,
        uses_proxy=True,
        changers=2,
    ),
    # What is written between two looks at a sentinel: a second, and a busy machine.
    Row("planned failover", rows.fail_over(), may_lose=2.5),
    # What is under way at the moment of the promotion.
    Row("planned, watch", rows.fail_over(), may_lose=0.5, options={"watch": True}),
    Row(
        "planned, COORDINATED",
        rows.fail_over("COORDINATED"),
        products=("valkey91",),
        why="Redis 8.2 has no COORDINATED",
    ),
    Row("restart with AOF, LOADING", rows.restart_slowly, down_after=15),
    Row(
        "rolling restart, watch",
        rows.restart_all(),
        may_lose=1.0,
        options={"watch": True},
    ),
    Row(
        "rolling restart with AOF, watch",
        rows.restart_all(is_persistent=True),
        may_lose=1.0,
        options={"watch": True},
    ),
)

RELAYED = (
    # What the clients write until they look at a sentinel after the failover.
    Row("primary cut off from the others", rows.isolate, may_lose=ANY),
    Row(
        "primary cut off, min-replicas-to-write 1",
        rows.isolate_with_minimum,
        may_lose=3.0,
    ),
    Row(
        "primary cut off from the others, replicas=1",
        rows.isolate,
        may_raise=ANY,
        options=CONFIRMED,
    ),
)


@pytest.fixture(scope="module")
def sentinel_set(request):
    """A set of this module's own, of the product that the test asks for."""
    if not servers.find(request.param):
        pytest.skip(f"needs {request.param}")
    made = SentinelSet(request.param)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("sentinel_set", "row", "is_async"),
    rows.cases(ROWS, in_test_all=("kill -9", "sync")),
    indirect=["sentinel_set"],
)
def test_the_load_goes_on(sentinel_set, row, is_async, settings, record_property):
    rows.run(row, sentinel_set, is_async, settings, record_property)


@pytest.fixture(scope="module")
def relayed_set(request):
    """The same with relays between the nodes."""
    if not servers.find(request.param):
        pytest.skip(f"needs {request.param}")
    made = SentinelSet(request.param, relayed=True)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("relayed_set", "row", "is_async"),
    rows.cases(RELAYED),
    indirect=["relayed_set"],
)
def test_the_load_leaves_a_primary_that_is_cut_off(
    relayed_set, row, is_async, settings, record_property
):
    rows.run(row, relayed_set, is_async, settings, record_property)


@pytest.mark.slow
def test_a_primary_without_replicas_that_must_have_some_is_waited_for(settings, ask):
    """As a new primary is for a moment, with min-replicas-to-write."""
    sentinel_set = sentinels.shared()
    sentinel_set.heal()
    settings.ORMIST = {"default": {"LOCATION": sentinel_set.url, "KEY_PREFIX": "few"}}
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
    sentinel_set.flush()
