"""The version is written once, in django_ormist/__init__.py."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import django_ormist

ROOT = Path(__file__).parents[2]


def test_the_installed_version_matches_the_package():
    assert version("django-ormist") == django_ormist.__version__


def test_pyproject_reads_the_version_from_the_package():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in pyproject["project"]
    assert pyproject["project"]["dynamic"] == ["version"]
    path = pyproject["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{django_ormist.__version__}"' in (ROOT / path).read_text()


def test_the_changelog_begins_with_the_version():
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    newest = re.search(r"(?m)^(\d+\.\d+\.\d+)\b", changelog)
    assert newest[1] == django_ormist.__version__
