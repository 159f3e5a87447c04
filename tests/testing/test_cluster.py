"""Test runs and isolated tests on a Cluster leave no key on any node."""

import time

import pytest

from django_ormist.connections.inspection import locate
from django_ormist.testing import isolated
from tests import clusters, servers
from tests.models import Basket, Todo, User
from tests.testing.project import Project
from tests.testing.test_redirection import TESTS, passed

needs_binary = pytest.mark.skipif(not servers.find("valkey91"), reason="needs valkey91")


@pytest.fixture
def store():
    """A Cluster with keys on each node; fails if they change or a key is added."""
    client = clusters.shared_client()
    clusters.shared().flush()
    for n in range(9):
        client.set(f"ormist:{{shop.Cart{n}}}:o:1", "configured")
    before = {key: client.dump(key) for key in client.scan_iter()}
    yield client
    after = {key: client.dump(key) for key in client.scan_iter()}
    clusters.shared().flush()
    assert after == before


@needs_binary
@pytest.mark.slow
def test_a_run_of_djangos_runner_leaves_no_key(tmp_path, store):
    project = Project(tmp_path, {"default": {"LOCATION": clusters.shared().url}})
    project.write("shop/tests.py", TESTS)
    assert "Ran 6 tests" in passed(project.manage("test"))
    assert "Ran 6 tests" in passed(project.manage("test", "--parallel", "2"))


@needs_binary
@pytest.mark.slow
def test_a_run_of_pytest_leaves_no_key(tmp_path, store):
    project = Project(tmp_path, {"default": {"LOCATION": clusters.shared().url}})
    project.write("shop/tests.py", TESTS)
    stale = f"ormist:test-{int(time.time()) - 90000:08x}-0123456789ab"
    for n in range(9):  # of a killed run, on each node
        store.set(f"{stale}:{{shop.Old{n}}}:o:1", "x")
    assert "6 passed" in passed(project.pytest("shop/tests.py", "-n", "2"))
    keys = [key for key in store.scan_iter() if b"test-" in key]
    assert keys == []


@pytest.mark.servers("*-cluster")
def test_an_isolated_test_and_its_copy_are_on_all_nodes(server):
    models = (Basket, Todo, User)
    before = server.keys()
    with isolated("configured") as test:
        for model in models:
            model.objects.create("x", id="1")
        nodes = {locate("default", m._meta.space("default").base)[1] for m in models}
        assert len(nodes) == 3
        with isolated(copy_of=test):
            assert [model.objects.count() for model in models] == [1, 1, 1]
            Todo.objects.all().delete()
        assert [model.objects.count() for model in models] == [1, 1, 1]
    assert server.keys() == before
