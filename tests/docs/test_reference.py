"""The reference: its code runs, and nothing public is missing."""

import re

import pytest

import django_ormist as ormist
from django_ormist import exceptions, signals
from django_ormist.models import options
from tests.docs.pages import DOCS, blocks, run

REFERENCE = DOCS / "reference"

# Pages with samples of their own; test_queries.py and the like run those of others.
ALONE = (
    "collections",
    "connections",
    "exceptions",
    "model-options",
    "models",
    "signals",
    "transactions",
)


class Thing(ormist.Model):
    pass


DIRECTIVE = re.compile(
    r"(?m)^ *\.\. (?:auto)?"
    r"(?:attribute|class|data|exception|function|method|property|describe|setting)"
    r":: ([^\n(]+)"
)


def described():
    """Return the names that a directive of the reference describes."""
    found = set()
    for page in REFERENCE.rglob("*.rst"):
        for names in DIRECTIVE.findall(page.read_text()):
            found |= {name.strip() for name in names.split(",")}
    return {name.removeprefix("django_ormist.") for name in found}


def public(cls):
    """Return the names of a class without underscore, less their async variants."""
    names = {name for name in dir(cls) if not name.startswith("_")}
    return {name for name in names if not (name[0] == "a" and name[1:] in names)}


def missing(names):
    return sorted(set(names) - described())


@pytest.mark.parametrize("page", ALONE)
def test_the_code_of_a_page_runs(server, page):
    assert blocks(f"reference/{page}")
    run(f"reference/{page}")


def test_the_code_of_the_first_page_runs(server):
    assert len(blocks("index")) == 1
    run("index")


def test_every_name_of_the_package_is_described():
    assert missing(ormist.__all__) == []


@pytest.mark.parametrize("cls", [ormist.Model, ormist.Collection])
def test_every_method_is_described(cls):
    assert missing(f"{cls.__name__}.{name}" for name in public(cls)) == []


def test_a_manager_has_the_methods_of_a_collection_and_those_described():
    own = public(ormist.Manager) - public(ormist.Collection)
    assert missing(f"Manager.{name}" for name in own) == []


def test_the_methods_of_a_values_collection_are_listed():
    page = (REFERENCE / "values.rst").read_text()
    attributes = {"db", "ordered", "space", "totally_ordered"}
    names = public(type(Thing.objects.values())) - attributes
    unlisted = [name for name in names if f"``{name}()``" not in page]
    assert unlisted == []


def test_every_option_of_meta_is_described():
    assert missing(options._DEFAULTS) == []


def test_every_error_is_described():
    assert missing(exceptions.__all__) == []


def test_every_signal_is_described():
    names = [n for n, v in vars(signals).items() if isinstance(v, signals.Signal)]
    assert len(names) == 5
    assert missing(names) == []
