"""Messages name pages of the manual by their titles: users do not have its files."""

import ast
import re

from tests.docs.pages import DOCS
from tests.servers import ROOT

SOURCES = sorted((ROOT / "django_ormist").rglob("*.py"))
TITLES = {
    path.read_text().split("\n===")[0].split("\n")[-1] for path in DOCS.rglob("*.rst")
}


def messages():
    """Return the texts of all sources, without the docstrings."""
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        docstrings = {
            id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(getattr(part, "value", "")) for part in node.values)
                )
            elif isinstance(node, ast.Constant) and id(node) not in docstrings:
                found.append(str(node.value))
    return found


def test_no_message_names_a_file_of_the_manual():
    assert [text for text in messages() if re.search(r"docs/|\.rst\b", text)] == []


def test_each_page_that_a_message_names_exists():
    named = re.findall(r'page "([^"]+)" of', "\n".join(messages()))
    assert len(named) >= 4
    assert set(named) <= TITLES
