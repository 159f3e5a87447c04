"""The pytest plugin, in a pytest of its own."""

from importlib.metadata import entry_points

import pytest

from tests.architecture.source import PACKAGE

pytest_plugins = ("pytester",)

CONFTEST = """
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django_ormist"],
    ORMIST={"default": {"LOCATION": "redis://127.0.0.1:1/0"}},
)
django.setup()
"""
MODEL = """
import django_ormist as ormist
import pytest

class Cart(ormist.TaggedModel):
    class Meta:
        expire = 60
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs the tests of a project that has the plugin."""
    is_installed = any(
        each.value == "django_ormist.testing.plugin"
        for each in entry_points(group="pytest11")
    )
    plugin = () if is_installed else ("-p", "django_ormist.testing.plugin")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    pytester.makeconftest(CONFTEST)

    def called(tests, *words):
        pytester.makepyfile(MODEL + tests)
        return pytester.runpytest_subprocess(*plugin, "-p", "no:django", *words)

    return called


TESTS = """
@pytest.mark.parametrize("n", range(6))
def test_isolated(ormist, assert_round_trips, n):
    assert Cart.objects.count() == 0
    with assert_round_trips(1):
        Cart.objects.create("x")
    {}
"""


def test_each_test_starts_with_an_empty_store(run):
    result = run(TESTS.format("ormist.travel(61); assert Cart.objects.count() == 0"))
    result.assert_outcomes(passed=6)


@pytest.mark.slow
def test_workers_are_isolated_on_one_server(run):
    result = run(TESTS.format(""), "-n", "2", "--ormist-server", "embedded")
    result.assert_outcomes(passed=6)


@pytest.mark.slow
def test_the_ini_option_isolates_every_test(run, pytester):
    pytester.makeini("[pytest]\normist_autouse = true\normist_server = fakeredis\n")
    result = run("""
def test_without_asking():
    Cart.objects.create("x")
    assert Cart.objects.count() == 1

def test_again():
    assert Cart.objects.count() == 0
""")
    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_test_without_the_fixture_is_left_alone(run):
    result = run("""
def test_without_asking():
    with pytest.raises(Exception, match="127.0.0.1:1"):
        Cart.objects.count()
""")
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_too_many_round_trips_fail_and_are_named(run):
    result = run("""
def test_trips(ormist, assert_round_trips):
    with assert_round_trips(1):
        Cart.objects.count()
        Cart.objects.count()
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*2 round trips, 1 expected.*", "*1. default: count*"])
