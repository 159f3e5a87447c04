"""docs/howto/job-claims.rst: its code runs, and exactly one worker wins."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from django_ormist.testing import assert_round_trips
from tests.docs.pages import run

WORKERS, JOBS = 4, 25


@pytest.fixture
def names(server):
    """The names of the page, without jobs."""
    names = run("howto/job-claims")
    names["Job"].objects.all().delete()
    return names


@pytest.mark.servers("valkey91", "redis62")
@pytest.mark.parametrize("method", ["claim", "claim_strictly"])
def test_exactly_one_worker_gets_each_job(names, method):
    Job, barrier = names["Job"], Barrier(WORKERS, timeout=60)
    Job.objects.bulk_create(Job(state="waiting") for _ in range(JOBS))

    def work(number):
        claimed = []
        barrier.wait()
        while job := names[method](f"worker-{number}"):
            claimed.append(job.id)
        return claimed

    with ThreadPoolExecutor(WORKERS) as pool:
        claimed = list(pool.map(work, range(WORKERS)))
    times = Counter(pk for each in claimed for pk in each)
    assert (len(times), set(times.values())) == (JOBS, {1})
    for number, pks in enumerate(claimed):
        assert set(Job.objects.find(worker=f"worker-{number}").ids()) == set(pks)


@pytest.mark.parametrize(("method", "number"), [("claim", 5), ("claim_strictly", 2)])
def test_a_claim_takes_the_documented_number_of_round_trips(names, method, number):
    names["Job"].objects.create(state="waiting")
    with assert_round_trips(number):
        assert names[method]("worker")


def test_a_strict_claim_of_a_deleted_job_is_refused(names, monkeypatch):
    Job = names["Job"]
    Job.objects.create(state="waiting")
    save = Job.save

    def deleted_first(self, **options):
        Job.objects.get(self.id).delete()
        save(self, **options)

    monkeypatch.setattr(Job, "save", deleted_first)
    assert names["claim_strictly"]("worker") is None
    assert Job.objects.count() == 0
