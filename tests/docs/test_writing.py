"""The code of docs/reference/writing.rst runs."""

from tests.docs.pages import DOCS, run


def test_the_code_of_the_page_runs(server):
    assert run(DOCS / "reference" / "writing.rst", {"__name__": "writing"}) == 5
