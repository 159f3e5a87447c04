"""The code of docs/reference/writing.rst runs."""

from tests.docs.pages import blocks, run


def test_the_code_of_the_page_runs(server):
    assert len(blocks("reference/writing")) == 5
    run("reference/writing")
