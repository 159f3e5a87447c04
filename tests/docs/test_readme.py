"""The code of the README runs, and the README fits on two screens."""

import re
from pathlib import Path

import pytest

import django_ormist as ormist
from django_ormist import conf
from tests.docs.pages import DOCS

README = Path(__file__).parents[2] / "README.rst"


def blocks(language, page=README):
    """Return the code blocks of one language, without their indentation."""
    text = page.read_text()
    pattern = rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    return [re.sub(r"(?m)^    ", "", code) for code in re.findall(pattern, text)]


def test_the_code_of_the_readme_runs(server):
    names = {"__name__": "readme"}
    samples = [code for code in blocks("python") if "ORMIST =" not in code]
    assert samples
    for number in (1, 2):  # a reader may run it again on the same store
        for code in samples:
            exec(compile(code, str(README), "exec"), names)
        assert names["Session"].objects.count() == number


def test_the_settings_of_the_readme_are_valid(settings):
    (code,) = [code for code in blocks("python") if "ORMIST =" in code]
    names = {"INSTALLED_APPS": ["django.contrib.admin"]}
    exec(code, names)
    assert names["INSTALLED_APPS"] == ["django_ormist", "django.contrib.admin"]
    settings.ORMIST = names["ORMIST"]
    assert [conf.read_alias(name).name for name in conf.get_setting()] == ["default"]


def test_the_locations_of_the_extras_in_the_readme_are_valid(settings):
    found = re.findall(r'``"((?:embedded|fakeredis)://.*?)"``', README.read_text())
    assert len(found) == 2
    for location in found:
        settings.ORMIST = {"default": {"LOCATION": location}}
        assert conf.read_alias("default").location == location


def test_the_readme_fits_on_two_screens_and_has_no_link_that_breaks_on_pypi():
    text = README.read_text()
    assert len(text.splitlines()) <= 110
    assert not re.search(r"`_|\.\. (image|include|_)|:(doc|ref):", text)


def test_the_pages_that_the_readme_names_exist():
    titles = {page.read_text().splitlines()[0] for page in DOCS.rglob("*.rst")}
    named = set(re.findall(r"(?<!\*)\*([A-Z][\w ,\n]+)\*", README.read_text()))
    assert len(named) == 5
    assert {" ".join(each.split()) for each in named} <= titles


def test_the_commands_of_the_readme_exist():
    from django.core.management import get_commands

    named = {
        word
        for code in blocks("shell")
        for word in re.findall(r"manage\.py (\w+)", code)
    }
    assert named
    assert named <= set(get_commands())


@pytest.mark.parametrize("name", ormist.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ormist, name)
