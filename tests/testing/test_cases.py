"""IsolatedOrmist: the objects of a class, and the order of the bases."""

import unittest

import pytest
from django.test import SimpleTestCase, TestCase

from django_ormist.testing import IsolatedOrmist, isolated
from tests.models import Todo, Token


class WithData(IsolatedOrmist, TestCase):
    """Three tests; each finds the objects of the class, unchanged by the others."""

    @classmethod
    def setUpTestData(cls):
        cls.todo = Todo.objects.create("of the class", text="milk")
        cls.token = Token.objects.create(id="t", expire=3600)

    def test_changing(self):
        self._check()
        self.todo.text = "bread"
        self.todo.save()
        Todo.objects.create("of the test")

    def test_deleting(self):
        self._check()
        Todo.objects.all().delete()
        assert Todo.objects.count() == 0

    def test_expiring(self):
        self._check()
        self.ormist.travel(3601)
        assert Token.objects.count() == 0

    def _check(self):
        assert self.todo.text == "milk"
        assert [each.text for each in Todo.objects.all()] == ["milk"]
        assert Todo.objects.find("of the class").count() == 1
        assert Token.objects.get("t").expire == self.token.expire
        assert Token.objects.get("t").ttl() > 3500


class TestData(WithData):
    pass


class TestDataOnARealServer(WithData):
    ormist_server = "embedded"

    test_expiring = None  # its clock cannot be moved


class TestAsyncData(IsolatedOrmist, unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        Todo.objects.create("of the class")

    async def test_deleting(self):
        assert await Todo.objects.acount() == 1
        await Todo.objects.all().adelete()

    async def test_deleting_again(self):
        await self.test_deleting()


del WithData  # it is only a base


def outcome(case):
    """Return the result of the tests of a class."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.wasSuccessful(), (result.errors, result.failures)
    return result


def test_objects_of_a_class_are_removed_after_it():
    class Tests(IsolatedOrmist, SimpleTestCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            Todo.objects.create("of the class")

        def test_it(self):
            assert Todo.objects.count() == 1

    with isolated():
        outcome(Tests)
        assert Todo.objects.count() == 0
        assert outcome(Tests).testsRun == 1


def test_objects_of_a_class_that_fails_to_start_are_removed():
    class Tests(IsolatedOrmist, SimpleTestCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            Todo.objects.create("of the class")
            raise LookupError

        def test_it(self):
            pass

    with isolated():
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
        assert len(result.errors) == 1
        assert Todo.objects.count() == 0


def test_single_tests_and_debugged_tests_are_isolated():
    class Tests(IsolatedOrmist, SimpleTestCase):
        def test_it(self):
            Todo.objects.create("x")
            assert Todo.objects.count() == 1

    with isolated():
        Tests("test_it").debug()
        Tests("test_it").run(unittest.TestResult())
        assert Todo.objects.count() == 0


@pytest.mark.parametrize("case", [SimpleTestCase, TestCase, unittest.TestCase])
def test_a_mix_in_after_the_test_case_is_refused(case):
    with pytest.raises(TypeError, match=r"class Tests\(IsolatedOrmist"):
        type("Tests", (case, IsolatedOrmist), {})
    own = type("Own", (IsolatedOrmist,), {})
    with pytest.raises(TypeError, match="Tests would not be isolated"):
        type("Tests", (case, own), {})
    type("Tests", (own, case), {})


@pytest.mark.parametrize("place", ["fakeredis", "embedded", "configured"])
def test_a_copy_contains_the_objects_and_keeps_the_original(place, settings):
    if place == "configured":
        settings.ORMIST = {"default": {"LOCATION": "fakeredis://mine"}}
    with isolated(place) as original:
        Todo.objects.create("x", text="milk")
        token = Token.objects.create(id="t", expire=3600)
        with isolated(copy_of=original) as copied:
            assert copied.prefix != original.prefix
            assert [each.text for each in Todo.objects.all()] == ["milk"]
            assert Token.objects.get("t").expire == token.expire
            assert Token.objects.get("t").ttl() > 3500
            Todo.objects.all().delete()
        assert Todo.objects.count() == 1
