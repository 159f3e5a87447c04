"""docs/howto/basics.rst: its samples run in their order."""

from tests.docs.pages import blocks, run

PAGE = "howto/basics"


def test_the_samples_run(server):
    assert len(blocks(PAGE)) >= 12
    run(PAGE)
