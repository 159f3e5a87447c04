"""docs/howto/testing.rst: its examples are tests, and they pass."""

import pytest

from tests.docs.pages import blocks
from tests.testing.test_plugin import run as run

pytest_plugins = ("pytester",)


def test_the_examples_run(run):
    pytest.importorskip("time_machine")
    code = "\n".join(blocks("howto/testing"))
    result = run(code)
    result.assert_outcomes(passed=code.count("def test_"))
