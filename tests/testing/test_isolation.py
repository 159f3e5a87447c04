"""Helpers for users' tests: isolation, moved time, counted round trips."""

import asyncio
import datetime
import os
import subprocess
import sys
import time
import unittest

import pytest
from django.conf import settings as django_settings
from django.test import SimpleTestCase

import django_ormist as ormist
from django_ormist.testing import IsolatedOrmist, assert_round_trips, isolated
from tests.models import Page, Todo, Token


def test_a_test_starts_empty_and_leaves_nothing():
    with isolated() as first:
        Todo.objects.create("x")
        assert Todo.objects.count() == 1
    with isolated() as second:
        assert Todo.objects.count() == 0
    assert first.prefix != second.prefix


def test_isolation_needs_no_settings(tmp_path):
    code = """
import django_ormist as ormist
from django.conf import settings
from django_ormist.testing import isolated
class Cart(ormist.TaggedModel): pass
for _ in range(2):
    with isolated():
        Cart.objects.create("x")
        assert Cart.objects.count() == 1
    assert not settings.configured
settings.configure(DEBUG=True)
with isolated():
    assert settings.DEBUG and Cart.objects.count() == 0
"""
    env = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_alias_has_its_own_keys(settings):
    settings.ORMIST = {
        "default": {"LOCATION": "redis://127.0.0.1:1/0", "CODEC": "json"},
        "other": {"LOCATION": "redis://127.0.0.1:1/0"},
    }
    with isolated():
        Todo.objects.create("x")
        assert Todo.objects.using("other").count() == 0
        assert ormist.connections["default"].codec == "json"
        assert ormist.connections["other"].codec == "msgpack"
    assert django_settings.ORMIST["other"]["LOCATION"] == "redis://127.0.0.1:1/0"


@pytest.mark.servers("valkey91")
def test_the_configured_server_is_not_touched(server):
    Todo.objects.create("ours")
    before = server.keys()
    with isolated("configured") as test:
        assert Todo.objects.count() == 0
        Todo.objects.create("x")
        assert server.keys(f"{test.prefix}*")
    assert server.keys() == before
    assert Todo.objects.find("ours").count() == 1


def test_an_embedded_server_is_a_real_one():
    with isolated("embedded") as test:
        Todo.objects.create("x")
        info = ormist.connections["default"].client.info("server")
        assert "valkey_version" in info
        with pytest.raises(ormist.NotSupportedError, match="real server"):
            test.travel(1)
    with isolated("embedded"):
        assert Todo.objects.count() == 0


def test_an_unknown_server_is_named():
    with pytest.raises(ValueError, match="'nope'"), isolated("nope"):
        pass


def test_travel_lets_objects_expire_and_ends_with_the_test():
    before = time.time()
    with isolated() as test:
        token = Token.objects.create(expire=3600)
        test.travel(3000)
        assert 590 < token.ttl() <= 600
        assert Token.objects.get(token.id)
        test.travel(500)
        assert Token.objects.count() == 1
        test.travel(101)
        assert Token.objects.count() == 0
        assert Token.objects.get_or_none(token.id) is None
        assert Token.objects.create(expire=10).ttl() > 9
    assert time.time() - before < 600


def test_time_machine_moves_expiry():
    time_machine = pytest.importorskip("time_machine")
    with (
        isolated(),
        time_machine.travel(
            datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        ) as clock,
    ):
        token = Token.objects.create(expire=3600)
        assert token.expire.year == 2030
        clock.shift(3599)
        assert Token.objects.count() == 1
        clock.shift(2)
        assert Token.objects.count() == 0


def test_freezegun_moves_expiry():
    freezegun = pytest.importorskip("freezegun")
    with isolated(), freezegun.freeze_time("2030-01-01") as clock:
        Token.objects.create(expire=3600)
        clock.tick(3599)
        assert Token.objects.count() == 1
        clock.tick(2)
        assert Token.objects.count() == 0


def test_round_trips_are_counted_and_named():
    with isolated():
        todo = Todo.objects.create("x")
        with assert_round_trips(2) as seen:
            todo.save()
            assert Todo.objects.count() == 1
        assert [each.summary for each in seen] == ["update", "count_terms"]
        with assert_round_trips(0, using="other"):
            todo.save()
        with (
            pytest.raises(
                AssertionError, match=r"(?s)1 round trips, 3 .*default: update"
            ),
            assert_round_trips(3),
        ):
            todo.save()


def test_round_trips_of_tasks_are_counted():
    async def work():
        await asyncio.gather(*(Todo.objects.acreate("x") for _ in range(3)))

    with isolated(), assert_round_trips(3):
        asyncio.run(work())


def test_an_error_in_the_block_is_not_hidden():
    with isolated(), pytest.raises(KeyError), assert_round_trips(5):
        raise KeyError


class TestMixin(IsolatedOrmist, SimpleTestCase):
    def setUp(self):
        self.page = Page.objects.create(views=1, expire=60)

    def test_one(self):
        assert Page.objects.count() == 1
        with self.assertRoundTrips(1):
            self.page.increment("views")

    def test_two(self):
        assert Page.objects.count() == 1
        self.ormist.travel(61)
        assert Page.objects.count() == 0


class TestPlainMixin(IsolatedOrmist, unittest.IsolatedAsyncioTestCase):
    async def test_async(self):
        await Todo.objects.acreate("x")
        with self.assertRoundTrips(1):
            assert await Todo.objects.acount() == 1
