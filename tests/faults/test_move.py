"""ormist_reindex --move on a Cluster whose primaries are killed meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command

from django_ormist.connections import connections
from django_ormist.keys import Space, all_key
from django_ormist.management import moving
from tests import clusters, servers
from tests.checker import raw_faults
from tests.concurrency.test_move import store
from tests.models import Basket
from tests.servers import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91"),
]

PREFIX, NUMBER, KILLS = "moved", 2000, 4


@pytest.fixture
def cluster():
    """The shared cluster, in which a silent primary counts as down after a second."""
    made = clusters.shared()
    made.heal()
    made.count_as_down_after(clusters.DOWN_AFTER)
    yield made
    made.count_as_down_after(clusters.PATIENT)
    made.heal()
    made.flush()
    connections.reset()


def move_until_done(errors):
    """Run the command again after each error, as its message says."""
    while True:
        try:
            call_command("ormist_reindex", "tests.Basket", "--move", verbosity=0)
        except CommandError as error:
            errors.append(str(error))
        else:
            return


def test_a_move_with_replicas_outlives_the_death_of_primaries(
    cluster, settings, monkeypatch
):
    monkeypatch.setattr(moving, "OBJECTS_PER_STEP", 10)  # slower
    options = {"replicas": 1, "patience": 20, "socket_timeout": 2}
    alias = {"LOCATION": cluster.url, "KEY_PREFIX": PREFIX, "OPTIONS": options}
    settings.ORMIST = {"default": alias}
    connections.reset()
    former = all_key(Space(PREFIX, "tests.Basket"))
    new = all_key(Basket._meta.space("default"))
    assert cluster.primary_of(former) is not cluster.primary_of(new)
    store(NUMBER)
    errors: list[str] = []
    hits = 0
    client = clusters.shared_client()

    def are_left(number):
        return lambda: client.zcard(former) <= number

    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(move_until_done, errors)
        for kill in range(KILLS):
            left = NUMBER - (kill + 1) * NUMBER // (KILLS + 1)
            wait_until(are_left(left), f"{left} objects are left, after {errors}")
            primary = cluster.primary_of((former, new)[kill % 2])
            primary.kill()
            hits += not job.done()
            wait_until(lambda: len(cluster.slots()) == 3, "A replica has taken over")
            cluster.heal()
        job.result(timeout=60)
    assert hits >= KILLS // 2  # others may have come after the end
    stored = {each.id: each for each in Basket.objects.all()}
    assert stored.keys() == {f"b{n}" for n in range(NUMBER)}
    assert {each.views for each in stored.values()} == {1}
    assert list(client.scan_iter(match=f"{PREFIX}:{{tests.Basket}}*")) == []
    assert raw_faults(client, PREFIX) == []
