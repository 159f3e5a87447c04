"""The pages about the admin: their code runs, and they list every name."""

import re
from pathlib import Path

import pytest
from django.contrib import admin

from django_ormist import admin as ormist_admin
from django_ormist.admin import checks
from django_ormist.admin.proxies import admin_model_for
from tests.docs.pages import DOCS, assert_signatures, run


@pytest.fixture
def scope(monkeypatch):
    """The names of the guide, registered with a site of their own."""
    site = admin.AdminSite()
    monkeypatch.setattr("django.contrib.admin.site", site)
    return run("howto/admin", {"__name__": "page", "site": site})


def test_the_code_runs_and_its_admins_have_no_errors(scope):
    site, proxy = scope["site"], admin_model_for(scope["Article"])
    assert isinstance(site.get_model_admin(proxy), scope["ArrangedArticleAdmin"])
    assert site.get_model_admin(proxy).check() == []
    assert scope["ArticleAdmin"](proxy, site).check() == []
    assert site.get_model_admin(admin_model_for(scope["Session"])).check() == []


def test_every_check_and_every_refused_option_is_described():
    text = (DOCS / "reference" / "admin.rst").read_text()
    source = Path(checks.__file__).read_text()
    for name in {*re.findall(r"ormist\.E\d+", source), *checks.REFUSED}:
        assert f"``{name}``" in text


def test_the_reference_has_every_public_name_with_its_signature():
    assert set(ormist_admin.__all__) <= assert_signatures("reference/admin")


def test_the_reference_has_every_template():
    text = (DOCS / "reference" / "admin.rst").read_text()
    folder = DOCS.parent / "django_ormist" / "templates"
    for path in (folder / "django_ormist" / "admin").glob("*.html"):
        assert f"``{path.relative_to(folder)}``" in text
