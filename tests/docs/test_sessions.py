"""The code of docs/howto/sessions.rst runs, and its settings and commands are real."""

import re
from pathlib import Path

import pytest

from django_ormist.sessions import settings as ours

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "sessions.rst"
SETTINGS = ("SESSION_ENGINE =", "ORMIST_SESSIONS =", "MIDDLEWARE =")


def blocks(language):
    """The code blocks of one language, without their indentation."""
    pattern = rf"( *)\.\. code-block:: {language}\n\n((?:\1    .*\n|\n)+)"
    found = re.findall(pattern, PAGE.read_text())
    return [re.sub(rf"(?m)^{indent}    ", "", code) for indent, code in found]


@pytest.fixture
def names(settings):
    """What the settings of the page say, as they are set here."""
    found = {}
    for code in blocks("python"):
        if code.startswith(SETTINGS):
            exec(code, found)
    for name in ("SESSION_ENGINE", "ORMIST_SESSIONS"):
        setattr(settings, name, found[name])
    return found


def test_the_code_of_the_page_runs(server, names):
    samples = [code for code in blocks("python") if not code.startswith(SETTINGS)]
    assert len(samples) == 3
    scope = {"__name__": "page"}
    for code in samples:
        exec(compile(code, str(PAGE), "exec"), scope)
    assert scope["urlpatterns"]


def test_the_settings_of_the_page_are_all_there_are_and_the_defaults(names):
    assert set(names["ORMIST_SESSIONS"]) == set(ours._READERS)
    assert ours.current() == ours.Settings()


def test_the_middleware_of_the_page_can_be_imported(names):
    from django.utils.module_loading import import_string

    assert all(import_string(path) for path in names["MIDDLEWARE"])


def test_the_commands_of_the_page_exist():
    from django.core.management import get_commands

    named = set(re.findall(r"manage\.py (\w+)", PAGE.read_text()))
    assert named == {"ormist_import_sessions", "clearsessions"}
    assert named <= set(get_commands())
