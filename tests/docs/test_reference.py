"""The reference: its code runs, and it describes every public name."""

import re

import pytest
from django.core.management import get_commands
from django.dispatch import Signal

import django_ormist as ormist
from django_ormist import (
    admin,
    conf,
    debug,
    exceptions,
    forms,
    rest_framework,
    sessions,
    signals,
    testing,
    views,
)
from django_ormist.connections.connection import Connection
from django_ormist.connections.instrumentation import RoundTrip
from django_ormist.models import meta
from django_ormist.sessions import settings as session_settings
from tests.architecture.source import PACKAGE
from tests.docs.pages import DOCS, blocks, run

REFERENCE = DOCS / "reference"

# Pages with samples of their own. Other tests run the samples of the other pages.
ALONE = (
    "collections",
    "connections",
    "exceptions",
    "model-options",
    "models",
    "signals",
    pytest.param("transactions", marks=pytest.mark.django_db(transaction=True)),
)

DIRECTIVE = re.compile(
    r"(?m)^ *\.\. (?:auto|py:)?"
    r"(?:attribute|class|data|decorator|describe|exception|fixture|function|"
    r"(?:class|static)?method|property)"
    r":: ([^\n(]+)"
)
TERM = re.compile(
    r"(?m)^ *``([\w.-]+)"
)  # of a definition list, or a table's first cell


class Documented(ormist.Model):
    pass


def described():
    """Return the names that a directive or a list of the reference describes."""
    found = set()
    for page in REFERENCE.rglob("*.rst"):
        text = page.read_text()
        found.update(TERM.findall(text))
        for names in DIRECTIVE.findall(text):
            found.update(name.strip() for name in names.split(","))
    return {name.removeprefix("django_ormist.") for name in found}


def missing(names):
    return sorted(set(names) - described())


def public(cls):
    """Return the names of a class without underscore, less the async variants."""
    names = {name for name in dir(cls) if not name.startswith("_")}
    return {name for name in names if not (name[0] == "a" and name[1:] in names)}


@pytest.mark.parametrize("page", ALONE)
def test_the_code_of_a_page_runs(server, page):
    assert blocks(f"reference/{page}")
    run(f"reference/{page}")


def test_the_code_of_the_first_page_runs(server):
    for _ in range(2):  # a reader may run it again on the same store
        run("index")


@pytest.mark.parametrize(
    "module",
    [
        ormist,
        admin,
        debug,
        exceptions,
        forms,
        rest_framework,
        sessions,
        testing,
        views,
    ],
)
def test_every_public_name_of_a_module_is_described(module):
    names = module.__all__
    assert missing(n for n in names if n[:1] != "a" or n[1:] not in names) == []


@pytest.mark.parametrize("cls", [ormist.Model, ormist.Collection])
def test_every_method_of_a_class_is_described(cls):
    assert missing(f"{cls.__name__}.{name}" for name in public(cls)) == []


def test_methods_that_only_a_manager_has_are_described():
    own = public(ormist.Manager) - public(ormist.Collection)
    assert missing(f"Manager.{name}" for name in own) == []


def test_methods_that_a_manager_lacks_are_named():
    page = (REFERENCE / "collections.rst").read_text()
    start = page.index("A manager has every method of a collection except")
    lacking = page[start : page.index(";", start)]
    attributes = {"as_manager", "space"}  # of the class, and of the package's own use
    names = public(ormist.Collection) - public(ormist.Manager) - attributes
    assert set(re.findall(r"``(\w+)(?:\(\))?``", lacking)) == names


def test_the_methods_of_a_values_collection_are_listed():
    page = (REFERENCE / "values.rst").read_text()
    attributes = {"db", "ordered", "space", "totally_ordered"}
    names = public(type(Documented.objects.values())) - attributes
    assert [name for name in sorted(names) if f"``{name}()``" not in page] == []


@pytest.mark.parametrize("cls", [Connection, RoundTrip])
def test_attributes_of_connections_and_round_trips_are_described(cls):
    assert missing(public(cls) - public(tuple)) == []


def test_every_option_of_meta_is_described():
    assert missing(meta.DEFAULTS) == []


def test_every_signal_is_described():
    names = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
    assert len(names) == 5
    assert missing(names) == []


def test_every_key_of_the_settings_is_described():
    assert missing({*conf._KEYS, *conf._TEST_KEYS, *session_settings._VALIDATORS}) == []


def test_every_command_is_described():
    names = {name for name, app in get_commands().items() if app == "django_ormist"}
    assert missing(names) == []


def test_every_check_is_described():
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = set(re.findall(r"\"(?:ormist\.)?([EW]\d{3})\"", source))
    assert len(names) > 10
    assert missing(f"ormist.{name}" for name in names) == []
