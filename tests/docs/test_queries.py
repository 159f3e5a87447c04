"""The code of the pages on queries runs, and their text is what it prints."""

from tests.docs.pages import DOCS, blocks, run

QUERIES = DOCS / "reference" / "queries.rst"
VALUES = DOCS / "reference" / "values.rst"
COST = DOCS / "explanation" / "query-cost.rst"


def test_the_code_of_the_pages_runs(server, capsys):
    names = {"__name__": "queries"}
    assert [run(page, names) for page in (QUERIES, VALUES, COST)] == [5, 1, 1]
    (shown,) = blocks("text", COST)
    assert capsys.readouterr().out.strip() == shown.strip()
