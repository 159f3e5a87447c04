"""The code of the pages on queries runs, and their text is what it prints."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "queries.rst"
COST = DOCS / "explanation" / "query-cost.rst"


def blocks(language, page):
    """The code blocks of one language, without their indentation."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    found = re.findall(pattern, page.read_text())
    return [re.sub(r"(?m)^    ", "", code) for code in found]


def test_the_code_of_the_pages_runs(server, capsys):
    names = {"__name__": "queries"}
    samples = blocks("python", PAGE)
    assert len(samples) == 6
    for code in (*samples, *blocks("python", COST)):
        exec(compile(code, str(PAGE), "exec"), names)
    (shown,) = blocks("text", COST)
    assert capsys.readouterr().out.strip() == shown.strip()
