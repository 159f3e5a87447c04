"""docs/security.rst: its code runs, and its claims on masking are right."""

import pytest
from django.views.debug import SafeExceptionReporterFilter

import django_ormist as ormist
from django_ormist import conf
from tests.docs.pages import run


@pytest.fixture
def names(server):
    return run("security")


def test_the_code_runs_and_its_setting_is_valid(names, settings):
    settings.ORMIST = names["ORMIST"]
    assert [conf.read_alias(name).name for name in conf.get_setting()] == ["default"]


def test_the_debug_page_masks_a_password_in_options_and_not_in_location():
    value = {"LOCATION": "redis://:pw1@host", "OPTIONS": {"password": "pw2"}}
    shown = str(SafeExceptionReporterFilter().cleanse_setting("ORMIST", value))
    assert "pw1" in shown
    assert "pw2" not in shown


def test_repr_shows_attributes_only_of_a_model_that_is_verbose(names):
    class Loud(ormist.Verbose, ormist.Model):
        pass

    assert "secret" not in repr(names["Note"](text="secret"))
    assert "secret" in repr(Loud(text="secret"))
