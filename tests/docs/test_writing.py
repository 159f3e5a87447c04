"""The code of docs/reference/writing.rst runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "writing.rst"


def test_the_code_of_the_page_runs(server):
    found = re.findall(
        r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text()
    )
    assert len(found) == 9
    names = {"__name__": "writing"}
    for code in found:
        exec(compile(re.sub(r"(?m)^    ", "", code), str(PAGE), "exec"), names)
