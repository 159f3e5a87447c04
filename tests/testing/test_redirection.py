"""A test run never touches the configured store: runs of a project, and their ends."""

import json
import re
import time

import django
import pytest

from tests import servers
from tests.testing.project import Project

pytestmark = pytest.mark.slow

TESTS = """
import os
import urllib.request

from django.contrib.auth.models import User
from django.test import LiveServerTestCase, TestCase

from django_ormist import connections
from shop.models import Cart


class PlainTests(TestCase):
    def test_creating(self):
        Cart.objects.create("LEAK", "creating")
        self.assertEqual(Cart.objects.find("creating").count(), 1)

    def test_deleting_everything(self):
        Cart.objects.create("x")
        Cart.objects.all().delete()
        self.assertEqual(Cart.objects.count(), 0)

    async def test_async(self):
        await Cart.objects.acreate("LEAK")


class SignedInTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = User.objects.create_user("ada", password="x")
        Cart.objects.create("of the class")

    def test_login(self):
        self.assertTrue(self.client.login(username="ada", password="x"))
        self.assertEqual(self.client.get("/name").content, b"ada")

    def test_forked_process_writes_to_the_same_space(self):
        child = os.fork()
        if not child:
            Cart.objects.create("of a child")
            os._exit(0)
        os.waitpid(child, 0)
        self.assertEqual(Cart.objects.find("of a child").count(), 1)


class LiveTests(LiveServerTestCase):
    def test_login(self):
        user = User.objects.create_user("eve", password="x")
        self.client.force_login(user)
        request = urllib.request.Request(
            self.live_server_url + "/name",
            headers={"Cookie": f"sessionid={self.client.cookies['sessionid'].value}"},
        )
        with urllib.request.urlopen(request) as answer:
            self.assertEqual(answer.read(), b"eve")
"""


@pytest.fixture
def store():
    """A server with objects; fails if they change or a key is added."""
    client = servers.shared("valkey91").client()
    client.flushall()
    client.mset({f"ormist:{{shop.Cart}}:o:{i}": "configured" for i in range(20)})
    client.zadd("ormist:{shop.Cart}:all", {"0": 1, "1": 2})
    client.set("ormist:lost:{shop.Cart}:o:9", "configured", px=10**9)
    client.set("ormist:testing", "of somebody else")
    before = {key: client.dump(key) for key in client.scan_iter()}
    yield client
    after = {key: client.dump(key) for key in client.scan_iter()}
    client.flushall()
    assert after == before


@pytest.fixture
def location(store):
    return servers.shared("valkey91").unix_url


@pytest.fixture
def project(tmp_path, location):
    made = Project(tmp_path, {"default": {"LOCATION": location}})
    made.write("shop/tests.py", TESTS)
    return made


def passed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---------------------------------------------------------------- Django's runner


def test_a_run_of_djangos_runner_does_not_touch_the_store(project):
    assert "Ran 6 tests" in passed(project.manage("test"))


# Django 5.2 cannot clone an SQLite database for a forkserver.
METHODS = ["fork", "spawn", *(["forkserver"] if django.VERSION >= (6,) else [])]


@pytest.mark.parametrize("method", METHODS)
def test_parallel_workers_do_not_touch_the_store(project, method):
    said = passed(project.manage("test", "--parallel", "2", START_METHOD=method))
    assert "Ran 6 tests" in said


SPAWNED = """
import multiprocessing

import django
from django.test import SimpleTestCase


def create():
    django.setup()
    from shop.models import Cart

    Cart.objects.create("of a child")


class Tests(SimpleTestCase):
    def test_it(self):
        from shop.models import Cart

        child = multiprocessing.get_context("spawn").Process(target=create)
        child.start()
        child.join()
        assert Cart.objects.find("of a child").count() == 1
"""


def test_a_spawned_process_belongs_to_the_run(project):
    project.write("shop/tests.py", SPAWNED)
    passed(project.manage("test"))
    passed(project.pytest("shop/tests.py"))


PREFIXES = """
from pathlib import Path

from django.test import SimpleTestCase

from django_ormist import connections
from shop.models import Cart


class {0}(SimpleTestCase):
    def test_it(self):
        Path("begun-{0}").touch()
        while not (Path("begun-One").exists() and Path("begun-Two").exists()):
            pass  # so that each is in a worker of its own
        assert Cart.objects.count() == 0
        Cart.objects.create("x")
        Path("prefixes-{0}").write_text(connections["default"].key_prefix)
"""


def prefixes(project):
    found = [path.read_text() for path in project.folder.glob("prefixes-*")]
    assert all(each.startswith("ormist:test-") for each in found)
    return found


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_parallel_worker_has_its_own_space(project, method):
    for name in ("One", "Two"):
        project.write(f"shop/test_{name}.py", PREFIXES.format(name))
    project.write("shop/tests.py", "")
    passed(project.manage("test", "--parallel", "2", START_METHOD=method))
    assert len(prefixes(project)) == 2


TERMINATED = """
import signal
from pathlib import Path

from django.test import SimpleTestCase

from shop.models import Cart


class Waiting(SimpleTestCase):
    def test_it(self):
        Cart.objects.create("x")
        Path("is-waiting").touch()
        signal.pause()  # until the runner ends this process


class Failing(SimpleTestCase):
    def test_it(self):
        while not Path("is-waiting").exists():
            pass
        self.fail()
"""


def test_keys_of_terminated_workers_are_removed(project, store):
    project.write("shop/tests.py", TERMINATED)
    done = project.manage("test", "--parallel", "2", "--failfast")
    assert done.returncode


def test_an_app_that_writes_at_its_start_is_redirected(project, store):
    project.write(
        "shop/apps.py",
        "from django.apps import AppConfig\n"
        "class Shop(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        from shop.models import Cart\n"
        "        Cart.objects.create('ready')\n",
    )
    passed(project.manage("test"))
    passed(project.pytest("shop/tests.py"))


def test_writes_after_the_run_are_redirected(project):
    project.write(
        "shop/tests.py",
        TESTS + "\n\nimport atexit\n"
        "atexit.register(lambda: Cart.objects.all().delete())\n",
    )
    passed(project.manage("test"))
    passed(project.pytest("shop/tests.py"))


def test_without_the_app_installed_a_run_is_redirected(project):
    text = (project.folder / "site_settings.py").read_text()
    project.write("site_settings.py", text.replace('    "django_ormist",\n', ""))
    passed(project.manage("test"))
    passed(project.manage("test", "--parallel", "2"))
    passed(project.pytest("shop/tests.py"))


# ---------------------------------------------------------------- pytest


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_a_run_of_pytest_does_not_touch_the_store(project, words):
    assert "6 passed" in passed(project.pytest("shop/tests.py", *words))


def test_pytest_without_pytest_django_does_not_touch_the_store(project):
    project.write("conftest.py", "import django\ndjango.setup()\n")
    project.write(
        "test_plain.py",
        "from shop.models import Cart\n"
        "Cart.objects.create('at import')\n"
        "def test_it():\n"
        "    Cart.objects.create('LEAK')\n"
        "    assert Cart.objects.count() == 2\n"
        "    Cart.objects.all().delete()\n",
    )
    passed(project.pytest("-p", "no:django", "test_plain.py"))
    passed(project.pytest("-p", "no:django", "-n", "2", "test_plain.py"))


def test_each_xdist_worker_has_its_own_space(project):
    for name in ("One", "Two"):
        project.write(f"test_{name}.py", PREFIXES.format(name))
    passed(project.pytest("-n", "2", "--dist", "loadfile"))
    assert len(prefixes(project)) == 2


# ---------------------------------------------------------------- TEST, other places


def test_a_location_and_a_prefix_for_tests_are_used(tmp_path, location):
    test = {"LOCATION": "fakeredis://", "KEY_PREFIX": "mine"}
    alias = {"LOCATION": "redis://127.0.0.1:1/0", "OPTIONS": {"password": "x"}}
    project = Project(tmp_path, {"default": {**alias, "TEST": test}})
    project.write(
        "shop/tests.py",
        TESTS + "        prefix = connections['default'].key_prefix\n"
        "        self.assertEqual(prefix[:10], 'mine:test-')\n",
    )
    passed(project.manage("test", "shop.tests.LiveTests"))
    passed(project.pytest("shop/tests.py", "-k", "LiveTests"))


def test_a_pool_of_a_cache_is_used_under_another_prefix(project, location):
    backend = "django_redis.cache.RedisCache"
    caches = {"default": {"BACKEND": backend, "LOCATION": location}}
    project.environment["SHOP_CACHES"] = json.dumps(caches)
    project.environment["SHOP_ORMIST"] = json.dumps({"default": {"CACHE": "default"}})
    passed(project.manage("test", "shop.tests.PlainTests"))


def test_overridden_settings_are_redirected(project, location):
    project.write(
        "shop/tests.py",
        f"""
from django.test import SimpleTestCase, override_settings

from shop.models import Cart


class Tests(SimpleTestCase):
    @override_settings(ORMIST={{"default": {{"LOCATION": {location!r}}}}})
    def test_it(self):
        assert Cart.objects.count() == 0
        Cart.objects.create("LEAK")
""",
    )
    passed(project.manage("test"))


def test_a_run_without_writes_does_not_need_a_server(tmp_path):
    project = Project(tmp_path, {"default": {"LOCATION": "redis://127.0.0.1:1/0"}})
    project.write(
        "shop/tests.py",
        "from django.test import SimpleTestCase\n"
        "class Tests(SimpleTestCase):\n"
        "    def test_it(self):\n"
        "        pass\n",
    )
    passed(project.manage("test"))
    passed(project.pytest("shop/tests.py"))


def test_outside_a_run_the_configured_store_is_used(project, store):
    code = "from shop.models import Cart; print(Cart._meta.space('default').base)"
    assert "ormist:{shop.Cart}" in passed(project.manage("shell", "-c", code))


# ---------------------------------------------------------------- runs that were killed

KILLED = """
import os
import signal

from django.test import SimpleTestCase

from shop.models import Cart


class Tests(SimpleTestCase):
    def test_it(self):
        Cart.objects.create("x")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_later_run_removes_keys_of_a_killed_one(project, store):
    project.write("shop/test_killed.py", KILLED)
    project.manage("test", "shop.test_killed")
    left = store.keys("ormist:test-*")
    assert left
    passed(project.manage("test", "shop.tests"))
    assert sorted(store.keys("ormist:test-*")) == sorted(left)  # it may be running
    long_ago = f"test-{int(time.time()) - 2 * 86400:08x}"
    for key in left:
        old = re.sub(rb"test-[0-9a-f]{8}", long_ago.encode(), key, count=1)
        store.rename(key, old)
    passed(project.manage("test", "shop.tests"))
