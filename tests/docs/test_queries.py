"""The code of the pages on queries runs, and prints the text of the page."""

from tests.docs.pages import blocks, run

PAGES = ["reference/queries", "reference/values", "explanation/query-cost"]


def test_the_code_of_the_pages_runs(server, capsys):
    names = {"__name__": "queries"}
    assert [len(blocks(page)) for page in PAGES] == [6, 1, 1]
    for page in PAGES:
        run(page, names)
    (shown,) = blocks(PAGES[-1], "text")
    assert capsys.readouterr().out.strip() == shown.strip()
