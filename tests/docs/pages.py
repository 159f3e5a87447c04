"""The pages of the manual, and the code that is in them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(language, page):
    """Return the code blocks of one language, without their indentation."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    found = re.findall(pattern, page.read_text())
    return [re.sub(r"(?m)^    ", "", code) for code in found]


def run(page, names):
    """Run the Python blocks of a page one after another, and return their number."""
    samples = blocks("python", page)
    for code in samples:
        exec(compile(code, str(page), "exec"), names)
    return len(samples)
