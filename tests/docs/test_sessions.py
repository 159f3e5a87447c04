"""The pages about sessions: their code runs, and their names exist."""

import re

import pytest

from django_ormist import sessions
from django_ormist.sessions import settings as ours
from tests.docs.pages import DOCS, assert_signatures, blocks, run

SETTINGS = ("SESSION_ENGINE =", "ORMIST_SESSIONS =", "MIDDLEWARE =")
HOWTO, REFERENCE = "howto/sessions", "reference/sessions"


def settings_of(page):
    """Return the settings of each block as a list of dicts."""
    found = []
    for code in blocks(page):
        if code.startswith(SETTINGS):
            exec(code, scope := {})
            found.append({name: scope[name] for name in scope if name.isupper()})
    return found


@pytest.fixture
def engine(settings):
    """The settings of the first block of the guide."""
    settings.SESSION_ENGINE = settings_of(HOWTO)[0]["SESSION_ENGINE"]


def test_the_code_of_the_guide_runs(server, engine):
    assert len(blocks(HOWTO)) - len(settings_of(HOWTO)) == 3
    assert run(HOWTO, skip=SETTINGS)["urlpatterns"]


def test_every_setting_of_the_guide_is_valid(settings):
    found = [each for each in settings_of(HOWTO) if "ORMIST_SESSIONS" in each]
    assert len(found) == 4
    for each in found:
        settings.ORMIST_SESSIONS = each["ORMIST_SESSIONS"]
        assert ours.current()


def test_the_reference_has_every_setting_and_its_default(settings):
    ((value,),) = [each.values() for each in settings_of(REFERENCE)]
    settings.ORMIST_SESSIONS = value
    assert set(value) == set(ours._VALIDATORS)
    assert ours.current() == ours.Settings()


def test_the_middleware_of_the_guide_can_be_imported():
    from django.utils.module_loading import import_string

    (names,) = [
        each["MIDDLEWARE"] for each in settings_of(HOWTO) if "MIDDLEWARE" in each
    ]
    assert all(import_string(path) for path in names)


@pytest.mark.parametrize("page", [HOWTO, REFERENCE])
def test_the_commands_of_the_pages_exist(page):
    from django.core.management import get_commands

    text = (DOCS / f"{page}.rst").read_text()
    named = set(re.findall(r"(?:manage\.py |\n``)(\w+)", text)) & set(get_commands())
    assert named == {"ormist_import_sessions", "clearsessions"}


def test_the_reference_has_every_public_name_with_its_signature():
    names = assert_signatures(REFERENCE)
    assert {*sessions.__all__, "SessionMiddleware"} <= names
    own = vars(sessions.SessionStore)
    methods = {name for name in own if callable(getattr(sessions.SessionStore, name))}
    methods = {name for name in methods if not name.startswith("_")}
    documented = {name.partition(".")[2] for name in names}
    assert methods - documented == {"adelete_test_cookie"}


def test_the_reference_has_every_url_and_template():
    from django_ormist.sessions import urls

    text = (DOCS / f"{REFERENCE}.rst").read_text()
    for each in urls.urlpatterns:
        assert f"``{each.name}``" in text
    folder = DOCS.parent / "django_ormist" / "templates"
    for path in (folder / "django_ormist" / "sessions").glob("*.html"):
        assert f"``{path.relative_to(folder)}``" in text
