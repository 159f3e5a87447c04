"""docs/howto/testing.rst: its examples are tests, and they pass."""

from pathlib import Path

import pytest

from tests.docs.test_operating import blocks
from tests.testing.test_plugin import run as run

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "testing.rst"

pytest_plugins = ("pytester",)


def test_the_examples_run(run):
    pytest.importorskip("time_machine")
    code = "\n".join(blocks("python", PAGE))
    result = run(code)
    result.assert_outcomes(passed=code.count("def test_"))
