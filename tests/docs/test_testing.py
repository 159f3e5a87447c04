"""The pages about tests: their examples are tests, and pass."""

import pytest

from django_ormist import conf, testing
from tests.docs.pages import DOCS, assert_signatures, blocks
from tests.testing.test_plugin import run as run

pytest_plugins = ("pytester",)


@pytest.mark.slow
def test_the_examples_run(run):
    pytest.importorskip("time_machine")
    code = "\n".join(blocks("howto/testing"))
    result = run(code)
    result.assert_outcomes(passed=code.count("def test_"))


def test_the_reference_has_every_public_name_with_its_signature():
    names = assert_signatures("reference/testing")
    assert set(testing.__all__) <= names
    assert "IsolatedOrmist.assertRoundTrips" in names


def test_the_reference_has_every_fixture_option_and_setting():
    from django_ormist.testing import plugin

    class Recorder:
        """A recorder of the names of options."""

        def __init__(self):
            self.names = set()

        def getgroup(self, name):
            return self

        def addoption(self, name, **kwargs):
            self.names.add(name)

        def addini(self, name, *args, **kwargs):
            self.names.add(name)

    plugin.pytest_addoption(recorder := Recorder())
    text = (DOCS / "reference" / "testing.rst").read_text()
    for name in {*recorder.names, *conf._TEST_KEYS, "ormist"}:
        assert f"``{name}``" in text
