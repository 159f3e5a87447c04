"""The code of docs/queries.rst runs, and its text is what it prints."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "queries.rst"


def blocks(language):
    """The code blocks of one language, without their indentation."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    found = re.findall(pattern, PAGE.read_text())
    return [re.sub(r"(?m)^    ", "", code) for code in found]


def test_the_code_of_the_page_runs(server, capsys):
    names = {"__name__": "queries"}
    samples = blocks("python")
    assert len(samples) == 7
    for code in samples:
        exec(compile(code, str(PAGE), "exec"), names)
    (shown,) = blocks("text")
    assert capsys.readouterr().out.strip() == shown.strip()
