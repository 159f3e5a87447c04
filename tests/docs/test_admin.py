"""docs/howto/admin.rst: its code runs, and it names the checks and options that there are."""

import re
from pathlib import Path

import pytest
from django.contrib import admin

from django_ormist.admin import checks
from django_ormist.admin.stubs import stub_of

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "admin.rst"


def blocks():
    found = re.findall(
        r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text()
    )
    return [re.sub(r"(?m)^    ", "", code) for code in found]


@pytest.fixture
def scope(monkeypatch):
    """What the page's code leaves behind, registered with a site of its own."""
    site = admin.AdminSite()
    monkeypatch.setattr("django.contrib.admin.site", site)
    names = {"__name__": "page", "site": site}
    for code in blocks():
        exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_the_code_runs_and_its_admins_have_no_errors(scope):
    site = scope["site"]
    shown = site.get_model_admin(stub_of(scope["Article"]))
    assert shown.check() == []
    assert site.get_model_admin(stub_of(scope["Session"])).check() == []


def test_every_check_and_every_refused_option_is_there():
    text = PAGE.read_text()
    source = Path(checks.__file__).read_text()
    for name in {*re.findall(r"ormist\.E\d+", source), *checks.REFUSED}:
        assert f"``{name}``" in text
