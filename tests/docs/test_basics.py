"""docs/howto/basics.rst: its samples run, in the order in which they appear."""

from tests.docs.pages import blocks, run

PAGE = "howto/basics"


def test_the_samples_run(server):
    assert len(blocks(PAGE)) >= 12
    run(PAGE)
