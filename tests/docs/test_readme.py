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
    for code in samples:
        exec(compile(code, str(README), "exec"), names)
    assert names["Session"].objects.count() == 1


def test_the_settings_of_the_readme_are_valid(settings):
    (code,) = [code for code in blocks("python") if "ORMIST =" in code]
    names = {}
    exec(code, names)
    settings.ORMIST = names["ORMIST"]
    assert [conf.read_alias(name).name for name in conf.get_setting()] == ["default"]


def test_the_readme_fits_on_two_screens_and_has_no_link_that_breaks_on_pypi():
    text = README.read_text()
    assert len(text.splitlines()) <= 110
    assert not re.search(r"`_|\.\. (image|include|_)|:(doc|ref):", text)


def test_the_pages_that_the_readme_names_exist():
    titles = {page.read_text().splitlines()[0] for page in DOCS.rglob("*.rst")}
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*", README.read_text()))
    assert len(named) == 4
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
