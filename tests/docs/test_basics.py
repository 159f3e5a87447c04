"""docs/howto/basics.rst: its samples run, in the order in which they appear."""

from tests.docs.test_readme import blocks
from tests.servers import ROOT

PAGE = ROOT / "docs" / "howto" / "basics.rst"


def test_the_samples_run(server):
    samples = blocks("python", PAGE)
    assert len(samples) >= 12
    names = {"__name__": "basics"}
    for code in samples:
        exec(compile(code, str(PAGE), "exec"), names)
