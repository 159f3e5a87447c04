"""Faults of a primary of a Cluster, under load: rows of the fault table."""

import pytest

from tests import servers
from tests.clusters import ClusterSet
from tests.faults import rows
from tests.faults.rows import ANY, CONFIRMED, REPLICATED_WITHIN, Row

pytestmark = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")

ROWS = (
    Row("kill -9", rows.kill, may_lose=REPLICATED_WITHIN),
    Row(
        "kill -9 and start, replicas=1",
        rows.kill_for_a_moment,
        may_raise=ANY,
        options=CONFIRMED,
    ),
    Row("kill -9, twice", rows.kill_twice, may_raise=8, may_lose=ANY),
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
    Row("planned failover", rows.fail_over()),
    Row("restart with AOF, LOADING", rows.restart_slowly, down_after=15),
    Row("rolling restart", rows.restart_all()),
    Row("rolling restart with AOF", rows.restart_all(is_persistent=True)),
    Row("slot migration of 10 000 objects", rows.migrate),
    Row(
        "atomic migration of 10 000 objects",
        rows.migrate_at_once,
        products=("valkey91",),
        why="Redis 8.2 has no atomic migration",
    ),
)

RELAYED = (
    # What the clients write until the primary notices that it is alone.
    Row("primary cut off from the others", rows.isolate, may_lose=ANY),
    Row(
        "primary cut off from the others, replicas=1",
        rows.isolate_for_a_moment,
        may_raise=ANY,
        options=CONFIRMED,
    ),
)


@pytest.fixture(scope="module")
def cluster(request):
    """A cluster of this module's own, of the product that the test asks for."""
    if not servers.find(request.param):
        pytest.skip(f"needs {request.param}")
    made = ClusterSet(request.param)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("cluster", "row", "is_async"),
    rows.cases(ROWS, in_test_all=("kill -9", "async")),
    indirect=["cluster"],
)
def test_the_load_goes_on(cluster, row, is_async, settings, record_property):
    rows.run(row, cluster, is_async, settings, record_property)


@pytest.fixture(scope="module")
def relayed_cluster(request):
    """The same with relays between the nodes."""
    if not servers.find(request.param):
        pytest.skip(f"needs {request.param}")
    made = ClusterSet(request.param, relayed=True)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("relayed_cluster", "row", "is_async"),
    rows.cases(RELAYED),
    indirect=["relayed_cluster"],
)
def test_the_load_leaves_a_primary_that_is_cut_off(
    relayed_cluster, row, is_async, settings, record_property
):
    rows.run(row, relayed_cluster, is_async, settings, record_property)
